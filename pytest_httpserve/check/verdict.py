"""Judges an outcome: right, wrong, or unclear if it is debatable."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from pytest_httpserve.check.entry import BODY, Ending, Entry
from pytest_httpserve.check.outcome import Outcome

Verdict = Literal["right", "wrong", "unclear"]
# Clocks are read a little before or after the event.
_TOLERANCE = 0.1


@dataclass(frozen=True)
class Printing:
    """How a client prints the body: alone except for ``after``, somewhere in its output (``within``), or not at all.

    The control shows this. If a client does not print the body, its exit status alone tells whether it accepted one.
    """

    prints: bool = False
    within: bool = False
    after: bytes = b""

    @classmethod
    def learnt(cls, output: bytes) -> Printing:
        """Learn it from the output of the control."""
        before, found, after = output.partition(BODY)
        if not found:
            return cls()
        return cls(True, within=bool(before or after.strip()), after=after)

    def fits(self, output: bytes, body: bytes) -> bool:
        """Whether a client with this body could have printed this output."""
        if not self.prints:
            return True
        return body in output if self.within else output == body + self.after


def ending_of(entry: Entry, outcome: Outcome, printing: Printing) -> Ending:
    """How the client ended."""
    ended, asked = outcome.ended, outcome.asked
    if entry.forbidden and entry.forbidden in ended.output:
        return Ending.FORBIDDEN
    if entry.distrusts and asked:
        return Ending.TRUSTING
    if outcome.crashed:
        return Ending.CRASHED
    if entry.wait and _is_hasty(entry, outcome):
        return Ending.HASTY
    if ended.exit_status is None:
        return Ending.WAITING
    if entry.http2 and asked and all(one.version < (2, 0) for one in asked):
        return Ending.OLDER
    if asked and not asked[-1].found:
        return Ending.LOST
    if ended.exit_status:
        return Ending.FAILED
    return _taken(entry, outcome, printing)


def _taken(entry: Entry, outcome: Outcome, printing: Printing) -> Ending:
    """What a client took for the body, if it reports no error."""
    output, asked = outcome.ended.output, outcome.asked
    status = asked[-1].status if asked else None
    if status is not None and not 200 <= status < 300:
        return Ending.STATUS
    unasked = entry.coding and not any(one.accepts(entry.coding) for one in asked)
    if unasked and printing.fits(output, entry.coded):
        return Ending.CODED
    return Ending.BODY if asked and printing.fits(output, entry.body) else Ending.OTHER


def _is_hasty(entry: Entry, outcome: Outcome) -> bool:
    """Whether the client repeated a request too early."""
    least = entry.wait - _TOLERANCE
    return any(
        one.answered is not None and one.status not in range(200, 300) and after.begun - one.answered < least
        for one, after in pairwise(outcome.asked)
    )


def judge(entry: Entry, ending: Ending) -> Verdict:
    """The verdict on an ending."""
    if ending in entry.should.right:
        return "right"
    return "unclear" if ending in entry.should.unclear else "wrong"
