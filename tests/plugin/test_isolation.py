"""Nothing of one test is seen in another: long-lived servers, workers of xdist, and the plugins that people use."""

from collections.abc import Callable

import pytest

Suite = Callable[..., pytest.RunResult]
Shown = Callable[[pytest.RunResult, str], str]

# A suite in which every test has the same paths, a class and a group among them.
MANY = """
    import pytest
    from client import fetch

    def answer(httpserve, name):
        assert httpserve.exchanges == ()
        httpserve.on("GET", "/a").respond(text=name)
        for _ in range(3):
            assert fetch(httpserve.url_for("/a")) == (200, name)

    @pytest.mark.parametrize("number", range(12))
    def test_function(httpserve, number):
        answer(httpserve, f"function {number}")

    class TestClass:
        @pytest.mark.parametrize("number", range(6))
        def test_method(self, httpserve, number):
            answer(httpserve, f"method {number}")

    @pytest.mark.xdist_group("one")
    @pytest.mark.parametrize("number", range(6))
    def test_group(httpserve, number):
        answer(httpserve, f"group {number}")

    def test_fails(httpserve):
        httpserve.on("GET", "/b").respond().expect()
        fetch(httpserve.url_for("/missing"))
        assert False
"""


# Servers that live for longer than a test


def test_a_failure_of_the_sessions_server_fails_the_test_that_runs_meanwhile(suite: Suite, shown: Shown) -> None:
    result = suite("""
        from client import fetch

        def test_before(httpserve_session):
            httpserve_session.on("GET", "/a").respond()
            fetch(httpserve_session.url_for("/a"))

        def test_it(httpserve_session):
            fetch(httpserve_session.url_for("/b"))

        def test_after(httpserve_session):
            fetch(httpserve_session.url_for("/a"))
    """)

    result.assert_outcomes(passed=2, failed=1)
    text = shown(result, "test_it")
    assert text.startswith("nothing answers GET /b: the nearest route differs in path: expected /a, got /b\n")
    assert text.endswith("http://127.0.0.1:PORT\n  GET /b -> 404 text/plain; charset=utf-8 99 bytes 0.1 ms\n"), (
        "the section shows requests of other tests"
    )


SHARED = """
    import socket

    import pytest
    from pytest_httpserve import HTTPServe

    @pytest.fixture(scope="module")
    def server(httpserve_session):
        with HTTPServe() as server:
            yield server

    def connect(server):
        return socket.create_connection((server.host, server.port), timeout=10)

    def send_part(server):
        with connect(server) as client:
            client.sendall(b"POST /a HTTP/1.1\\r\\nHost: x\\r\\nContent-Length: 9\\r\\n\\r\\nab")

    @pytest.fixture
    def breaks_off_later(server):
        client = connect(server)
        client.sendall(b"GET /a HT")
        yield
        client.close()

    @pytest.fixture(scope="module")
    def kept(server):
        with connect(server) as client:
            yield client

    def test_breaks_off(server):
        send_part(server)

    def test_ends_its_client_in_the_teardown(server, breaks_off_later):
        pass

    def test_breaks_off_again(server):
        send_part(server)

    def test_leaves_bytes_over(server, kept):
        server.on("POST", "/b").respond()
        kept.sendall(b"POST /b HTTP/1.1\\r\\nHost: x\\r\\nContent-Length: 2\\r\\n\\r\\nab}")
        assert kept.recv(65_536).startswith(b"HTTP/1.1 200 ")

    def test_after(server, kept):
        pass

    def test_breaks_off_on_the_sessions_server(httpserve_session):
        send_part(httpserve_session)

    def test_last(httpserve_session):
        pass
"""


def test_what_a_test_breaks_off_on_a_server_that_lives_longer_fails_that_test(suite: Suite, shown: Shown) -> None:
    result = suite(SHARED)

    result.assert_outcomes(passed=3, failed=4)
    for name in ("test_breaks_off", "test_breaks_off_again", "test_breaks_off_on_the_sessions_server"):
        assert shown(result, name).startswith(
            "refused POST /a: the client ended the connection within the body: 2 of 9"
        )
    assert shown(result, "test_leaves_bytes_over").startswith("1 extra byte came right after POST /b, which")


