"""What docs/connections.md teaches finds the mistake that it is about."""

import re
from pathlib import Path

import pytest
import requests  # noqa: F401 - here once; sessions within would each load it anew, in parts

PAGE = Path(__file__).parents[2] / "docs" / "connections.md"


def example(name: str) -> str:
    """The block of the page that holds this test."""
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    (block,) = [block for block in blocks if f"def {name}(" in block]
    return str(block)


def test_a_downloader_that_takes_ten_at_once_does_not_keep_to_two(pytester: pytest.Pytester) -> None:
    source = example("test_the_downloader_keeps_to_two")
    # With time enough for the slowest machine to send three requests.
    broken = source.replace("ThreadPoolExecutor(2)", "ThreadPoolExecutor(10)").replace("delay=0.1", "delay=2")
    pytester.makepyfile(test_it=broken)
    result = pytester.runpytest("-W", "error")

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines("E * requests were in progress at once, expected at most 2:")
