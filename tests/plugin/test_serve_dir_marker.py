"""The marker serve_dir: which directory, at which prefix, and what is refused at set-up."""

import re
from collections.abc import Callable

import pytest

Suite = Callable[..., pytest.RunResult]


@pytest.fixture
def site(pytester: pytest.Pytester) -> None:
    """Directories ``site`` and ``other`` in the rootdir, each with a page that has its name."""
    for name in ("site", "other"):
        pytester.mkdir(name).joinpath("page.txt").write_text(name)


@pytest.mark.usefixtures("site")
def test_a_directory_is_served(suite: Suite) -> None:
    result = suite(
        """
        import pytest
        from client import fetch

        @pytest.mark.serve_dir("site")
        def test_it(httpserve):
            assert fetch(httpserve.url_for("/page.txt")) == (200, "site")
    """,
        "--strict-markers",
    )

    result.assert_outcomes(passed=1)


def test_a_directory_beside_the_test_comes_before_one_in_the_rootdir(suite: Suite, pytester: pytest.Pytester) -> None:
    for place in ("near/both", "both", "far"):
        directory = pytester.path / place
        directory.mkdir(parents=True)
        (directory / "page.txt").write_text(place)
    pytester.makeini("[pytest]")
    (pytester.path / "near" / "test_near.py").write_text("""
import pytest
from client import fetch

@pytest.mark.serve_dir("both")
@pytest.mark.serve_dir("far", at="/far")
def test_it(httpserve):
    assert fetch(httpserve.url_for("/page.txt")) == (200, "near/both")
    assert fetch(httpserve.url_for("/far/page.txt")) == (200, "far")
    httpserve.serve_dir("both", at="/said")
    assert fetch(httpserve.url_for("/said/page.txt")) == (200, "near/both")
""")
    pytester.syspathinsert()

    suite("", "near").assert_outcomes(passed=1)


@pytest.mark.usefixtures("site")
def test_markers_can_be_stacked(suite: Suite) -> None:
    result = suite("""
        import pytest
        from client import fetch

        @pytest.mark.serve_dir("site")
        @pytest.mark.serve_dir("other", at="/a")
        @pytest.mark.serve_dir("site", at="/a/b", listing=False, headers={"X-A": "b"})
        def test_it(httpserve):
            assert fetch(httpserve.url_for("/page.txt")) == (200, "site")
            assert fetch(httpserve.url_for("/a/page.txt")) == (200, "other")
            assert fetch(httpserve.url_for("/a/b/page.txt")) == (200, "site")
            assert httpserve.exchanges[-1].response.headers["X-A"] == "b"
            assert fetch(httpserve.url_for("/a/"))[0] == 200
            assert fetch(httpserve.url_for("/a/b/"))[0] == 403
    """)

    result.assert_outcomes(passed=1)


@pytest.mark.usefixtures("site")
def test_module_class_test_and_parameter_can_be_marked(suite: Suite) -> None:
    result = suite("""
        import pytest
        from client import fetch

        pytestmark = pytest.mark.serve_dir("site", at="/module")

        @pytest.mark.serve_dir("site", at="/class")
        class TestClass:
            @pytest.mark.serve_dir("site", at="/test")
            @pytest.mark.parametrize(
                "more", [pytest.param("/more", marks=pytest.mark.serve_dir("other", at="/more")), "/test"]
            )
            def test_it(self, httpserve, more):
                for prefix in ("/module", "/class", "/test", more):
                    assert fetch(httpserve.url_for(prefix + "/page.txt"))[0] == 200

        def test_outside_the_class(httpserve):
            assert fetch(httpserve.url_for("/module/page.txt"))[0] == 200
            assert fetch(httpserve.url_for("/class/page.txt"))[0] == 404
            httpserve.take_failures()
    """)

    result.assert_outcomes(passed=3)


@pytest.mark.usefixtures("site")
def test_a_unittest_case_can_be_marked(suite: Suite) -> None:
    result = suite("""
        import unittest

        import pytest
        from client import fetch

        @pytest.mark.serve_dir("site")
        class TestCase(unittest.TestCase):
            @pytest.fixture(autouse=True)
            def serve(self, httpserve):
                self.url = httpserve.url_for("/page.txt")

            def test_it(self):
                self.assertEqual(fetch(self.url), (200, "site"))
    """)

    result.assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("marker", "sentence"),
    [
        (
            '("nowhere")',
            "@pytest.mark.serve_dir: serve_dir('nowhere'): there is no such directory; tried {path}/nowhere",
        ),
        (
            '("site/page.txt")',
            "@pytest.mark.serve_dir: serve_dir('site/page.txt'): {path}/site/page.txt is a file, not a directory",
        ),
        ("", "@pytest.mark.serve_dir: serve_dir() missing 1 required positional argument: 'path'"),
        ("()", "@pytest.mark.serve_dir: serve_dir() missing 1 required positional argument: 'path'"),
        ("(5)", "@pytest.mark.serve_dir: serve_dir takes the path of a directory first, not 5"),
        ('("site", at="a")', "@pytest.mark.serve_dir: serve_dir(at=) must be a path such as / or /static, not 'a'"),
        (
            '("site", to="/a")',
            "@pytest.mark.serve_dir: serve_dir() got an unexpected keyword argument 'to'",
        ),
        ('("site", index=5)', "@pytest.mark.serve_dir: serve_dir(index=) must be a file name or several, not 5"),
        ('("site", listing=0)', "@pytest.mark.serve_dir: serve_dir(listing=) must be True or False, not 0"),
        (
            '("site", headers="X: y")',
            "@pytest.mark.serve_dir: serve_dir(headers=) takes a mapping or pairs of name and value, not 'X: y'",
        ),
    ],
)
@pytest.mark.usefixtures("site")
def test_a_wrong_marker_is_one_sentence_at_set_up_and_nothing_is_started(
    suite: Suite, pytester: pytest.Pytester, marker: str, sentence: str
) -> None:
    pytester.makeconftest("""
        import pytest
        from pytest_httpserve import HTTPServe

        @pytest.fixture(autouse=True)
        def started(monkeypatch):
            monkeypatch.setattr(HTTPServe, "start", lambda self: print("a server was started"))
    """)
    result = suite(f"""
        import pytest

        @pytest.mark.serve_dir{marker}
        def test_it(httpserve):
            print("the test was run")
    """)

    result.assert_outcomes(errors=1)
    report = re.search(r"_ ERROR at setup of test_it _+\n(.*?)\n=", result.stdout.str(), re.DOTALL)
    assert report is not None, "the error is not one of the set-up"
    assert report[1] == sentence.format(path=pytester.path)


