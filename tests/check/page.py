"""What docs/check.md says of the catalogue: ``python -m tests.check.page`` writes it anew."""

from __future__ import annotations

import re
from pathlib import Path

from pytest_httpserve.check.catalogue import CATALOGUE

PAGE = Path(__file__).parents[2] / "docs" / "check.md"
_MARK = "<!-- catalogue: python -m tests.check.page writes it -->\n"
_CATALOGUE = re.compile(f"(?<={re.escape(_MARK)})(?:\n?\\|.*\n)*")


def catalogue() -> str:
    """A table of the entries."""
    rows = ["| entry | group | what goes wrong | what a client should do |", "|---|---|---|---|"]
    rows += [f"| `{entry.name}` | `{entry.group}` | {entry.what} | {entry.should.text} |" for entry in CATALOGUE]
    return "\n" + "\n".join(rows) + "\n"


def told() -> str:
    """The table on the page."""
    (found,) = _CATALOGUE.findall(PAGE.read_text("utf-8"))
    assert isinstance(found, str)
    return found


if __name__ == "__main__":
    PAGE.write_text(_CATALOGUE.sub(lambda _: catalogue(), PAGE.read_text("utf-8")), "utf-8")
