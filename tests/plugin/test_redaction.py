"""Fields whose values are not to be seen, by configuration."""

from collections.abc import Callable

import pytest

Suite = Callable[..., pytest.RunResult]

SOURCE = """
    from client import fetch

    def test_it(httpserve):
        httpserve.on("GET", "/a", headers={"X-Key": "k"}).respond()
        fetch(httpserve.url_for("/a"), headers={"X-Key": "s3" + "cret", "Cookie": "id=s3" + "cret"})
"""


@pytest.mark.parametrize("how", ["option", "ini", "override", "xdist"])
def test_fields_that_are_named_are_not_shown(suite: Suite, pytester: pytest.Pytester, how: str) -> None:
    options = ["--httpserve-redact=X-Key"] if how in ("option", "xdist") else []
    if how == "xdist":
        options += ["-p", "xdist", "-n", "1"]
    if how == "ini":
        pytester.makeini("[pytest]\nhttpserve_redact = X-Other X-Key\n")
    if how == "override":
        pytester.makeconftest("""
            import pytest

            @pytest.fixture
            def httpserve_config():
                return {"redact": ["x-key"]}
        """)
    result = suite(SOURCE, "-v", *options)

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*got:      [*][*][*]", "*> X-Key: [*][*][*]", "*> Cookie: [*][*][*]"])
    result.stdout.no_fnmatch_line("*s3cret*")


def test_without_configuration_cookies_alone_are_not_shown(suite: Suite) -> None:
    result = suite(SOURCE, "-v")

    result.stdout.fnmatch_lines(["*got:      's3cret'", "*> X-Key: s3cret", "*> Cookie: [*][*][*]"])


def test_what_is_no_name_is_refused(suite: Suite) -> None:
    result = suite(SOURCE, "--httpserve-redact=a b", apart=True)

    result.stderr.fnmatch_lines(["*httpserve_redact: redact= takes names of header fields, not 'a b'"])