def test_the_user_resets_what_one_test_said_to_the_sessions_server(suite: Suite) -> None:
    result = suite("""
        import pytest
        from client import fetch

        @pytest.fixture
        def server(httpserve_session):
            yield httpserve_session
            httpserve_session.reset()

        @pytest.mark.parametrize("number", range(3))
        def test_it(server, number):
            assert server.exchanges == ()
            server.on("GET", "/a").respond(text=str(number))
            assert fetch(server.url_for("/a")) == (200, str(number))

        def test_nothing_is_left(server):
            assert fetch(server.url_for("/a"))[0] == 404
            assert len(server.take_failures()) == 1
    """)

    result.assert_outcomes(passed=4)


def test_what_comes_up_on_the_sessions_server_in_a_teardown_is_an_error_of_that_teardown(suite: Suite) -> None:
    result = suite("""
        import pytest
        from client import fetch

        @pytest.fixture
        def late(httpserve_session):
            yield
            fetch(httpserve_session.url_for("/late"))

        def test_it(late):
            pass

        def test_after(httpserve_session):
            pass
    """)

    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines(
        ["*ERROR at teardown of test_it*", "after the test: nothing answers GET /late", "*httpserve teardown*"]
    )


def test_an_unmet_expectation_of_the_sessions_server_is_not_lost(suite: Suite, shown: Shown) -> None:
    result = suite("""
        def test_it(httpserve_session):
            httpserve_session.on("GET", "/a").respond().expect()
    """)

    result.assert_outcomes(passed=1, errors=1)
    text = "after the test: the route GET /a (/project/test_it.py:2) was never called, expected once\n"
    assert shown(result, "ERROR at teardown of test_it").startswith(text)


def test_a_server_of_a_module_fails_the_test_that_runs_meanwhile(suite: Suite, shown: Shown) -> None:
    result = suite("""
        import pytest
        from client import fetch
        from pytest_httpserve import HTTPServe

        @pytest.fixture(scope="module")
        def server():
            with HTTPServe() as server:
                server.on("GET", "/a").respond()
                yield server

        def test_before(server):
            assert fetch(server.url_for("/a"))[0] == 200

        def test_it(server):
            fetch(server.url_for("/missing"))

        def test_after(server):
            assert fetch(server.url_for("/a"))[0] == 200
    """)

    result.assert_outcomes(passed=2, failed=1)
    assert "nothing answers GET /missing: the nearest route differs in path" in shown(result, "test_it")


def test_a_running_server_that_a_test_does_not_use_is_not_in_its_report(suite: Suite, shown: Shown) -> None:
    result = suite("""
        def test_uses_it(httpserve_session):
            pass

        def test_it():
            assert False
    """)

    result.assert_outcomes(passed=1, failed=1)
    assert "httpserve" not in shown(result, "test_it")


def test_a_set_up_that_skips_stays_a_skip(suite: Suite) -> None:
    result = suite("""
        import pytest
        from client import fetch

        @pytest.fixture
        def backend(httpserve):
            if fetch(httpserve.url_for("/health"))[0] != 200:
                pytest.skip("no backend")

        def test_it(backend):
            pass
    """)

    result.assert_outcomes(skipped=1)


# pytest-xdist


# The one test of MANY that fails: its own error, then both of ours, then what was requested.
WHOLE_REPORT = [
    "E *assert False",
    "E *nothing answers GET /missing: *",
    "E *GET /b (*) was never called, expected once",
    "*Captured httpserve call*",
    "*GET /missing -> 404 *",
]


@pytest.mark.parametrize("distribution", ["load", "loadscope", "loadfile", "loadgroup", "worksteal"])
def test_tests_on_workers_do_not_see_each_other(suite: Suite, distribution: str) -> None:
    result = suite(MANY, "-p", "xdist", "-n", "4", "--dist", distribution)

    result.assert_outcomes(passed=24, failed=1)
    result.stdout.fnmatch_lines(WHOLE_REPORT)


def test_every_worker_may_run_every_test(suite: Suite) -> None:
    result = suite(MANY, "-p", "xdist", "--tx", "2*popen", "--dist", "each")

    result.assert_outcomes(passed=48, failed=2)
    result.stdout.fnmatch_lines([*WHOLE_REPORT, *WHOLE_REPORT])


