"""Which failures are none: strictness and what is ignored, by server, marker, option and ini file."""

from collections.abc import Callable

import pytest

Suite = Callable[..., pytest.RunResult]
Shown = Callable[[pytest.RunResult, str], str]

NOBODY_CALLS = """
    def test_it(httpserve):
        httpserve.on("GET", "/a").respond()
"""

# One failure of each kind.
KINDS = {
    "unanswered": 'fetch(server.url_for("/missing"))',
    "refused": r'say(server, b"GET /a HTTP/1.1\r\n\r\n")',
    "errors": 'server.on("GET", "/a").handle(lambda request: 1 / 0); fetch(server.url_for("/a"))',
    "expectations": 'server.on("GET", "/b").respond().expect()',
}


def goes_wrong(*kinds: str, server: str = "httpserve", fixture: str = "httpserve", marker: str = "") -> str:
    """A test on whose server failures of these kinds come up."""
    return "\n".join(
        [
            "import pytest",
            "from client import fetch, say",
            "from pytest_httpserve import HTTPServe",
            *([f"@pytest.mark.{marker}"] if marker else []),
            f"def test_it({fixture}):",
            f"    server = {server}",
            *(f"    {KINDS[kind]}" for kind in kinds),
        ]
    )


# Strict


def test_a_route_that_nobody_calls_is_no_failure(suite: Suite) -> None:
    suite(NOBODY_CALLS).assert_outcomes(passed=1)


def test_it_is_one_with_the_option(suite: Suite, shown: Shown) -> None:
    result = suite(NOBODY_CALLS, "--httpserve-strict")

    result.assert_outcomes(failed=1)
    text = "the route GET /a (/project/test_it.py:2) was never called, expected at least once\n"
    assert shown(result, "test_it").startswith(text)


def test_it_is_one_with_the_ini_value(suite: Suite, pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nhttpserve_strict = true")

    suite(NOBODY_CALLS, "--strict-config").assert_outcomes(failed=1)


def test_the_marker_makes_a_test_strict_and_another_lenient(suite: Suite) -> None:
    test = """
        import pytest

        @pytest.mark.serve_checks(strict=True)
        def test_strict(httpserve):
            httpserve.on("GET", "/a").respond()

        @pytest.mark.serve_checks(strict=False)
        def test_lenient(httpserve):
            httpserve.on("GET", "/a").respond()
    """

    suite(test, "--strict-markers").assert_outcomes(passed=1, failed=1)
    suite(test, "--httpserve-strict").assert_outcomes(passed=1, failed=1)


def test_the_closest_marker_decides(suite: Suite) -> None:
    result = suite("""
        import pytest

        pytestmark = pytest.mark.serve_checks(strict=True)

        def test_strict(httpserve):
            httpserve.on("GET", "/a").respond()

        @pytest.mark.serve_checks(strict=False)
        def test_lenient(httpserve):
            httpserve.on("GET", "/a").respond()
    """)

    result.assert_outcomes(passed=1, failed=1)


def test_servers_of_the_factory_and_of_the_session_are_strict_too(suite: Suite) -> None:
    result = suite(
        """
        def test_factory(httpserve_factory):
            httpserve_factory().on("GET", "/a").respond()

        def test_lenient(httpserve_factory):
            httpserve_factory(strict=False).on("GET", "/a").respond()

        def test_session(httpserve_session):
            httpserve_session.on("GET", "/b").respond()
    """,
        "--httpserve-strict",
    )

    result.assert_outcomes(passed=2, failed=1, errors=1)
    result.stdout.fnmatch_lines(["*ERROR at teardown of test_session*", "after the test: the route GET /b *"])


def test_optional_routes_and_those_that_were_called_are_exempt(suite: Suite) -> None:
    result = suite(
        """
        from client import fetch

        def test_it(httpserve):
            httpserve.on("GET", "/a").respond()
            httpserve.on("GET", "/b").respond().optional()
            httpserve.on("GET", "/c").respond().expect(min=0)
            fetch(httpserve.url_for("/a"))
    """,
        "--httpserve-strict",
    )

    result.assert_outcomes(passed=1)


# Ignored


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("fixture", "server"),
    [
        ("httpserve_factory", "httpserve_factory(ignore=[{!r}])"),
        ("httpserve", "httpserve; httpserve.ignore({!r})"),
    ],
)
def test_a_server_ignores_what_it_is_told_to(suite: Suite, kind: str, fixture: str, server: str) -> None:
    given = {"fixture": fixture, "server": server.format(kind)}

    suite(goes_wrong(kind, **given)).assert_outcomes(passed=1)
    suite(goes_wrong(*KINDS, **given)).assert_outcomes(failed=1)


@pytest.mark.parametrize("kind", KINDS)
def test_a_server_without_fixture_ignores_what_it_is_told_to(suite: Suite, kind: str) -> None:
    result = suite(f"""
        from client import fetch, say
        from pytest_httpserve import HTTPServe

        def test_it():
            with HTTPServe(ignore=[{kind!r}]) as server:
                {KINDS[kind]}
    """)

    result.assert_outcomes(passed=1)


