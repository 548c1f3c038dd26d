"""What goes wrong on a server fails the test it belongs to, in its call phase."""

from collections.abc import Callable

import pytest

Suite = Callable[..., pytest.RunResult]


# Requests that nothing answers


def test_a_request_that_nothing_answers_fails_the_test_and_is_named(suite: Suite) -> None:
    result = suite("""
        from client import fetch

        def test_it(httpserve):
            assert fetch(httpserve.url_for("/missing?a=b"))[0] == 404
    """)

    result.assert_outcomes(failed=1)  # and no error of the teardown
    result.stdout.fnmatch_lines(["*= FAILURES =*", "*_ test_it _*", "nothing answers GET /missing[?]a=b"])
    result.stdout.fnmatch_lines(["FAILED test_it.py::test_it - Failed: nothing answers GET /missing[?]a=b*"])


def test_every_such_request_is_named(suite: Suite) -> None:
    result = suite("""
        from client import fetch

        def test_it(httpserve, httpserve_factory):
            fetch(httpserve.url_for("/one"))
            fetch(httpserve.url_for("/two"), method="PUT", body=b"x")
            fetch(httpserve_factory().url_for("/three"))
    """)

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["nothing answers GET /one", "nothing answers PUT /two", "nothing answers GET /three"], consecutive=False
    )


def test_only_the_test_that_made_the_request_fails(suite: Suite) -> None:
    result = suite("""
        from client import fetch

        def test_before(httpserve):
            httpserve.on("GET", "/a").respond()
            assert fetch(httpserve.url_for("/a"))[0] == 200

        def test_it(httpserve):
            fetch(httpserve.url_for("/missing"))

        def test_after(httpserve):
            assert httpserve.exchanges == ()
    """)

    result.assert_outcomes(passed=2, failed=1)


def test_a_failure_that_the_test_has_taken_does_not_fail_it(suite: Suite) -> None:
    result = suite("""
        from client import fetch

        def test_it(httpserve):
            fetch(httpserve.url_for("/missing"))
            assert len(httpserve.take_failures()) == 1
    """)

    result.assert_outcomes(passed=1)


def test_a_request_before_the_test_fails_it_too(suite: Suite) -> None:
    result = suite("""
        import pytest
        from client import fetch

        @pytest.fixture
        def logged_in(httpserve):
            fetch(httpserve.url_for("/login"))

        def test_it(logged_in):
            pass
    """)

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["nothing answers GET /login"])


# With a failure of the test's own


@pytest.mark.parametrize(
    ("statement", "shown"),
    [
        ("assert 1 == 2", "E * assert 1 == 2"),
        ("raise KeyError('mine')", "E * KeyError: 'mine'"),
        ("pytest.fail('in my own words')", "E * Failed: in my own words"),
        ("pytest.fail('in my own words', pytrace=False)", "in my own words"),
        ("raise SystemExit(3)", "E * SystemExit: 3"),
        ("self.assertEqual(1, 2)", "E * AssertionError: 1 != 2"),
    ],
)
def test_the_tests_own_failure_comes_first_and_ours_beneath_it(suite: Suite, statement: str, shown: str) -> None:
    in_class = "self." in statement
    test = f"""
        import unittest

        import pytest
        from client import fetch

        def test_function(httpserve):
            fetch(httpserve.url_for("/missing"))
            {"pytest.skip()" if in_class else statement}

        class TestCase(unittest.TestCase):
            @pytest.fixture(autouse=True)
            def serve(self, httpserve):
                self.httpserve = httpserve

            def test_method(self):
                fetch(self.httpserve.url_for("/missing"))
                {statement if "SystemExit" not in statement else "self.skipTest('it would end unittest as well')"}
    """
    result = suite(test)

    both = not in_class and "SystemExit" not in statement
    result.assert_outcomes(failed=1 + both, skipped=1 - both)  # and no error of the teardown
    for _ in range(1 + both):
        result.stdout.fnmatch_lines([shown, "*nothing answers GET /missing", "*- Captured httpserve call -*"])


# Skipped, and expected to fail


