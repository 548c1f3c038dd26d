"""The time, as it was told before anyone told it otherwise.

Tests freeze the clock, turn it forward, or put a list of times in its place. A server that waits by such a clock waits
for ever, or not at all, and takes times from the list that are the code's under test. So whatever measures time here
takes it from this module, which took the functions when it was imported: with the plugin, before any test. What waits
in threading and in sockets does not look at these functions.

What only tells the time (the ``Date`` of a response, a line of a log) asks ``time`` itself, and so tells the test's.
"""

from __future__ import annotations

import contextlib
import datetime
import time
from collections.abc import Iterator
from functools import partial
from typing import Final

# Objects of their own: freezegun replaces whatever in any module is one of the functions of ``time``.
monotonic: Final = partial(time.monotonic)
perf_counter: Final = partial(time.perf_counter)
sleep: Final = partial(time.sleep)

# time-machine replaces time.time from within, so the time of day is counted on from the one at the import.
_BEGAN = time.time() - time.monotonic()


def now() -> float:
    """The time of day, in seconds since the epoch: that of OpenSSL, and of other processes."""
    return time_of_day(monotonic())


def time_of_day(moment: float) -> float:
    """The time of day at a moment of ``monotonic``, in seconds since the epoch."""
    return _BEGAN + moment


# Not by its own name, which freezegun would replace.
_DATETIME = (datetime.datetime,)


@contextlib.contextmanager
def real_datetime() -> Iterator[None]:
    """For what keeps the class ``datetime`` that it finds at first: the real one, whatever a test has in its place."""
    replaced, datetime.datetime = datetime.datetime, _DATETIME[0]  # type: ignore[misc]  # as freezegun does it
    try:
        yield
    finally:
        datetime.datetime = replaced  # type: ignore[misc]