@pytest.mark.parametrize("kind", KINDS)
def test_a_marker_ignores_one_kind_alone(suite: Suite, kind: str) -> None:
    marker = f"serve_checks(ignore=[{kind!r}])"

    suite(goes_wrong(kind, marker=marker)).assert_outcomes(passed=1)
    suite(goes_wrong(*(KINDS.keys() - {kind}), marker=marker)).assert_outcomes(failed=1)


def test_a_marker_takes_one_kind_as_a_text(suite: Suite) -> None:
    suite(goes_wrong("errors", marker="serve_checks(ignore='errors')")).assert_outcomes(passed=1)


@pytest.mark.parametrize("kind", KINDS)
def test_the_option_ignores_one_kind_alone(suite: Suite, kind: str) -> None:
    option = f"--httpserve-ignore={kind}"

    suite(goes_wrong(kind), option).assert_outcomes(passed=1)
    suite(goes_wrong(*(KINDS.keys() - {kind})), option).assert_outcomes(failed=1)


def test_the_option_can_be_given_several_times(suite: Suite) -> None:
    suite(goes_wrong(*KINDS), *(f"--httpserve-ignore={kind}" for kind in KINDS)).assert_outcomes(passed=1)


def test_the_ini_file_ignores_kinds(suite: Suite, pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nhttpserve_ignore = unanswered errors")

    suite(goes_wrong("unanswered", "errors"), "--strict-config").assert_outcomes(passed=1)
    suite(goes_wrong("expectations")).assert_outcomes(failed=1)


def test_the_option_replaces_the_ini_value(suite: Suite, pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nhttpserve_ignore = unanswered")

    suite(goes_wrong("unanswered"), "--httpserve-ignore=errors").assert_outcomes(failed=1)


def test_the_marker_adds_to_the_ini_value(suite: Suite, pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nhttpserve_ignore = unanswered")

    suite(goes_wrong("unanswered", "errors", marker="serve_checks(ignore=['errors'])")).assert_outcomes(passed=1)


def test_the_server_of_the_session_ignores_what_the_option_says(suite: Suite) -> None:
    result = suite(goes_wrong("unanswered", fixture="httpserve_session", server="httpserve_session"))
    result.assert_outcomes(failed=1)

    result = suite(
        goes_wrong("unanswered", fixture="httpserve_session", server="httpserve_session"),
        "--httpserve-ignore=unanswered",
    )
    result.assert_outcomes(passed=1)


# Wrong values


def test_a_kind_that_does_not_exist_is_a_usage_error_of_the_option(suite: Suite) -> None:
    result = suite("def test_it(): pass", "--httpserve-ignore=missing")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        ["ERROR: --httpserve-ignore='missing' is not one of unanswered, refused, errors, expectations"],
        consecutive=True,
    )


def test_a_kind_that_does_not_exist_is_a_usage_error_of_the_ini_file(suite: Suite, pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nhttpserve_ignore = errors missing")
    result = suite("def test_it(): pass")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        ["ERROR: httpserve_ignore = 'missing' is not one of unanswered, refused, errors, expectations"]
    )


@pytest.mark.parametrize("arguments", ["ignore=['missing']", "ignore=5", "ignore='x'", "strick=True", "'errors'"])
def test_a_wrong_marker_is_one_sentence_at_set_up(suite: Suite, shown: Shown, arguments: str) -> None:
    result = suite(f"""
        import pytest

        @pytest.mark.serve_checks({arguments})
        def test_it(httpserve):
            pass
    """)

    result.assert_outcomes(errors=1)
    kinds = "unanswered, refused, errors, expectations"
    text = f"@pytest.mark.serve_checks takes ignore=, of {kinds}, and strict=; it was given "
    assert shown(result, "ERROR at setup of test_it") == f"{text}{arguments}\n"


def test_a_wrong_kind_is_the_tests_own_error_where_it_is_given(suite: Suite) -> None:
    result = suite("""
        def test_ignore(httpserve):
            httpserve.ignore("missing")

        def test_factory(httpserve_factory):
            httpserve_factory(ignore=["missing"])
    """)

    result.assert_outcomes(failed=2)
    sentence = "E *: a kind of failure must be one of unanswered, refused, errors, expectations, not 'missing'"
    result.stdout.fnmatch_lines([sentence, sentence])


def test_marker_and_options_are_explained(pytester: pytest.Pytester) -> None:
    pytester.runpytest("--markers").stdout.fnmatch_lines(["@pytest.mark.serve_checks([*], ignore=(), strict=None): *"])
    pytester.runpytest("--help").stdout.fnmatch_lines(
        [
            "  --httpserve-strict *",
            "  --httpserve-ignore=KIND*",
            "  httpserve_strict (bool):*",
            "  httpserve_ignore (args):*",
        ]
    )