@pytest.mark.parametrize("statement", ["pytest.skip('not here')", "raise unittest.SkipTest('not here')"])
def test_a_test_that_skips_is_skipped(suite: Suite, statement: str) -> None:
    result = suite(
        f"""
        import unittest

        import pytest
        from client import fetch

        def test_it(httpserve):
            fetch(httpserve.url_for("/missing"))
            {statement}
    """,
        "-rs",
    )

    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["SKIPPED *: not here"])


@pytest.mark.parametrize("strict", [True, False])
def test_a_test_that_is_marked_to_fail_may_fail_by_us(suite: Suite, strict: bool) -> None:
    result = suite(f"""
        import pytest
        from client import fetch

        @pytest.mark.xfail(reason="known", strict={strict})
        def test_it(httpserve):
            fetch(httpserve.url_for("/missing"))
    """)

    result.assert_outcomes(xfailed=1)


def test_a_test_that_expects_another_error_fails(suite: Suite) -> None:
    result = suite("""
        import pytest
        from client import fetch

        @pytest.mark.xfail(raises=KeyError)
        def test_it(httpserve):
            fetch(httpserve.url_for("/missing"))
    """)

    result.assert_outcomes(failed=1)


def test_a_test_that_says_it_fails_as_expected_does(suite: Suite) -> None:
    result = suite("""
        import pytest
        from client import fetch

        def test_it(httpserve):
            fetch(httpserve.url_for("/missing"))
            pytest.xfail("known")
    """)

    result.assert_outcomes(xfailed=1)


def test_a_test_that_was_to_fail_and_passes_still_fails_when_strict(suite: Suite) -> None:
    result = suite("""
        import pytest

        @pytest.mark.xfail(strict=True)
        def test_it(httpserve):
            pass
    """)

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*XPASS(strict)*"])


# unittest


def test_a_unittest_case_fails_by_us_and_is_skipped_and_expected_to_fail(suite: Suite) -> None:
    result = suite(
        """
        import unittest

        import pytest
        from client import fetch

        class TestCase(unittest.TestCase):
            @pytest.fixture(autouse=True)
            def serve(self, httpserve):
                self.url = httpserve.url_for("/missing")

            def test_passes(self):
                pass

            def test_fails(self):
                fetch(self.url)

            def test_is_skipped(self):
                fetch(self.url)
                self.skipTest("not here")

            @unittest.expectedFailure
            def test_is_expected_to_fail(self):
                fetch(self.url)
                self.fail("known")
    """,
        "-rA",
    )

    result.assert_outcomes(passed=1, failed=1, skipped=1, xfailed=1)
    result.stdout.fnmatch_lines(["FAILED test_it.py::TestCase::test_fails - Failed: nothing answers GET /missing*"])


# Handlers


def test_a_handler_that_raises_fails_the_test_with_its_traceback(suite: Suite) -> None:
    result = suite("""
        from client import fetch

        def test_it(httpserve, tmp_path):
            file = tmp_path / "page.txt"
            file.write_text("")
            httpserve.on("GET", "/a").respond(file=file)
            file.unlink()
            assert fetch(httpserve.url_for("/a"))[0] == 500
    """)

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "the handler of 'GET /a HTTP/1.1' raised:",
            "Traceback (most recent call last):",
            "FileNotFoundError: *page.txt'",
        ]
    )


def test_a_handler_that_does_not_end_is_an_error_of_the_teardown_with_its_stack(suite: Suite) -> None:
    result = suite("""
        import socket
        import threading

        import pytest
        from pytest_httpserve import Route

        @pytest.fixture
        def arrived(monkeypatch):
            arrived, leave = threading.Event(), threading.Event()

            def hang_around(self, exchange):
                arrived.set()
                leave.wait(30)

            monkeypatch.setattr(Route, "take", hang_around)
            yield arrived
            leave.set()
            for client in clients:
                client.close()

        def test_it(arrived, httpserve):
            httpserve.on("GET", "/a")
            client = socket.create_connection((httpserve.host, httpserve.port), timeout=10)
            client.sendall(b"GET /a HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
            assert arrived.wait(10)
            clients.append(client)

        clients = []  # closed when the server has stopped
    """)

    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(
        ["*ERROR at teardown of test_it*", "*the handler of 'GET /a HTTP/1.1' did not end*", "*in hang_around"]
    )


