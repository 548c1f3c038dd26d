"""A subtest that fails shows what its test shows; a fixture may ask for the server when it likes."""

from collections.abc import Callable

import pytest

Suite = Callable[..., pytest.RunResult]

HAS_SUBTESTS = pytest.version_tuple >= (9, 0)

OF_PYTEST = """
    from client import fetch

    def test_it(httpserve, subtests):
        httpserve.on("GET", "/good").respond()
        for name in ("good", "bad", "worse"):
            with subtests.test(name):
                assert fetch(httpserve.url_for("/" + name))[0] == 200
"""

OF_UNITTEST = """
    import unittest
    import pytest
    from client import fetch

    class TestIt(unittest.TestCase):
        @pytest.fixture(autouse=True)
        def server(self, httpserve):
            self.httpserve = httpserve

        def test_it(self):
            self.httpserve.on("GET", "/good").respond()
            for name in ("good", "bad", "worse"):
                with self.subTest(name):
                    assert fetch(self.httpserve.url_for("/" + name))[0] == 200
"""


@pytest.mark.skipif(not HAS_SUBTESTS, reason="subtests came with pytest 9")
@pytest.mark.parametrize("source", [OF_PYTEST, OF_UNITTEST], ids=["pytest", "unittest"])
@pytest.mark.parametrize("options", [(), ("-p", "xdist", "-n", "1")], ids=["alone", "xdist"])
def test_a_subtest_that_fails_shows_its_exchanges(suite: Suite, source: str, options: tuple[str, ...]) -> None:
    result = suite(source, *options)

    result.stdout.fnmatch_lines(
        [
            "*[[]bad[]] *",
            "E * nothing answers GET /bad: *",
            "*Captured httpserve call*",
            "  GET /good -> 200 *",
            "  GET /bad -> 404 *",
            "*[[]worse[]] *",
            "E * nothing answers GET /worse: *",
            "*Captured httpserve call*",
            "  GET /good -> 200 *",
            "  GET /bad -> 404 *",
            "  GET /worse -> 404 *",
        ]
    )
    shown = result.stdout.str()
    assert shown.count("nothing answers GET /bad") == shown.count("nothing answers GET /worse") == 1


def test_a_fixture_may_ask_for_the_server_by_its_name(suite: Suite) -> None:
    suite("""
        import pytest
        from client import fetch

        @pytest.fixture
        def server(request):
            return request.getfixturevalue("httpserve")

        @pytest.mark.serve_dir(".")
        def test_a_directory(server):
            assert fetch(server.url_for("/test_it.py"))[0] == 200

        @pytest.mark.serve_tls
        def test_over_tls(server):
            assert server.base_url.startswith("https:")
    """).assert_outcomes(passed=2)


def test_a_marker_for_a_server_that_nobody_asks_for_is_still_refused(suite: Suite) -> None:
    result = suite("""
        import pytest

        @pytest.fixture
        def server(httpserve_factory):
            return httpserve_factory()

        @pytest.mark.serve_dir(".")
        def test_it(server):
            pass
    """)

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*@pytest.mark.serve_dir: this is for the server of the httpserve fixture*"])


def test_a_server_that_a_late_fixture_starts_is_not_forgotten(suite: Suite) -> None:
    suite("""
        import pytest
        from pytest_httpserve import HTTPServe

        @pytest.fixture(scope="module")
        def server():
            with HTTPServe() as server:
                yield server

        @pytest.fixture(scope="module")
        def servers():
            made = []
            def make():
                made.append(HTTPServe().start())
                return made[-1]
            yield make
            for server in made:
                server.stop()

        def test_one(request):
            assert request.getfixturevalue("server").port

        def test_another(request):
            assert request.getfixturevalue("server").port

        def test_a_factory(request):
            assert request.getfixturevalue("servers")().port
    """).assert_outcomes(passed=3)