def test_the_tests_of_a_class_share_the_sessions_server_of_their_worker(suite: Suite, shown: Shown) -> None:
    result = suite(
        """
        import pytest
        from client import fetch

        @pytest.fixture(scope="session", autouse=True)
        def said(httpserve_session):
            httpserve_session.on("GET", "/a").respond(text="well")

        class TestClass:
            @pytest.mark.parametrize("number", range(8))
            def test_it(self, httpserve_session, number):
                assert len(httpserve_session.exchanges) == number
                assert fetch(httpserve_session.url_for("/a")) == (200, "well")

        def test_last(httpserve_session):
            assert fetch(httpserve_session.url_for("/missing"))[0] == 404
    """,
        *("-p", "xdist", "-n", "2", "--dist", "loadscope"),
    )

    result.assert_outcomes(passed=8, failed=1)
    text = shown(result, "test_last")
    assert "expected /a, got /missing\n  the route GET /a (/project/test_it.py:6)\n" in text
    assert text.count("->") == 1, "the section shows requests of other tests"


def test_a_worker_reports_errors_of_set_up_and_teardown_in_full(suite: Suite, shown: Shown) -> None:
    test = """
        import pytest
        from client import fetch

        @pytest.fixture
        def login(httpserve):
            assert fetch(httpserve.url_for("/login"))[0] == 200

        def test_early(login):
            pass

        @pytest.fixture
        def late(httpserve):
            yield
            fetch(httpserve.url_for("/late"))

        def test_late(late):
            pass
    """
    plain = suite(test)
    result = suite(test, "-p", "xdist", "-n", "2")

    result.assert_outcomes(passed=1, errors=2)
    for headline in ("ERROR at setup of test_early", "ERROR at teardown of test_late"):
        _, _, text = shown(result, headline).rpartition("[gw")
        assert text.partition("\n")[2] == shown(plain, headline)


# Other plugins


@pytest.mark.parametrize(
    ("plugin", "marker"),
    [
        (["-p", "pytest_asyncio.plugin", "-o", "asyncio_default_fixture_loop_scope=function"], "asyncio"),
        (["-p", "anyio"], "anyio"),
        # On Linux, trio does not run without epoll.
        pytest.param(["-p", "pytest_trio.plugin"], "trio", marks=pytest.mark.needs("more than select")),
    ],
)
def test_asynchronous_tests_fail_as_others_do(suite: Suite, shown: Shown, plugin: list[str], marker: str) -> None:
    result = suite(
        f"""
        import threading

        import pytest
        from client import fetch

        pytestmark = pytest.mark.{marker}

        async def ask(httpserve, path):
            client = threading.Thread(target=fetch, args=(httpserve.url_for(path),))
            client.start()
            assert (await httpserve.aio.take_request(timeout=10)).path == path
            await httpserve.aio.assert_all_closed(timeout=10)
            client.join()

        @pytest.fixture
        def anyio_backend():
            return "asyncio"

        async def test_passes(httpserve):
            httpserve.on("GET", "/a").respond(text="well")
            await ask(httpserve, "/a")

        async def test_fails_by_us(httpserve):
            await ask(httpserve, "/missing")

        async def test_fails_by_itself(httpserve):
            await ask(httpserve, "/missing")
            assert 1 == 2
    """,
        *plugin,
        apart=True,  # pytest-asyncio 0.23 leaves an event loop behind
    )

    result.assert_outcomes(passed=1, failed=2)
    assert shown(result, "test_fails_by_us").startswith("nothing answers GET /missing\n")
    own = shown(result, "test_fails_by_itself")
    if marker == "trio":  # which raises a group of exceptions, and ours is a note on that
        assert "\n  | nothing answers GET /missing\n" in own
        assert "AssertionError: assert 1 == 2" in own
    else:
        assert "E       assert 1 == 2\nE       nothing answers GET /missing\n" in own