# After the test


def test_what_comes_up_after_the_test_is_an_error_of_the_teardown(suite: Suite) -> None:
    result = suite("""
        import pytest
        from client import fetch

        @pytest.fixture
        def late(httpserve, httpserve_factory):
            other = httpserve_factory()
            yield
            fetch(httpserve.url_for("/late"))
            fetch(other.url_for("/later"))

        def test_it(late):
            pass
    """)

    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines_random(["*nothing answers GET /late", "*nothing answers GET /later"])


def test_what_comes_up_before_a_set_up_fails_is_not_lost(suite: Suite) -> None:
    result = suite("""
        import pytest
        from client import fetch

        @pytest.fixture
        def logged_in(httpserve):
            status, _ = fetch(httpserve.url_for("/login"))
            assert status == 200

        def test_it(logged_in):
            pass
    """)

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        ["*ERROR at setup of test_it*", "E *assert 404 == 200", "E *nothing answers GET /login", "*httpserve setup*"]
    )


# The report


def test_a_failing_test_shows_its_exchanges(suite: Suite) -> None:
    result = suite("""
        from client import fetch

        def test_it(httpserve, httpserve_factory):
            httpserve.on("GET", "/a").respond(204)
            fetch(httpserve.url_for("/a?b"))
            httpserve_factory()
            assert False
    """)

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*- Captured httpserve call -*",
            "http://127.0.0.1:*",
            "  *GET /a[?]b -> 204*",
            "http://127.0.0.1:*",
            "  no requests",
        ],
        consecutive=True,
    )


def test_a_passing_test_shows_none(suite: Suite) -> None:
    result = suite(
        """
        from client import fetch

        def test_it(httpserve):
            httpserve.on("GET", "/a").respond()
            fetch(httpserve.url_for("/a"))
    """,
        "-rA",
    )

    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("*Captured httpserve*")


def test_a_failing_test_without_server_shows_none(suite: Suite) -> None:
    result = suite("def test_it(): assert False")

    result.assert_outcomes(failed=1)
    result.stdout.no_fnmatch_line("*httpserve call*")


@pytest.mark.parametrize(
    "options", [["-p", "no:cacheprovider"], ["-s"], ["--tb=line"], ["--tb=native"], ["-p", "no:unittest"]]
)
def test_failures_do_not_depend_on_other_plugins(suite: Suite, options: list[str]) -> None:
    result = suite(
        """
        from client import fetch

        def test_it(httpserve):
            fetch(httpserve.url_for("/missing"))
    """,
        *options,
    )

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*nothing answers GET /missing*"])


def test_reports_are_whole_under_xdist(suite: Suite) -> None:
    result = suite(
        """
        import pytest
        from client import fetch

        @pytest.mark.parametrize("number", range(4))
        def test_it(httpserve, number):
            fetch(httpserve.url_for(f"/missing/{number}"))

        def test_own(httpserve):
            fetch(httpserve.url_for("/own"))
            assert 1 == 2

        @pytest.fixture
        def late(httpserve):
            yield
            fetch(httpserve.url_for("/late"))

        def test_late(late):
            pass

        @pytest.mark.serve_dir("nowhere")
        def test_marked(httpserve):
            pass
    """,
        "-p",
        "xdist",
        "-n",
        "2",
    )

    result.assert_outcomes(passed=1, failed=5, errors=2)
    text = result.stdout.str()
    for number in range(4):
        assert f"\nnothing answers GET /missing/{number}\n" in text
        assert f"GET /missing/{number} -> 404" in text
    result.stdout.fnmatch_lines_random(
        [
            "E *assert 1 == 2",
            "E *nothing answers GET /own",
            "*nothing answers GET /late",
            "*there is no such directory*",
            "*- Captured httpserve call -*",
        ]
    )
