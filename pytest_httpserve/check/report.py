"""Reports of the results: lines for a terminal, objects for a program, JUnit XML for a build."""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Iterable, Sequence
from xml.etree import ElementTree

from pytest_httpserve.check.catalogue import CATALOGUE
from pytest_httpserve.check.entry import Entry
from pytest_httpserve.check.run import Result
from pytest_httpserve.server.colours import GREEN, RED, YELLOW, paint
from pytest_httpserve.server.escaping import escape

_NAME = max(len(entry.name) for entry in CATALOGUE)
_VERDICT = len("unclear")
_DID = 64
_WORDS = 300  # how many characters of what a client said last to show
_COLOURS = {"right": GREEN, "wrong": RED, "unclear": YELLOW}
# The characters that XML 1.0 cannot represent.
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Report:
    """Formats results; ``program`` and ``words`` are the command lines of the check and of the command it checks."""

    def __init__(self, program: str, words: Sequence[str], *, coloured: bool = False) -> None:
        self._program, self._words, self._coloured = program, words, coloured

    def again(self, *names: str) -> str:
        """The command that runs these entries again."""
        return f"{self._program} --only {','.join(names)} -- {shlex.join(self._words)}"

    # For a terminal

    def heading(self) -> str:
        return f"{'entry':{_NAME}}  {'verdict':{_VERDICT}}  {'what the client did':{_DID}}  what it should do"

    def line(self, result: Result) -> str:
        verdict = f"{result.verdict:{_VERDICT}}"
        if self._coloured:
            verdict = paint(verdict, _COLOURS[result.verdict])
        return f"{result.entry.name:{_NAME}}  {verdict}  {result.did:{_DID}}  {result.entry.should.text}"

    def closing(self, results: Sequence[Result]) -> Iterable[str]:
        """The number of each verdict, an explanation of every one that is not right, and how to run those again."""
        counts = Counter(result.verdict for result in results)
        yield ", ".join(f"{counts[verdict]} {verdict}" for verdict in ("right", "wrong", "unclear"))
        for result in results:
            if result.verdict == "wrong":
                yield from self._explained(result)
        yield f"\nTo run an entry again: {self.again('NAME')}"

    def _explained(self, result: Result) -> Iterable[str]:
        entry = result.entry
        yield f"\n{entry.name}: {entry.what}"
        yield f"  it {result.did}; it should {entry.should.text}"
        if result.errors:
            yield f"  the last line of its stderr: {escape(result.errors.splitlines()[-1][-_WORDS:])}"
        yield f"  {self.again(entry.name)}"

    # For programs

    def objects(self, results: Iterable[Result]) -> list[dict[str, object]]:
        """The output of ``--json``."""
        return [self._object(result) for result in results]

    def _object(self, result: Result) -> dict[str, object]:
        entry, outcome = result.entry, result.outcome
        told: dict[str, object] = {
            "entry": entry.name,
            "group": entry.group,
            "what": entry.what,
            "did": result.did,
            "should": entry.should.text,
            "verdict": result.verdict,
            "again": self.again(entry.name),
        }
        if outcome is not None:
            told |= {
                "exit_status": outcome.ended.exit_status,
                "seconds": round(outcome.ended.seconds, 3),
                "requests": len(outcome.asked),
                "connections": outcome.connections,
                "repeated": outcome.repeated,
                "stderr": result.errors,
            }
        return told

    def junit(self, results: Sequence[Result]) -> bytes:
        """The output of ``--junit``: a wrong verdict is a failure, an unclear one is skipped."""
        counts = Counter(result.verdict for result in results)
        suite = ElementTree.Element(
            "testsuite",
            name="check",
            tests=str(len(results)),
            failures=str(counts["wrong"]),
            errors="0",
            skipped=str(counts["unclear"]),
        )
        for result in results:
            suite.append(self._case(result))
        root = ElementTree.Element("testsuites")
        root.append(suite)
        written: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
        return written

    def _case(self, result: Result) -> ElementTree.Element:
        entry = result.entry
        seconds = result.outcome.ended.seconds if result.outcome is not None else 0.0
        case = ElementTree.Element("testcase", classname=entry.group, name=entry.name, time=f"{seconds:.3f}")
        if result.verdict != "right":
            kind = "failure" if result.verdict == "wrong" else "skipped"
            about = ElementTree.SubElement(case, kind, message=_xml(f"{result.did}; it should {entry.should.text}"))
            about.text = _xml("\n".join(filter(None, [f"{entry.what}", self.again(entry.name), result.errors])))
        return case


def _xml(text: str) -> str:
    return _NO_XML.sub("\N{REPLACEMENT CHARACTER}", text)


def listed(entries: Iterable[Entry]) -> list[dict[str, str]]:
    """The output of ``--list --json``."""
    return [
        {"entry": entry.name, "group": entry.group, "what": entry.what, "should": entry.should.text}
        for entry in entries
    ]


def listed_lines(entries: Iterable[Entry]) -> Iterable[str]:
    """The output of ``--list``: the entries, group by group."""
    group = ""
    for entry in entries:
        if entry.group != group:
            group = entry.group
            yield f"{group}:"
        yield f"  {entry.name:{_NAME}}  {entry.what}; the client should {entry.should.text}"