@pytest.mark.usefixtures("site")
def test_two_directories_at_one_prefix_are_an_error_at_set_up(suite: Suite, pytester: pytest.Pytester) -> None:
    result = suite("""
        import pytest

        @pytest.mark.serve_dir("site", at="/a")
        @pytest.mark.serve_dir("other", at="/a/")
        def test_it(httpserve):
            pass
    """)

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["@pytest.mark.serve_dir: at='/a' is taken: */site is served there*"])


def test_the_marker_is_registered_and_explained(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest("--markers")

    result.stdout.fnmatch_lines(["@pytest.mark.serve_dir(path, *): the httpserve fixture serves the directory*"])


# Which marker counts


@pytest.mark.usefixtures("site")
def test_of_two_markers_for_one_prefix_the_closest_counts(suite: Suite) -> None:
    result = suite("""
        import pytest
        from client import fetch

        pytestmark = pytest.mark.serve_dir("nowhere")

        @pytest.mark.serve_dir("site", at="/")
        class TestClass:
            def test_class(self, httpserve):
                assert fetch(httpserve.url_for("/page.txt")) == (200, "site")

            @pytest.mark.serve_dir("other")
            def test_function(self, httpserve):
                assert fetch(httpserve.url_for("/page.txt")) == (200, "other")
    """)

    result.assert_outcomes(passed=2)


@pytest.mark.usefixtures("site")
def test_the_closest_counts_for_each_prefix_by_itself_however_it_is_given(suite: Suite) -> None:
    result = suite("""
        import pytest
        from client import fetch

        pytestmark = [pytest.mark.serve_dir("site", "/a/"), pytest.mark.serve_dir("site", at="/b")]

        @pytest.mark.serve_dir("other", "/a")
        def test_it(httpserve):
            assert fetch(httpserve.url_for("/a/page.txt")) == (200, "other")
            assert fetch(httpserve.url_for("/b/page.txt")) == (200, "site")
    """)

    result.assert_outcomes(passed=1)


@pytest.mark.usefixtures("site")
@pytest.mark.parametrize("marker", ["serve_dir", "serve_cgi"])
def test_a_marker_on_a_test_without_the_fixture_is_an_error_at_set_up(suite: Suite, marker: str) -> None:
    result = suite(f"""
        import pytest

        @pytest.mark.{marker}("site")
        def test_it():
            pass
    """)

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        [
            "*ERROR at setup of test_it*",
            f"@pytest.mark.{marker}: this is for the server of the httpserve fixture, which the test does not request: "
            'give it the argument httpserve, or mark it with @pytest.mark.usefixtures("httpserve")',
        ]
    )


@pytest.mark.usefixtures("site")
def test_a_marker_counts_for_a_test_that_asks_for_the_fixture_in_another_way(suite: Suite) -> None:
    result = suite("""
        import pytest
        from client import fetch

        @pytest.fixture
        def url(httpserve):
            return httpserve.url_for("/page.txt")

        @pytest.mark.serve_dir("site")
        def test_by_a_fixture(url):
            assert fetch(url) == (200, "site")

        @pytest.mark.serve_dir("site")
        @pytest.mark.usefixtures("httpserve")
        def test_by_a_marker():
            pass

        @pytest.mark.skip
        @pytest.mark.serve_dir("site")
        def test_skipped():
            pass
    """)

    result.assert_outcomes(passed=2, skipped=1)


@pytest.mark.usefixtures("site")
def test_a_marker_on_a_class_or_module_is_for_those_of_its_tests_that_have_a_server(suite: Suite) -> None:
    result = suite("""
        import pytest

        pytestmark = pytest.mark.serve_dir("site")

        @pytest.mark.serve_dir("other", at="/other")
        class TestClass:
            def test_without(self):
                pass

            def test_with(self, httpserve):
                pass
    """)

    result.assert_outcomes(passed=2)


def test_an_error_within_is_not_taken_for_one_of_the_marker(suite: Suite, pytester: pytest.Pytester) -> None:
    pytester.mkdir("site")
    result = suite("""
        import importlib
        import pytest

        @pytest.fixture(autouse=True)
        def broken(monkeypatch):
            # Not by its name as text: that leads to the module of an earlier session within this process.
            static = importlib.import_module("pytest_httpserve.scripting.mounts.static")
            monkeypatch.setattr(static, "check_prefix", lambda *given: None + 1)

        @pytest.mark.serve_dir("site")
        def test_it(httpserve):
            pass
    """)

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["E *TypeError: unsupported operand type*"])
    result.stdout.no_fnmatch_line("*@pytest.mark.serve_dir: unsupported*")
