"""``python -m pytest_httpserve show``: shows a HAR file as a page in the browser."""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import tempfile
import webbrowser
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from pytest_httpserve.errors import UsageError
from pytest_httpserve.scripting.record.har import as_text
from pytest_httpserve.scripting.recordings.reading import Beside, text_of
from pytest_httpserve.scripting.reports.trace.page import page

PROGRAM = "python -m pytest_httpserve show"
# A page with a larger body would be slow to open.
_MOST_BODY = 8 << 20
# The parts of an entry that the page cannot do without.
_NEEDED = {"startedDateTime": str, "request": dict, "response": dict}


class Options(argparse.Namespace):
    """The arguments."""

    har: str
    output: str | None
    browser: bool


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(message)


def main(arguments: Sequence[str]) -> int:
    """Write the page, say where it is, and open it. Returns the exit code."""
    try:
        options = _parser().parse_args(arguments, namespace=Options())
        written = _write(Path(options.har), options.output)
    except UsageError as error:
        print(f"{PROGRAM}: {error}", file=sys.stderr)
        return 2
    print(written)
    if options.browser and not webbrowser.open(written.as_uri()):
        print(f"{PROGRAM}: no browser was found: open the page yourself", file=sys.stderr)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog=PROGRAM,
        description="Show a HAR file as a page: from a trace, httpserve.har(), a recording, or a browser.",
    )
    parser.add_argument("har", metavar="FILE.har", help="the HAR file, or Playwright's .zip of one")
    parser.add_argument("--output", metavar="FILE", help="where to write the page (default: a new temporary folder)")
    parser.add_argument("--no-browser", dest="browser", action="store_false", help="do not open the page")
    return parser


def _write(file: Path, output: str | None) -> Path:
    """Write the page of this HAR file; returns its path."""
    if output is not None and os.path.realpath(output) == os.path.realpath(file):
        raise UsageError(f"--output {output} is the HAR file itself")
    try:
        text = page(_read(file), file.name)
    except RecursionError:
        raise UsageError(f"{file} cannot be shown: it is nested too deeply") from None
    try:
        path = Path(tempfile.mkdtemp(prefix="httpserve-"), f"{file.stem}.html") if output is None else Path(output)
        path.write_text(text, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise UsageError(f"the page cannot be written: {error}") from None
    return path.absolute()


def _read(file: Path) -> dict[str, Any]:
    try:
        text, beside = text_of(file)
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise UsageError(f"{file} is not a HAR file: {error}") from None
    try:
        har: Any = json.loads(text, parse_float=_number, parse_constant=_refuse)
    except ValueError as error:
        raise UsageError(f"{file} is not JSON: {error}") from None
    match har:
        case {"log": {"entries": list(entries)}}:
            _check(file, entries)
            for entry in entries:
                _bring_in(entry["response"].get("content"), beside)
            return dict(har)
    raise UsageError(f"{file} is not a HAR file: it has no list at log.entries")


def _number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is too large")
    return number


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a number in JSON")


def _check(file: Path, entries: Sequence[Any]) -> None:
    for number, entry in enumerate(entries):
        for name, kind in _NEEDED.items():
            if not isinstance(entry, dict) or not isinstance(entry.get(name), kind):
                raise UsageError(f"{file} is not a HAR file: log.entries[{number}] has no {name}")


def _bring_in(content: Any, beside: Beside) -> None:
    """Move a body from a separate file to where the page looks for it, unless it is very long."""
    match content:
        case {"_file": str(name)}:
            body = beside(name)
            data = body if isinstance(body, bytes) else body.read_bytes()
            said = as_text(data, marked_as="encoding") if len(data) <= _MOST_BODY else {"comment": f"in {name}"}
            content |= {"size": len(data), **said}
