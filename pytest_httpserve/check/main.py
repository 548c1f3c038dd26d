"""The command line of ``check``."""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import signal
import sys
from collections.abc import Sequence
from typing import NoReturn

from pytest_httpserve.arguments import check_count, check_timeout
from pytest_httpserve.check.catalogue import chosen
from pytest_httpserve.check.command import Command
from pytest_httpserve.check.entry import Entry
from pytest_httpserve.check.report import Report, listed, listed_lines
from pytest_httpserve.check.run import Check, Result, worst
from pytest_httpserve.errors import HTTPServeError, UsageError
from pytest_httpserve.server.cli.signals import at_the_end
from pytest_httpserve.server.colours import takes_colours
from pytest_httpserve.tls.authority import CertificateAuthority
from pytest_httpserve.tls.trust import past_proxies

PROGRAM = "python -m pytest_httpserve check"
_TIMEOUT = 10.0
_JOBS = 4
_FAILS = {"wrong": ("wrong",), "unclear": ("wrong", "unclear"), "never": ()}


class Options(argparse.Namespace):
    """The arguments, checked."""

    only: list[str]
    timeout: float
    jobs: int
    fail_on: str
    json: bool
    junit: str | None
    listing: bool
    command: list[str]


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(message)


def main(arguments: Sequence[str]) -> int:
    """Check the command in the arguments. Returns 0, or 1 if a verdict is one that --fail-on names."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # the words of a command may not be valid text
    try:
        own, words = _split(arguments)
        options = _parsed(own)
        entries = chosen(name for names in options.only for name in names.split(","))
        if options.listing:
            _list(entries, as_json=options.json)
            return 0
        with at_the_end(signal.default_int_handler):  # the clients are ended, and temporary files removed
            return _check(options, entries, words)
    except HTTPServeError as error:
        print(f"{PROGRAM}: {error}", file=sys.stderr)
        return 2


def _split(arguments: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
    """Our own arguments, and the command after ``--``."""
    if "--" not in arguments:
        return arguments, ()
    at = list(arguments).index("--")
    return arguments[:at], arguments[at + 1 :]


def _parsed(arguments: Sequence[str]) -> Options:
    options, others = _parser().parse_known_args(arguments, namespace=Options())
    if others and not others[0].startswith("-"):
        raise UsageError(f"write the command after --, as in -- {' '.join(others)}")
    if others:
        raise UsageError(f"unrecognized arguments: {' '.join(others)}")
    return options


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog=PROGRAM,
        usage=f"{PROGRAM} [options] -- COMMAND {{url}}",
        description="Run a command once for each of the things that can go wrong, and judge what it does. {url} is "
        "replaced by the URL to request, {ca} by the path of the certificate to trust.",
    )
    add = parser.add_argument
    add(
        "--only",
        action="append",
        default=[],
        metavar="NAMES",
        help="run only these entries and groups (a,b), and their controls; repeatable",
    )
    add(
        "--timeout",
        type=_seconds,
        default=_TIMEOUT,
        metavar="SECONDS",
        help="end a run after this time (default: 10); slow entries have more",
    )
    add("--jobs", type=_count, default=_JOBS, metavar="N", help="how many runs to do at the same time (default: 4)")
    add("--fail-on", choices=list(_FAILS), default="wrong", help="when the exit status is 1 (default: wrong)")
    add("--json", action="store_true", help="print a list of objects instead of a table")
    add("--junit", metavar="FILE", help="write the results to this file, too, in the format of JUnit")
    add("--list", dest="listing", action="store_true", help="print the entries, and run nothing")
    return parser


def _seconds(text: str) -> float:
    try:
        return check_timeout("--timeout", float(text))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds above 0") from None


def _count(text: str) -> int:
    try:
        return check_count("--jobs", int(text), least=1)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1") from None


def _list(entries: Sequence[Entry], *, as_json: bool) -> None:
    lines = [json.dumps(listed(entries), indent=2)] if as_json else listed_lines(entries)
    for line in lines:
        print(line)


def _check(options: Options, entries: Sequence[Entry], words: Sequence[str]) -> int:
    authority = CertificateAuthority()
    command = Command(words, {**os.environ, **authority.env(), **past_proxies(os.environ, "127.0.0.1")})
    report = Report(PROGRAM, words, coloured=takes_colours(sys.stdout))
    _check_file(options.junit)
    results: list[Result] = []
    if not options.json:
        print(report.heading())
    with contextlib.closing(Check(command, authority, options.timeout, options.jobs).results(entries)) as running:
        for result in running:
            results.append(result)
            if not options.json:
                print(report.line(result), flush=True)
    if options.json:
        print(json.dumps(report.objects(results), indent=2))
    else:
        print(*report.closing(results), sep="\n")
    if options.junit is not None:
        with open(options.junit, "wb") as file:
            file.write(report.junit(results))
    return int(worst(results) in _FAILS[options.fail_on])


def _check_file(path: str | None) -> None:
    """Raise UsageError for a file that cannot be written, before running anything."""
    if path is None:
        return
    is_new = not os.path.lexists(path)
    try:
        open(path, "ab").close()
        if is_new:
            os.unlink(path)  # it has no results yet, and may never have any
    except OSError as error:
        raise UsageError(f"--junit {path!r} cannot be written: {error.strerror}") from None
