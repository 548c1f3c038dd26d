"""The fixtures: a server for a test, and gone with it."""

import re
from collections.abc import Callable

import pytest

Suite = Callable[..., pytest.RunResult]


def test_each_test_has_a_server_of_its_own(suite: Suite) -> None:
    result = suite("""
        import pytest
        from client import fetch

        @pytest.mark.parametrize("number", range(3))
        def test_it(httpserve, number):
            assert httpserve.exchanges == ()
            httpserve.on("GET", "/a").respond(text=str(number))
            assert fetch(httpserve.url_for("/a")) == (200, str(number))
    """)

    result.assert_outcomes(passed=3)


def test_a_server_is_gone_after_its_test(suite: Suite) -> None:
    result = suite("""
        import socket

        import pytest

        ports = []

        def test_first(httpserve, httpserve_factory):
            ports.extend([httpserve.port, httpserve_factory().port])

        def test_second():
            for port in ports:
                with pytest.raises(ConnectionRefusedError):
                    socket.create_connection(("127.0.0.1", port), timeout=10)
    """)

    result.assert_outcomes(passed=2)


def test_threads_do_not_grow_with_the_number_of_tests(suite: Suite) -> None:
    result = suite("""
        import threading

        import pytest
        from client import fetch

        most = []

        @pytest.mark.parametrize("number", range(20))
        def test_it(httpserve, number):
            httpserve.on("GET", "/a").respond()
            for _ in range(3):
                fetch(httpserve.url_for("/a"))
            most.append(threading.active_count())
            assert most[-1] <= most[0] + 2
    """)

    result.assert_outcomes(passed=20)


@pytest.mark.needs("/proc/self/fd")
def test_neither_server_nor_bodies_are_kept_until_the_session_ends(suite: Suite) -> None:
    """The items of a session live as long as it does."""
    result = suite("""
        import gc
        import os
        import weakref

        from client import fetch

        seen = []

        def temporary_files():
            links = (f"/proc/self/fd/{name}" for name in os.listdir("/proc/self/fd"))
            return sum(os.readlink(link).endswith("(deleted)") for link in links if os.path.islink(link))

        def test_first(httpserve):
            before = temporary_files()
            httpserve.on("POST", "/a").respond()
            for _ in range(3):
                fetch(httpserve.url_for("/a"), "POST", bytes(2_000_000))
            assert temporary_files() == before + 1  # whatever their number
            seen.extend([before, weakref.ref(httpserve)])

        def test_second(httpserve):
            before, server = seen
            assert temporary_files() == before
            gc.collect()
            assert server() is None
    """)

    result.assert_outcomes(passed=2)


def test_a_large_body_leaves_no_warning_behind(suite: Suite) -> None:
    result = suite("""
        import gc

        from client import fetch
        from pytest_httpserve import HTTPServe

        def test_it():
            with HTTPServe() as server:
                server.on("POST", "/a").respond()
                fetch(server.url_for("/a"), "POST", bytes(2_000_000))
            del server
            gc.collect()
    """)

    result.assert_outcomes(passed=1)


@pytest.mark.needs("os.fork")
def test_a_fork_of_the_test_process_has_servers_of_its_own(suite: Suite) -> None:
    result = suite("""
        import os
        import warnings

        from client import fetch

        def test_it(httpserve, httpserve_factory):
            httpserve.on("GET", "/").respond(text="of the parent")
            fetch(httpserve.url_for("/"))
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # of forks of a process with threads
                child = os.fork()
            if not child:
                try:
                    server = httpserve_factory()
                    server.on("GET", "/").respond(text="of the child")
                    fetch(server.url_for("/"))
                    os._exit(0)
                finally:
                    os._exit(1)
            assert os.waitpid(child, 0)[1] == 0
            fetch(httpserve.url_for("/"))
    """)

    result.assert_outcomes(passed=1)


@pytest.mark.needs("IPv6")
@pytest.mark.needs("socket.AF_UNIX")
def test_a_unix_socket_needs_no_host(suite: Suite) -> None:
    result = suite(
        """
        import os

        paths = []

        def test_it(httpserve, httpserve_factory, tmp_path):
            assert httpserve.host == "::1"
            own = httpserve_factory(unix=True)
            there = httpserve_factory(unix=tmp_path / "s")
            assert there.socket_path == str(tmp_path / "s")
            paths.extend([own.socket_path, there.socket_path])
            assert all(map(os.path.exists, paths))

        def test_next():
            assert not any(map(os.path.exists, paths))
        """,
        "--httpserve-host=::1",
    )
    result.assert_outcomes(passed=2)


