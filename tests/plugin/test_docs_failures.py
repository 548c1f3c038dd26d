"""The reports that docs/failures.md shows are those that are printed."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import requests  # noqa: F401 - here once; sessions within would each load it anew, in parts

Shown = Callable[[pytest.RunResult, str], str]

PAGE = Path(__file__).parents[2] / "docs" / "failures.md"

# A test that fails, and the report beneath it.
_EXAMPLE = re.compile(
    r"^<!-- this test fails -->\n```python\n(?P<test>.*?)^```\n\n```text\n(?P<report>.*?)^```\n",
    re.MULTILINE | re.DOTALL,
)
EXAMPLES = list(_EXAMPLE.finditer(PAGE.read_text(encoding="utf-8")))


def name(test: str) -> str:
    """The name of the test in this source."""
    found = re.search(r"^def (test_\w+)", test, re.MULTILINE)
    assert found is not None
    return found[1]


@pytest.mark.parametrize("example", [pytest.param(example, id=name(example["test"])) for example in EXAMPLES])
def test_a_report_is_shown_as_it_prints(example: re.Match[str], pytester: pytest.Pytester, shown: Shown) -> None:
    pytester.makepyfile(test_client=example["test"])
    result = pytester.runpytest("-W", "error")

    result.assert_outcomes(failed=1)
    headline = name(example["test"])
    report = example["report"].replace("\n\n---", "\n---")  # as pytest 8.0 prints it, and as `shown` has it
    assert report == f"{f' {headline} ':_^80}\n{shown(result, headline).rstrip()}\n"


def test_every_failing_test_of_the_page_has_its_report() -> None:
    assert PAGE.read_text(encoding="utf-8").count("<!-- this test fails -->") == len(EXAMPLES) > 0
