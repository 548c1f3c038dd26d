"""The fixture httpserve_config: what a module or a project says of its servers."""

import re
import select
import socket
from collections.abc import Callable

import pytest

from ..ports import unused_port

Suite = Callable[..., pytest.RunResult]
Shown = Callable[[pytest.RunResult, str], str]

NAMES = (
    "host, port, strict, ignore, redact, record, tls, http2, timeout, grace, client_timeout, keep_threads, "
    "max_exchanges, max_journal_bytes"
)

LISTENS_ON = """
    def test_it(httpserve, httpserve_factory):
        assert httpserve.host == httpserve_factory().host == "127.0.0.2"
"""


def override(value: str, fixture: str = "@pytest.fixture", argument: str = "") -> str:
    return f"""
    import pytest

    {fixture}
    def httpserve_config({argument}):
        return {value}
    """


HOST = override("{'host': '127.0.0.2'}")


# Who says it


def test_a_module_configures_its_servers(suite: Suite) -> None:
    suite(HOST + LISTENS_ON).assert_outcomes(passed=1)


@pytest.mark.parametrize("scope", ["function", "class", "module", "package", "session"])
def test_a_project_configures_its_servers_in_any_scope(suite: Suite, pytester: pytest.Pytester, scope: str) -> None:
    pytester.makeconftest(override("{'host': '127.0.0.2'}", f"@pytest.fixture(scope={scope!r})"))

    suite(LISTENS_ON).assert_outcomes(passed=1)


def test_a_class_changes_what_its_module_says_and_another_module_knows_nothing_of_it(
    suite: Suite, pytester: pytest.Pytester
) -> None:
    pytester.makepyfile(test_other="def test_other(httpserve): assert httpserve.host == '127.0.0.1'")
    result = suite(
        HOST
        + """
    class TestWithin:
        @pytest.fixture
        def httpserve_config(self, httpserve_config):
            return httpserve_config | {"strict": True}

        def test_it(self, httpserve):
            assert httpserve.host == "127.0.0.2"
            httpserve.on("GET", "/a").respond()
    """
        + LISTENS_ON
        + """
        httpserve.on("GET", "/a").respond()
    """
    )

    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["*_ TestWithin.test_it _*", "the route GET /a (*) was never called*"])


def test_it_reaches_the_workers_of_xdist(suite: Suite) -> None:
    suite(HOST + LISTENS_ON, "-p", "xdist", "-n", "1").assert_outcomes(passed=1)


def test_a_parameter_of_the_test_configures_its_servers(suite: Suite) -> None:
    result = suite("""
        import pytest

        @pytest.mark.parametrize("httpserve_config", [{"host": "127.0.0.2"}, {"host": "127.0.0.3"}])
        def test_it(httpserve, httpserve_config):
            assert httpserve.host == httpserve_config["host"]
    """)

    result.assert_outcomes(passed=2)


def test_a_test_runs_once_for_each_parameter_of_the_override(suite: Suite) -> None:
    given = "@pytest.fixture(params=['127.0.0.2', '127.0.0.3'], ids=['two', 'three'])"
    result = suite(
        override("{'host': request.param}", given, "request")
        + """
    def test_server(httpserve):
        assert httpserve.host in ("127.0.0.2", "127.0.0.3")

    def test_factory(httpserve_factory):
        assert httpserve_factory().host in ("127.0.0.2", "127.0.0.3")

    def test_without():
        pass
    """,
        "-v",
    )

    result.assert_outcomes(passed=5)
    result.stdout.fnmatch_lines(["*test_server[[]two] PASSED*", "*test_server[[]three] PASSED*"])


def test_an_override_that_nobody_asks_for_is_not_run(suite: Suite) -> None:
    suite(override("1 / 0") + "def test_it(): pass\n").assert_outcomes(passed=1)


# What is said besides


def test_what_it_leaves_out_is_as_the_options_say(suite: Suite) -> None:
    result = suite(
        override("{'strict': False}")
        + """
    def test_it(httpserve):
        assert httpserve.host == "127.0.0.2"
        httpserve.on("GET", "/a").respond()
    """,
        "--httpserve-host=127.0.0.2",
        "--httpserve-strict",
    )

    result.assert_outcomes(passed=1)


def test_it_wins_over_the_options(suite: Suite) -> None:
    suite(HOST + LISTENS_ON, "--httpserve-host=127.0.0.3").assert_outcomes(passed=1)


def test_it_may_build_on_what_the_options_say(suite: Suite) -> None:
    result = suite(
        override("{'ignore': [*httpserve_config['ignore'], 'errors']}", argument="httpserve_config")
        + """
    from client import fetch

    def test_it(httpserve):
        httpserve.on("GET", "/a").handle(lambda request: 1 / 0)
        fetch(httpserve.url_for("/a"))
        fetch(httpserve.url_for("/missing"))

    def test_expectation(httpserve):
        httpserve.on("GET", "/a").respond().expect()
    """,
        "--httpserve-ignore=unanswered",
    )

    result.assert_outcomes(passed=1, failed=1)