def test_the_factory_makes_as_many_servers_as_are_asked_for(suite: Suite) -> None:
    result = suite("""
        from client import fetch

        def test_it(httpserve_factory):
            servers = [httpserve_factory() for _ in range(5)]
            assert len({server.port for server in servers}) == 5
            for number, server in enumerate(servers):
                server.on("GET", "/a").respond(text=str(number))
            assert [fetch(server.url_for("/a"))[1] for server in servers] == list("01234")
    """)

    result.assert_outcomes(passed=1)


def test_the_factory_finds_directories_as_the_marker_does(suite: Suite, pytester: pytest.Pytester) -> None:
    pytester.mkdir("site").joinpath("page.txt").write_text("a page")
    pytester.mkdir("elsewhere")
    result = suite("""
        from client import fetch

        def test_it(httpserve_factory, monkeypatch):
            monkeypatch.chdir("elsewhere")
            server = httpserve_factory()
            server.serve_dir("site")
            assert fetch(server.url_for("/page.txt")) == (200, "a page")
    """)

    result.assert_outcomes(passed=1)


def test_the_factory_listens_on_a_chosen_port(suite: Suite) -> None:
    result = suite("""
        def test_it(httpserve, httpserve_factory):
            port = httpserve.port
            httpserve.stop()
            assert httpserve_factory(port=port).port == port
    """)

    result.assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ("port=httpserve.port", "*HTTPServeError: cannot listen on 127.0.0.1 port *: Address already in use"),
        ("keep_threads=3", "*UsageError: keep_threads= must be True or False, not 3"),
        ("port=70000", "*UsageError: port= must be a number from 0 to 65535, not 70000"),
        ("host='localhost'", "*UsageError: host='localhost' is not an IP address such as 127.0.0.1 or ::1"),
        ("tls=5, no=6", "*TypeError: *got an unexpected keyword argument *"),
    ],
)
def test_a_server_that_the_factory_cannot_make_is_the_tests_own_clear_error(
    suite: Suite, given: str, sentence: str
) -> None:
    result = suite(f"""
        def test_it(httpserve, httpserve_factory):
            httpserve_factory({given})
    """)

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([f"E {sentence}"])
    result.stdout.no_fnmatch_line("*another exception occurred*")
    result.stdout.no_fnmatch_line("*direct cause of*")


def test_a_test_may_stop_and_start_its_server(suite: Suite) -> None:
    result = suite("""
        import pytest
        from client import fetch

        def test_it(httpserve):
            httpserve.on("GET", "/a").respond()
            httpserve.stop()
            with pytest.raises(ConnectionRefusedError):
                fetch(httpserve.url_for("/a"))
            httpserve.start()
            assert fetch(httpserve.url_for("/a"))[0] == 200
    """)

    result.assert_outcomes(passed=1)


def test_an_open_connection_does_not_hold_the_end_of_a_test_up(suite: Suite) -> None:
    result = suite("""
        import http.client

        connections = []

        def test_first(httpserve):
            httpserve.on("GET", "/a").respond()
            connection = http.client.HTTPConnection(httpserve.host, httpserve.port, timeout=10)
            connection.request("GET", "/a")
            connection.getresponse().read()
            connections.append(connection)

        def test_second():
            (connection,) = connections
            assert connection.sock.recv(1) == b""
            connection.close()
    """)

    result.assert_outcomes(passed=2)


@pytest.mark.parametrize("fixture", ["httpserve", "httpserve_factory"])
def test_the_first_line_of_a_fixture_teaches(pytester: pytest.Pytester, fixture: str) -> None:
    text = pytester.runpytest("--fixtures").stdout.str()

    entry = re.search(rf"^{fixture} -- .*\n    (.+)\n", text, re.MULTILINE)
    assert entry is not None, f"pytest --fixtures says nothing of {fixture}"
    assert f"{fixture}" in entry[1], "the line shows no use of the fixture"
    assert len(entry[1]) <= 120


@pytest.mark.usefixtures("suite")
def test_the_fixtures_work_in_a_doctest(pytester: pytest.Pytester) -> None:
    pytester.maketxtfile(
        test_doc="""
        >>> httpserve = getfixture("httpserve")
        >>> _ = httpserve.on("GET", "/a").respond(text="well")
        >>> from client import fetch
        >>> fetch(httpserve.url_for("/a"))
        (200, 'well')
    """
    )
    pytester.syspathinsert()

    pytester.runpytest("-W", "error").assert_outcomes(passed=1)
