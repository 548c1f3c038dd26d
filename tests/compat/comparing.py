"""Two outcomes of a case, compared: every difference that the case does not name is a sentence."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tests.compat.running import Outcome
from tests.compat.table import SAME, AddedHeaders, Case, Difference, OtherLines, OtherPages


def faults_of_model(case: Case, theirs: Outcome) -> Iterator[str]:
    """What is wrong with the case itself: ``http.server`` does not do what it says."""
    if theirs.trouble:
        yield f"over http.server: {theirs.trouble}"
    elif theirs.seen != case.gives:
        yield f"http.server gives {theirs.seen!r},\nand the case says     {case.gives!r}"


def faults_of_ours(case: Case, theirs: Outcome, ours: Outcome) -> Iterator[str]:
    """Where ours is not what ``http.server`` is, or not what the case says instead."""
    if ours.trouble:
        yield f"over ours: {ours.trouble}"
        return
    if case.ours is not SAME:
        if ours.seen != case.ours:
            yield f"ours gives    {ours.seen!r},\nnot           {case.ours!r}\n({case.reason})"
        if ours.seen == theirs.seen:
            yield f"ours gives the same, so the difference can go: {case.reason}"
        return
    if ours.seen != theirs.seen:
        yield f"ours gives         {ours.seen!r},\nand http.server {theirs.seen!r}"
    used: set[Difference] = set()
    yield from faults_of_transcripts(case.differs, theirs, ours, used)
    their_lines, our_lines = theirs.logged, ours.logged
    for difference in case.differs:
        if isinstance(difference, OtherLines):
            remaining = without_lines(difference, their_lines), without_lines(difference, our_lines)
            used |= {difference} if remaining != (their_lines, our_lines) else set()
            their_lines, our_lines = remaining
    if our_lines != their_lines:
        yield f"ours logs          {our_lines},\nand http.server {their_lines}"
    for difference in case.differs:
        # A page may be the same on this Python; every other difference must be one.
        if not isinstance(difference, OtherPages) and difference not in used:
            yield f"nothing differs, so the difference can go: {difference.reason}"


def faults_of_transcripts(
    differs: tuple[Difference, ...], theirs: Outcome, ours: Outcome, used: set[Difference]
) -> Iterator[str]:
    if len(ours.heard) != len(theirs.heard):
        yield f"{len(ours.heard)} clients over ours, {len(theirs.heard)} over http.server"
    for number, ((their_bytes, their_end), (our_bytes, our_end)) in enumerate(
        zip(theirs.heard, ours.heard, strict=False)
    ):
        for difference in differs:
            their_bytes, our_bytes = without(difference, their_bytes, our_bytes, used)
        if our_bytes != their_bytes:
            yield f"client {number} received  {our_bytes!r}\nand of http.server {their_bytes!r}"
        if our_end != their_end:
            yield f"the connection of client {number} ended as {our_end!r}, and with http.server as {their_end!r}"


def without(difference: Difference, theirs: bytes, ours: bytes, used: set[Difference]) -> tuple[bytes, bytes]:
    """Both transcripts with a difference taken out."""
    if isinstance(difference, OtherPages):
        return without_pages(theirs), without_pages(ours)
    if not isinstance(difference, AddedHeaders):
        return theirs, ours
    for name in difference.names:
        pattern = re.compile(rb"(?im)^%s: [^\r\n]*\r\n" % name.encode())
        if pattern.search(ours) and not pattern.search(theirs):
            ours = pattern.sub(b"", ours)
            used.add(difference)
    return theirs, ours


def without_pages(transcript: bytes) -> bytes:
    """A transcript without its HTML pages, and without their lengths."""
    transcript = re.sub(rb"(?is)<!doctype html.*?</html>\s*", b"PAGE", transcript)
    return re.sub(rb"Content-Length: \d+(?=\r\n(?:[^\r\n]+\r\n)*\r\n(?:PAGE|$))", b"Content-Length: *", transcript)


def without_lines(difference: OtherLines, lines: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(line for line in lines if not line.startswith(difference.beginning))
