"""The real time, whatever a test has done to the clock.

Tests freeze the clock, move it forward, or replace it by a list of times. A server that waited by such a clock would
wait for ever, or not at all, and use up times meant for the code under test. So everything here that measures time uses
this module, which saved the functions when it was imported: with the plugin, before any test. Waits in threading and in
sockets do not use these functions.

Code that only shows the time (the ``Date`` of a response, a line of a log) calls ``time``, and so shows the test's.
"""

from __future__ import annotations

import contextlib
import datetime
import time
from collections.abc import Iterator
from functools import partial
from typing import Final

# Wrapped, because freezegun replaces the functions of ``time`` in every module where it finds them.
monotonic: Final = partial(time.monotonic)
perf_counter: Final = partial(time.perf_counter)
sleep: Final = partial(time.sleep)

# time-machine patches time.time itself, so the time of day is computed from the one at the import.
_BEGAN = time.time() - time.monotonic()


def now() -> float:
    """The real time of day, in seconds since the epoch, as OpenSSL and other processes see it."""
    return time_of_day(monotonic())


def time_of_day(moment: float) -> float:
    """The time of day, in seconds since the epoch, at a moment of ``monotonic``."""
    return _BEGAN + moment


# In a tuple, since freezegun would replace a plain module attribute.
_DATETIME = (datetime.datetime,)


@contextlib.contextmanager
def real_datetime() -> Iterator[None]:
    """Inside the context, ``datetime.datetime`` is the real class, for code that keeps the first class that it sees."""
    replaced, datetime.datetime = datetime.datetime, _DATETIME[0]  # type: ignore[misc]  # like freezegun
    try:
        yield
    finally:
        datetime.datetime = replaced  # type: ignore[misc]