def test_what_the_options_say_cannot_be_changed_by_accident(suite: Suite) -> None:
    result = suite("""
        import pytest

        def test_it(httpserve_config):
            usual = {"host": "127.0.0.1", "strict": False, "ignore": (), "redact": (), "record": "none"}
            assert httpserve_config == usual
            with pytest.raises(TypeError):
                httpserve_config["strict"] = True
    """)

    result.assert_outcomes(passed=1)


@pytest.mark.needs("socket.AF_UNIX")
def test_the_arguments_of_the_factory_win_over_it(suite: Suite) -> None:
    result = suite(
        override("{'host': '127.0.0.2', 'strict': True, 'tls': True}")
        + """
    def test_it(httpserve_factory):
        server = httpserve_factory(host="127.0.0.3", strict=False, tls=False)
        assert server.base_url.startswith("http://127.0.0.3:")
        server.on("GET", "/a").respond()
        assert httpserve_factory(unix=True, tls=False).socket_path
    """
    )

    result.assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("named", "test"),
    [
        ("AF_UNIX", "def test_it(httpserve_factory): httpserve_factory(unix=True)"),
        ("poll()", "import pytest\n@pytest.mark.serve_cgi('.')\ndef test_it(httpserve): pass"),
    ],
    ids=["factory", "marker"],
)
def test_what_this_python_does_not_have_is_a_skip_that_names_it(
    suite: Suite, monkeypatch: pytest.MonkeyPatch, named: str, test: str
) -> None:
    monkeypatch.delattr(socket, "AF_UNIX", raising=False)
    monkeypatch.delattr(select, "poll", raising=False)
    result = suite(test, "-rs")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines([f"SKIPPED*needs {named}, which this Python does not have"])


def test_markers_win_over_it(suite: Suite) -> None:
    result = suite(
        override("{'strict': True, 'ignore': 'unanswered', 'tls': 'expired'}")
        + """
    from pytest_httpserve import TLS

    @pytest.mark.serve_checks(strict=False, ignore="errors")
    @pytest.mark.serve_tls(names=["example.test"])
    def test_it(httpserve, httpserve_client):
        assert httpserve_client.get("/missing").status_code == 404
        httpserve.on("GET", "/a").handle(lambda request: 1 / 0)
        httpserve_client.get("/a")

    def test_strict(httpserve):
        httpserve.on("GET", "/a").respond()
    """
    )

    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["the route GET /a (*) was never called, expected at least once"])


# What can be said


def test_the_port_is_that_of_httpserve(suite: Suite, pytester: pytest.Pytester) -> None:
    pytester.makeconftest(f"""
        import pytest

        @pytest.fixture(scope="session")
        def free_port():
            return {unused_port()}

        @pytest.fixture(scope="session")
        def httpserve_config(free_port):
            return {{"port": free_port}}
    """)
    result = suite("""
        def test_it(httpserve, httpserve_factory, httpserve_session, free_port):
            assert httpserve.port == free_port
            assert free_port not in (httpserve_factory().port, httpserve_session.port)

        def test_next(httpserve, free_port):
            assert httpserve.port == free_port
    """)

    result.assert_outcomes(passed=2)


def test_a_whole_project_is_served_over_tls(suite: Suite) -> None:
    result = suite(
        override("{'tls': True}", "@pytest.fixture(scope='session')")
        + """
    def test_it(httpserve, httpserve_client, httpserve_factory, httpserve_session, httpserve_ca):
        for server in (httpserve, httpserve_factory(), httpserve_session):
            assert server.base_url.startswith("https://")
            assert server.ca is httpserve_ca
        httpserve.on("GET", "/a").respond(text="well")
        assert httpserve_client.get("/a").text == "well"
    """
    )

    result.assert_outcomes(passed=1)


def test_it_says_how_long_a_server_waits_for_its_client(suite: Suite) -> None:
    result = suite(
        override("{'timeout': 0.05, 'ignore': 'refused'}")
        + """
    import socket

    def test_it(httpserve, httpserve_factory):
        for server in (httpserve, httpserve_factory()):
            with socket.create_connection((server.host, server.port), timeout=10) as client:
                client.sendall(b"GET")
                assert client.recv(65536).startswith(b"HTTP/1.1 408 ")
    """
    )

    result.assert_outcomes(passed=1)


def test_it_says_how_long_the_client_waits_for_its_server(suite: Suite) -> None:
    result = suite(
        override("{'client_timeout': 0.05}")
        + """
    import requests

    def test_it(httpserve, httpserve_client):
        with httpserve.on("GET", "/a").respond().hold(), pytest.raises(requests.ReadTimeout):
            httpserve_client.get("/a")
    """
    )

    result.assert_outcomes(passed=1)


