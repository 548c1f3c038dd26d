"""The marker serve_cgi: which directory, at which prefix, and what the report of a failing test shows."""

from collections.abc import Callable

import pytest

pytestmark = pytest.mark.needs("select.poll")

Suite = Callable[..., pytest.RunResult]


@pytest.fixture(autouse=True)
def scripts(pytester: pytest.Pytester) -> None:
    """Directories ``scripts`` and ``other`` in the rootdir."""
    for path, commands in {
        "scripts/name": 'printf "Content-Type: text/plain\\n\\n$SCRIPT_NAME $MINE"',
        "scripts/warns": "echo beware >&2; printf 'Content-Type: text/plain\\n\\nfine'; exit 2",
        "scripts/fails": "echo oh no >&2; exit 3",
        "scripts/waits": "exec sleep 1000",
        "other/name": 'printf "Content-Type: text/plain\\n\\nother $SCRIPT_NAME"',
    }.items():
        script = pytester.path / path
        script.parent.mkdir(exist_ok=True)
        script.write_text(f"#!/bin/sh\n{commands}\n")
        script.chmod(0o755)


def test_markers_can_be_stacked(suite: Suite, pytester: pytest.Pytester) -> None:
    pytester.mkdir("site").joinpath("page.txt").write_text("a page")

    result = suite(
        """
        import pytest
        from client import fetch

        @pytest.mark.serve_dir("site")
        @pytest.mark.serve_cgi("scripts", env={"MINE": "here"})
        class TestIt:
            def test_default(self, httpserve):
                assert fetch(httpserve.url_for("/cgi-bin/name")) == (200, "/cgi-bin/name here")
                assert fetch(httpserve.url_for("/page.txt")) == (200, "a page")

            @pytest.mark.serve_cgi("other", at="/tools/cgi")
            def test_both(self, httpserve):
                assert fetch(httpserve.url_for("/cgi-bin/name")) == (200, "/cgi-bin/name here")
                assert fetch(httpserve.url_for("/tools/cgi/name")) == (200, "other /tools/cgi/name")
    """,
        "--strict-markers",
    )

    result.assert_outcomes(passed=2)


def test_a_script_that_fails_fails_its_test_with_its_stderr(suite: Suite) -> None:
    result = suite("""
        import pytest
        from client import fetch

        @pytest.mark.serve_cgi("scripts")
        def test_it(httpserve):
            assert fetch(httpserve.url_for("/cgi-bin/fails"))[0] == 502

        @pytest.mark.serve_cgi("scripts", timeout=0.2)
        def test_waiting(httpserve):
            assert fetch(httpserve.url_for("/cgi-bin/waits"))[0] == 504
    """)

    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(
        [
            "the CGI script */scripts/fails failed: it ended with exit status 3, and wrote nothing; *",
            "oh no",
            "* Captured httpserve call *",
            "*GET /cgi-bin/fails -> 502*",
            "    /cgi-bin/fails: oh no",
            "the CGI script */scripts/waits failed: it kept the server waiting for 0.2 s",
        ]
    )


def test_the_report_of_a_failing_test_shows_stderr_and_exit_status(suite: Suite) -> None:
    result = suite("""
        import pytest
        from client import fetch

        @pytest.mark.serve_cgi("scripts")
        def test_it(httpserve):
            assert fetch(httpserve.url_for("/cgi-bin/warns")) == (200, "not what it says")
    """)

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["*GET /cgi-bin/warns -> 200*", "    /cgi-bin/warns: beware", "    /cgi-bin/warns: ended with exit status 2"]
    )


def test_a_test_that_ends_before_its_script_passes(suite: Suite) -> None:
    result = suite("""
        import socket
        import pytest

        @pytest.mark.serve_cgi("scripts")
        def test_it(httpserve):
            client = socket.create_connection(("127.0.0.1", httpserve.port))
            client.sendall(b"GET /cgi-bin/waits HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
            client.close()
    """)

    result.assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ('"nothing"', "@pytest.mark.serve_cgi: serve_cgi('nothing'): there is no such directory; tried *nothing*"),
        (
            '"scripts", timeout=0',
            "@pytest.mark.serve_cgi: serve_cgi(timeout=) must be a number of seconds above 0, not 0",
        ),
        (
            '"scripts", env=3',
            "@pytest.mark.serve_cgi: serve_cgi(env=) must be a mapping of variables to their values, not 3",
        ),
        ('"scripts", wrong=1', "@pytest.mark.serve_cgi: *serve_cgi() got an unexpected keyword argument 'wrong'"),
        ("", "@pytest.mark.serve_cgi: *serve_cgi() missing 1 required positional argument: 'path'"),
    ],
)
def test_a_wrong_marker_is_one_sentence(suite: Suite, arguments: str, said: str) -> None:
    result = suite(f"""
        import pytest

        @pytest.mark.serve_cgi({arguments})
        def test_it(httpserve):
            pass
    """)

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([said.replace("[", "[[]")])
    result.stdout.no_fnmatch_line("*Traceback*")


def test_the_marker_is_registered(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest("--markers")

    result.stdout.fnmatch_lines(["@pytest.mark.serve_cgi(path, *, at=*"])
