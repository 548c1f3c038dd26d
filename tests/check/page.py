"""The tables of docs/check.md: ``python -m tests.check.page`` writes that of the catalogue anew, and with ``--clients``
runs the well-known clients that are installed, and writes their columns anew, or adds them."""

from __future__ import annotations

import contextlib
import io
import json
import re
import sys
from pathlib import Path

from pytest_httpserve.__main__ import main
from pytest_httpserve.check.catalogue import CATALOGUE
from tests.check.known import CLIENTS, Known
from tests.needs import program

PAGE = Path(__file__).parents[2] / "docs" / "check.md"

Columns = dict[str, dict[str, str]]


def catalogue() -> str:
    """The table of the entries."""
    rows = ["| entry | group | what goes wrong | what a client should do |", "|---|---|---|---|"]
    rows += [f"| `{entry.name}` | `{entry.group}` | {entry.what} | {entry.should.text} |" for entry in CATALOGUE]
    return _lines(rows)


def clients(columns: Columns) -> str:
    """The table of the clients: what each makes of the entries."""
    names = [client.name for client in CLIENTS]
    headings = sorted(columns, key=lambda heading: (names.index(heading.split()[0]), heading))
    rows = [f"| entry | {' | '.join(headings)} |", f"|---{'|---' * len(headings)}|"]
    for entry in CATALOGUE:
        cells = (columns[heading].get(entry.name, "not tried") for heading in headings)
        rows.append(f"| `{entry.name}` | {' | '.join(cells)} |")
    return _lines(rows)


def column(client: Known, *options: str) -> dict[str, str]:
    """What the client does now, as the table has it."""
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        main(["check", "--json", *options, "--", *client.words])
    return {one["entry"]: _cell(one["verdict"], one["did"]) for one in json.loads(printed.getvalue())}


def _cell(verdict: str, did: str) -> str:
    what = did.partition(":")[0]
    return "not run" if what == "was not run" else verdict if verdict == "right" else f"{verdict}: {what}"


def told(table: str) -> str:
    """A table on the page, the one that this comment names."""
    found = _place(table).search(PAGE.read_text("utf-8"))
    assert found is not None, f"docs/check.md has no comment for the table {table}"
    return found[0]


def columns() -> Columns:
    """The columns of the clients on the page."""
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in told("clients").split("\n") if line]
    if not rows:
        return {}
    headings, _, *others = rows
    return {heading: {row[0].strip("`"): row[at] for row in others} for at, heading in enumerate(headings) if at}


def write(table: str, text: str) -> None:
    PAGE.write_text(_place(table).sub(lambda _: text, PAGE.read_text("utf-8")), "utf-8")


def _place(table: str) -> re.Pattern[str]:
    mark = f"<!-- {table}: written by python -m tests.check.page -->\n"
    return re.compile(f"(?<={re.escape(mark)})(?:\n?\\|.*\n)*")


def _lines(rows: list[str]) -> str:
    return "\n" + "\n".join(rows) + "\n"


if __name__ == "__main__":
    write("catalogue", catalogue())
    if "--clients" in sys.argv:
        here = [client for client in CLIENTS if not client.needs or program(client.needs)]
        write("clients", clients(columns() | {client.heading: column(client) for client in here}))
