"""Where the servers of a session listen."""

from collections.abc import Callable

import pytest

Suite = Callable[..., pytest.RunResult]

LISTENS_ON = """
    def test_it(httpserve, httpserve_factory):
        assert httpserve.host == httpserve_factory().host == {!r}
        assert httpserve.base_url.startswith("http://{}:")
"""


def test_servers_listen_on_the_loopback_address(suite: Suite) -> None:
    suite(LISTENS_ON.format("127.0.0.1", "127.0.0.1")).assert_outcomes(passed=1)


def test_the_option_chooses_the_address(suite: Suite) -> None:
    suite(LISTENS_ON.format("127.0.0.2", "127.0.0.2"), "--httpserve-host=127.0.0.2").assert_outcomes(passed=1)


def test_the_ini_file_chooses_the_address(suite: Suite, pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nhttpserve_host = 127.0.0.2")

    suite(LISTENS_ON.format("127.0.0.2", "127.0.0.2"), "--strict-config").assert_outcomes(passed=1)


def test_the_option_wins_over_the_ini_file(suite: Suite, pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nhttpserve_host = 127.0.0.2")

    suite(LISTENS_ON.format("127.0.0.3", "127.0.0.3"), "--httpserve-host", "127.0.0.3").assert_outcomes(passed=1)


def test_the_factory_chooses_an_address_of_its_own(suite: Suite) -> None:
    result = suite(
        """
        def test_it(httpserve_factory):
            assert httpserve_factory(host="127.0.0.3").host == "127.0.0.3"
    """,
        "--httpserve-host=127.0.0.2",
    )

    result.assert_outcomes(passed=1)


def test_the_option_reaches_the_workers_of_xdist(suite: Suite) -> None:
    result = suite(LISTENS_ON.format("127.0.0.2", "127.0.0.2"), "--httpserve-host=127.0.0.2", "-p", "xdist", "-n", "1")

    result.assert_outcomes(passed=1)


@pytest.mark.parametrize("host", ["localhost", "256.0.0.1", "127.0.0.1:80", "[::1]"])
def test_a_wrong_option_ends_the_session_before_it_begins(suite: Suite, host: str) -> None:
    result = suite("def test_it(): pass", f"--httpserve-host={host}")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        [f"ERROR: --httpserve-host='{host.replace('[', '[[]')}' is not an IP address such as *"]
    )
    result.stdout.no_fnmatch_line("*passed*")


def test_a_wrong_ini_value_ends_the_session_before_it_begins(suite: Suite, pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nhttpserve_host = localhost")
    result = suite("def test_it(): pass")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: httpserve_host = 'localhost' is not an IP address such as 127.0.0.1 or ::1"])


def test_an_address_of_another_machine_is_one_sentence_at_set_up(suite: Suite) -> None:
    result = suite("def test_it(httpserve): pass", "--httpserve-host=203.0.113.1")

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["cannot listen on 203.0.113.1 port 0: * (--httpserve-host=203.0.113.1)"])
    result.stdout.no_fnmatch_line("*Traceback*")
    result.stdout.no_fnmatch_line("*httpserve/plugin/*")


def test_a_port_that_is_in_use_is_one_sentence_with_the_fixture_that_asks_for_it(suite: Suite) -> None:
    result = suite("""
        import socket
        import pytest

        @pytest.fixture(scope="module")
        def httpserve_config():
            with socket.create_server(("127.0.0.1", 0)) as taken:
                yield {"port": taken.getsockname()[1]}

        def test_it(httpserve):
            pass
    """)

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["cannot listen on 127.0.0.1 port *: Address already in use (httpserve_config)"])
    result.stdout.no_fnmatch_line("*httpserve/plugin/*")


def test_the_help_explains_option_and_ini_value(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest("--help")

    result.stdout.fnmatch_lines(["  --httpserve-host=ADDRESS", "  httpserve_host (string):*"])
