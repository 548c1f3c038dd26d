"""Faults that cannot be: each is refused where it is written, in one sentence with the value."""

from collections.abc import Callable
from typing import Any

import pytest

import pytest_httpserve
import pytest_httpserve.faults
from pytest_httpserve import UsageError

# What is given is wrong for its types, too.
hs: Any = pytest_httpserve
fs: Any = pytest_httpserve.faults


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: fs.Reset(-1), "after= of Reset must be a whole number, 0 or more, not -1"),
        (lambda: fs.Reset(True), "not True"),
        (lambda: fs.Reset(1.5), "not 1.5"),
        (lambda: fs.Reset(phase="body"), "a phase must be one of accept, .*, not 'body'"),
        (lambda: fs.Close(3, phase="accept"), "the phase accept has no bytes, so after=3 is wrong"),
        (lambda: fs.Close(3, phase="response_end"), "has no bytes"),
        (lambda: fs.Stall(until=3), "until= takes a threading.Event, not 3; for a number of seconds use Delay"),
        (lambda: fs.Stall(limit=-1), "limit= of Stall must be a number of seconds, 0 or more, not -1"),
        (lambda: fs.Stall(limit=float("inf")), "not inf"),
        (lambda: fs.Delay(-1), "seconds= of Delay must be a number of seconds, 0 or more, not -1"),
        (lambda: fs.Delay("1"), "not '1'"),
        (lambda: fs.Delay(True), "not True"),
        (lambda: fs.Delay((2, 1)), r"the least and the most, not \(2, 1\)"),
        (lambda: fs.Delay((1, 2, 3)), "the least and the most"),
        (lambda: fs.Delay(1, seed="a"), "seed= must be a whole number, not 'a'"),
        (lambda: fs.Delay(lambda draw: "x").draw(0, 0), "what the function of Delay returns must be a number"),
        (lambda: fs.WrongLength(0), "by=0 is the right length"),
        (lambda: fs.WrongLength(1.5), "by= must be a whole number, not 1.5"),
        (lambda: fs.WrongLength(says="a\r\nb"), "says= must be the value of a header"),
        (lambda: fs.WrongLength(says=12), "says= must be the value of a header, one line of text, not 12"),
        (lambda: fs.Duplicate("a b"), "a header's name must be a token"),
        (lambda: fs.Duplicate(value="a\nb"), "value= must be the value of a header"),
        (lambda: fs.CloseAfter(0), "exchanges= of CloseAfter must be a whole number, 1 or more, not 0"),
        (lambda: fs.BrokenKeepAlive(0), "exchanges= of BrokenKeepAlive"),
        (lambda: fs.Garbage("body"), "garbage takes the place of a status_line, a header or a chunk, not of 'body'"),
        (lambda: fs.Garbage(data="x"), "data= must be at least one byte, not 'x'"),
        (lambda: fs.Garbage(data=b""), "at least one byte"),
        (lambda: fs.Truncate(0), "bytes= of Truncate must be a whole number, 1 or more, not 0"),
        (lambda: fs.Extend(0), "data= of Extend must be a whole number, 1 or more, not 0"),
        (lambda: fs.Extend(b""), "not b''"),
        (lambda: fs.Extend("x"), "not 'x'"),
        (lambda: fs.WrongChunkSize(0), "by=0 is the right size"),
        (lambda: fs.Slow(), "needs a rate"),
        (lambda: fs.Slow(0), "rate= must be a number of bytes a second above 0, not 0"),
        (lambda: fs.Slow(float("inf")), "not inf"),
        (lambda: fs.Slow(1, chunk=0), "chunk= of Slow must be a whole number, 1 or more, not 0"),
        (lambda: fs.Slow(1, phase="accept"), "not in 'accept'"),
        (lambda: hs.Response(fault="reset"), r"fault= takes a fault, as in Reset\(after=10\), or several, not 'reset'"),
        (lambda: hs.Response(fault=fs.Reset), "fault= takes a fault"),
        (lambda: hs.Response(fault=[fs.Reset]), r"not <class .*; write Reset\(\)"),
        (lambda: hs.Response(fault=[3]), "fault= takes a fault, .* not 3"),
        (lambda: hs.Response(fault=fs.Fault()), r"not Fault\(\)"),
        (lambda: fs.Refuse(200), "a proxy refuses with a status from 400 to 599, not with 200"),
        (lambda: fs.Refuse("no"), "status= of Refuse must be a whole number"),
        (lambda: hs.Response(fault=fs.Refuse()), "comes before the response is chosen"),
        (lambda: fs.Reset(3, phase="connect"), "the phase connect has no bytes, so after=3 is wrong"),
        (lambda: fs.Reset(3, phase="tls_handshake"), "the phase tls_handshake has no bytes, so after=3 is wrong"),
        (lambda: hs.Response(fault=fs.Reset(phase="tls_handshake")), "comes before the response is chosen"),
        (lambda: hs.Response(fault=fs.Reset(phase="accept")), r"give it to a connection, with httpserve.fault\(...\)"),
        (lambda: hs.Response(fault=fs.Slow(1, phase="request_head")), "comes before the response is chosen"),
        (lambda: hs.Response(delay="1"), "seconds= of Delay must be a number of seconds"),
        (lambda: hs.Response(throttle="1"), "throttle= takes a number of bytes a second"),
        (lambda: hs.Response(throttle=0), "rate= must be a number"),
        (lambda: hs.HTTPServe().fault([]), "at least one fault"),
        (lambda: hs.HTTPServe().fault(None), "at least one fault"),
        (lambda: hs.HTTPServe().fault(fs.Reset(), times=0), "times= must be a whole number, 1 or more, not 0"),
        (lambda: hs.HTTPServe().fault(fs.Reset(), every=0), "every= must be a whole number, 1 or more, not 0"),
        (lambda: hs.HTTPServe().fault(fs.Reset(), skip=-1), "skip= must be a whole number, 0 or more, not -1"),
        (lambda: hs.HTTPServe().fault(fs.Reset(), probability=2), "probability= must be a number from 0 to 1, not 2"),
        (lambda: hs.HTTPServe().fault(fs.Reset(), probability=0.5, every=2), "every= or probability=, not both"),
        (lambda: hs.HTTPServe().fault(fs.Reset(), seed=1.5), "seed= must be a whole number, not 1.5"),
    ],
)
def test_a_wrong_value_is_refused_where_it_is_given(make: Callable[[], object], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        make()