def test_it_says_how_much_a_journal_keeps(suite: Suite) -> None:
    result = suite(
        override("{'max_journal_bytes': 0}")
        + """
    from client import fetch

    def test_it(httpserve):
        httpserve.on("GET", "/a").respond(text="well")
        fetch(httpserve.url_for("/a"))
        fetch(httpserve.url_for("/a"))
        httpserve.stop()
        assert len(httpserve.exchanges) == httpserve.dropped_exchanges == 1
    """
    )

    result.assert_outcomes(passed=1)


# The server of the session


def test_the_server_of_the_session_is_configured_by_what_lives_as_long(suite: Suite) -> None:
    result = suite(
        override("{'host': '127.0.0.2', 'client_timeout': 5}", "@pytest.fixture(scope='session')")
        + """
    def test_it(httpserve_session, httpserve):
        assert httpserve_session.host == httpserve.host == "127.0.0.2"
    """
    )

    result.assert_outcomes(passed=1)


@pytest.mark.parametrize("first", ["httpserve_session", "httpserve"])
def test_a_narrower_scope_is_an_error_whoever_asks_first(suite: Suite, pytester: pytest.Pytester, first: str) -> None:
    pytester.makepyfile(test_a=f"def test_first({first}): pass")
    suite(override("{}", "@pytest.fixture(scope='module')") + "def test_it(httpserve_session): pass\n")

    result = pytester.runpytest("-W", "error")

    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines([
        "ScopeMismatch: You tried to access the module scoped fixture httpserve_config with a session scoped *",
        "test_it.py:*def httpserve_config()",
    ])  # fmt: skip


# Wrong values


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ("None", "it must return a mapping such as {'strict': True}, not None"),
        ("{'hots': '::1'}", f"'hots' is not one of {NAMES}"),
        ("{'unix': True}", f"'unix' is not one of {NAMES}"),
        ("{'host': 'localhost'}", "host='localhost' is not an IP address such as 127.0.0.1 or ::1"),
        ("{'port': '80'}", "port= must be a number from 0 to 65535, not '80'"),
        ("{'strict': 'no'}", "strict= must be True or False, not 'no'"),
        (
            "{'ignore': ['error']}",
            "a kind of failure must be one of unanswered, refused, errors, expectations, not 'error'",
        ),
        ("{'ignore': 5}", "a kind of failure must be one of unanswered, refused, errors, expectations, not 5"),
        ("{'timeout': 0}", "timeout= must be a number of seconds above 0, not 0"),
        ("{'client_timeout': None}", "client_timeout= must be a number of seconds above 0, not None"),
        ("{'max_exchanges': 0}", "max_exchanges= must be a whole number, 1 or more, not 0"),
        ("{'max_journal_bytes': -1}", "max_journal_bytes= must be a whole number, 0 or more, not -1"),
    ],
)
def test_a_wrong_override_is_one_sentence_at_set_up(suite: Suite, shown: Shown, value: str, sentence: str) -> None:
    result = suite(override(value) + "def test_it(httpserve): pass\n")

    result.assert_outcomes(errors=1)
    assert shown(result, "ERROR at setup of test_it") == f"httpserve_config (/project/test_it.py:3): {sentence}\n"


def test_a_wrong_fault_of_tls_is_one_sentence(suite: Suite) -> None:
    result = suite(override("{'tls': 'expird'}") + "def test_it(httpserve): pass\n")

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["httpserve_config (*test_it.py:3): *'expird'*"])
    result.stdout.no_fnmatch_line("*Traceback*")


@pytest.mark.parametrize("fixture", ["httpserve_session", "httpserve_factory"])
def test_a_wrong_override_is_one_sentence_for_every_server(suite: Suite, fixture: str) -> None:
    test = f"def test_it({fixture}): {fixture if fixture == 'httpserve_session' else fixture + '()'}\n"
    result = suite(override("{'port': -1}", "@pytest.fixture(scope='session')") + test)

    outcome = {"errors": 1} if fixture == "httpserve_session" else {"failed": 1}
    result.assert_outcomes(**outcome)
    result.stdout.fnmatch_lines(["httpserve_config (*test_it.py:3): port= must be a number from 0 to 65535, not -1"])


def test_the_fixture_is_listed_with_a_line_to_copy(pytester: pytest.Pytester) -> None:
    text = pytester.runpytest("--fixtures").stdout.str()

    entry = re.search(r"^httpserve_config \[session scope\] -- .*\n    (.+)\n", text, re.MULTILINE)
    assert entry is not None
    assert 'def httpserve_config(): return {"host": "::1", "strict": True}' in entry[1]
    assert len(entry[1]) <= 120