def test_each_method_of_a_unittest_case_has_a_server_of_its_own(suite: Suite, shown: Shown) -> None:
    result = suite("""
        import unittest

        import pytest
        from client import fetch

        class TestCase(unittest.TestCase):
            @pytest.fixture(autouse=True)
            def serve(self, httpserve):
                self.server = httpserve
                assert httpserve.exchanges == ()

            def test_first(self):
                self.server.on("GET", "/a").respond()
                self.assertEqual(fetch(self.server.url_for("/a"))[0], 200)

            def test_second(self):
                self.server.on("GET", "/b").respond().expect()
                self.assertEqual(fetch(self.server.url_for("/a"))[0], 200)
    """)

    result.assert_outcomes(passed=1, failed=1)
    text = shown(result, "TestCase.test_second")
    own, unanswered, unmet = (
        text.index(part)
        for part in ("404 != 200", "nothing answers GET /a", "GET /b (/project/test_it.py:17) was never")
    )
    assert own < unanswered < unmet


def test_a_case_of_coroutines_fails_as_others_do(suite: Suite, shown: Shown) -> None:
    result = suite("""
        import asyncio
        import unittest

        import pytest
        from client import fetch

        class TestCase(unittest.IsolatedAsyncioTestCase):
            @pytest.fixture(autouse=True)
            def serve(self, httpserve):
                self.server = httpserve

            async def test_passes(self):
                self.server.on("GET", "/a").respond(text="well")
                self.assertEqual(await asyncio.to_thread(fetch, self.server.url_for("/a")), (200, "well"))

            async def test_fails_by_us(self):
                await asyncio.to_thread(fetch, self.server.url_for("/missing"))

            async def test_fails_by_itself(self):
                await asyncio.to_thread(fetch, self.server.url_for("/missing"))
                self.assertEqual(1, 2)
    """)

    result.assert_outcomes(passed=1, failed=2)
    assert shown(result, "TestCase.test_fails_by_us").startswith("nothing answers GET /missing\n")
    text = shown(result, "TestCase.test_fails_by_itself")
    assert text.index("1 != 2") < text.index("nothing answers GET /missing")
    assert text.count("GET /missing -> 404") == 1


def test_a_rerun_starts_clean(suite: Suite, shown: Shown) -> None:
    result = suite(
        """
        from client import fetch

        runs = []

        def test_it(httpserve):
            assert httpserve.exchanges == ()
            runs.append(httpserve.port)
            httpserve.on("GET", "/a").respond().expect()
            fetch(httpserve.url_for("/a" if len(runs) == 3 else "/missing"))

        def test_never_well(httpserve):
            fetch(httpserve.url_for("/missing"))
    """,
        "-p",
        "rerunfailures",
        "--reruns=2",
    )

    assert result.parseoutcomes() == {"passed": 1, "failed": 1, "rerun": 4}
    text = shown(result, "test_never_well")
    assert text.count("nothing answers GET /missing") == 1
    assert text.count("GET /missing -> 404") == 1, "the section shows requests of earlier runs"


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_order_of_tests_does_not_matter(suite: Suite, seed: int) -> None:
    result = suite(MANY, "-p", "randomly", "-p", "no:cacheprovider", f"--randomly-seed={seed}")

    result.assert_outcomes(passed=24, failed=1)
    result.stdout.fnmatch_lines(WHOLE_REPORT)


def test_a_test_that_is_timed_out_with_its_handler_leaves_nothing_behind(suite: Suite) -> None:
    result = suite(
        """
        import socket
        import threading

        import pytest
        from client import fetch

        seen, leave = [], threading.Event()

        @pytest.mark.timeout(1, method="signal", func_only=True)
        def test_hangs(httpserve):
            seen.append(httpserve)

            @httpserve.on("GET", "/a")
            def answer(request):
                leave.wait(60)

            fetch(httpserve.url_for("/a"))

        def test_after(httpserve):
            leave.set()
            (before,) = seen
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection((before.host, before.port), timeout=10)
            httpserve.on("GET", "/a").respond(text="well")
            assert fetch(httpserve.url_for("/a")) == (200, "well")
            assert len(httpserve.exchanges) == 1
    """,
        "-p",
        "timeout",
    )

    outcomes = result.parseoutcomes()
    assert (outcomes["passed"], outcomes["failed"]) == (1, 1)
    result.stdout.fnmatch_lines(["E *Failed: Timeout *", "*- Captured httpserve call -*", "  GET /a -> no answer *"])
