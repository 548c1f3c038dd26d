"""What the plugin costs a session that does not use it."""

import subprocess
import sys

import pytest

# What every run of pytest needs of the plugin. What a test needs that asks for a server is not among it.
# The clock is: it is taken as it is before any test.
PACKAGE = {"pytest_httpserve"}
OURS = {
    *PACKAGE,
    "pytest_httpserve.clock",
    "pytest_httpserve.plugin",
    "pytest_httpserve.plugin._beginning",
    "pytest_httpserve.plugin._fixtures",
    "pytest_httpserve.plugin._hooks",
    "pytest_httpserve.plugin._markers",
    "pytest_httpserve.plugin._options",
    "pytest_httpserve.plugin._outcomes",
}


def modules(code: str) -> set[str]:
    """The modules that ``code`` adds to those of pytest."""
    script = f"import sys, pytest\nbefore = set(sys.modules)\n{code}\nprint(*(set(sys.modules) - before))"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stderr
    return set(result.stdout.split())


def test_importing_the_plugin_imports_nothing_else() -> None:
    assert modules("import pytest_httpserve.plugin") == OURS


@pytest.mark.parametrize("name", ["HTTPServe", "Response", "UsageError"])
def test_a_name_of_the_package_is_loaded_when_it_is_used(name: str) -> None:
    before = modules("import pytest_httpserve")
    after = modules(f"from pytest_httpserve import {name}")

    assert before == PACKAGE
    assert len(after) > 1


def test_a_server_needs_neither_tls_nor_a_client_library() -> None:
    added = modules("""
from pytest_httpserve import HTTPServe
with HTTPServe() as server:
    server.on("GET", "/a").respond(text="well")
    import socket
    with socket.create_connection((server.host, server.port), timeout=10) as client:
        client.sendall(b"GET /a HTTP/1.0\\r\\n\\r\\n")
        assert client.recv(15) == b"HTTP/1.1 200 OK"
""")

    assert added & {"ssl", "trustme", "requests", "http.client", "http.server", "cryptography", "email.parser"} == set()


def test_a_session_finds_the_plugin_and_imports_nothing_else_of_the_package(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD")
    monkeypatch.delenv("PYTEST_PLUGINS")
    pytester.makepyfile(f"""
        import sys

        def test_it():
            ours = {{name for name in sys.modules if name.split(".")[0] == "pytest_httpserve"}}
            assert ours == {OURS}
    """)
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider")

    result.assert_outcomes(passed=1)
    assert result.ret == pytest.ExitCode.OK


def test_the_public_names_are_there() -> None:
    import pytest_httpserve

    for name in pytest_httpserve.__all__:
        value = getattr(pytest_httpserve, name)
        assert name.isupper() or value.__name__ == name
    assert set(pytest_httpserve.__all__) <= set(dir(pytest_httpserve))
    with pytest.raises(AttributeError, match=r"^module 'pytest_httpserve' has no attribute 'nothing'"):
        pytest_httpserve.nothing  # noqa: B018
