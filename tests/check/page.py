"""The tables of docs/check.md and docs/http2.md: ``python -m tests.check.page`` writes those of the catalogue anew, and
with ``--clients`` runs the well-known clients that are installed, and writes their columns anew, or adds them."""

from __future__ import annotations

import contextlib
import io
import json
import re
import sys
from pathlib import Path

from pytest_httpserve.__main__ import main
from pytest_httpserve.check.catalogue import CATALOGUE
from pytest_httpserve.check.entry import Entry
from tests.check.known import CLIENTS, HTTP2_CLIENTS, Known
from tests.needs import program

DOCS = Path(__file__).parents[2] / "docs"
PAGES = {"catalogue": "check.md", "clients": "check.md", "http2": "http2.md", "http2-clients": "http2.md"}
# What a table of clients is about: who they are, and what they are tried with.
TRIED = {
    "clients": (CLIENTS, CATALOGUE),
    "http2-clients": (HTTP2_CLIENTS, tuple(entry for entry in CATALOGUE if entry.rule)),
}

Columns = dict[str, dict[str, str]]


def catalogue() -> str:
    """The table of the entries."""
    rows = ["| entry | group | what goes wrong | what a client should do |", "|---|---|---|---|"]
    rows += [f"| `{entry.name}` | `{entry.group}` | {entry.what} | {entry.should.text} |" for entry in CATALOGUE]
    return _lines(rows)


def http2() -> str:
    """The table of the entries of HTTP/2, with their faults and where RFC 9113 speaks of them."""
    rows = ["| entry | fault | what goes wrong | what a client should do | section |", "|---|---|---|---|---|"]
    rows += [
        f"| `{entry.name}` | {_fault(entry)} | {entry.what} | {entry.should.text} | {entry.rule} |"
        for entry in TRIED["http2-clients"][1]
    ]
    return _lines(rows)


def _fault(entry: Entry) -> str:
    return f"`{type(entry.fault).__name__}`" if entry.fault else ""


def clients(table: str, columns: Columns) -> str:
    """A table of clients: what each makes of the entries."""
    known, entries = TRIED[table]
    names = [client.name for client in known]
    headings = sorted(columns, key=lambda heading: (names.index(heading.split()[0]), heading))
    rows = [f"| entry | {' | '.join(headings)} |", f"|---{'|---' * len(headings)}|"]
    for entry in entries:
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
    """A table on its page, the one that this comment names."""
    found = _place(table).search(_page(table).read_text("utf-8"))
    assert found is not None, f"docs/{PAGES[table]} has no comment for the table {table}"
    return found[0]


def columns(table: str) -> Columns:
    """The columns of the clients on the page."""
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in told(table).split("\n") if line]
    if not rows:
        return {}
    headings, _, *others = rows
    return {heading: {row[0].strip("`"): row[at] for row in others} for at, heading in enumerate(headings) if at}


def write(table: str, text: str) -> None:
    page = _page(table)
    page.write_text(_place(table).sub(lambda _: text, page.read_text("utf-8")), "utf-8")


def _page(table: str) -> Path:
    return DOCS / PAGES[table]


def _place(table: str) -> re.Pattern[str]:
    mark = f"<!-- {table}: written by python -m tests.check.page -->\n"
    return re.compile(f"(?<={re.escape(mark)})(?:\n?\\|.*\n)*")


def _lines(rows: list[str]) -> str:
    return "\n" + "\n".join(rows) + "\n"


if __name__ == "__main__":
    write("catalogue", catalogue())
    write("http2", http2())
    for table, (known, entries) in TRIED.items() if "--clients" in sys.argv else ():
        here = [client for client in known if not client.needs or program(client.needs)]
        only = ",".join(entry.name for entry in entries)
        write(table, clients(table, columns(table) | {one.heading: column(one, "--only", only) for one in here}))
