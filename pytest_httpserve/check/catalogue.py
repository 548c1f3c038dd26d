"""The catalogue: every entry, in the order of the table, and the choice of some by their names."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from pytest_httpserve.check import answers, broken, http2, secure
from pytest_httpserve.check.entry import TAKE, Ending, Entry, answer, good, should
from pytest_httpserve.errors import UsageError

# Every client should pass these, the last if it speaks HTTP/2. If it does not, other entries show nothing.
PLAIN_CONTROL = Entry("control", "controls", "a good answer", TAKE, answer(good))
TLS_CONTROL = Entry(
    "tls_control", "controls", "a good answer over TLS, with a good certificate", TAKE, answer(good), True
)
HTTP2_CONTROL = Entry(
    "http2_control",
    "controls",
    "a good answer over HTTP/2, to a client that asks for it in its TLS handshake",
    should("take the body, over HTTP/2 if the client speaks it", Ending.BODY, unclear=(Ending.OLDER,)),
    answer(good),
    tls=True,
    http2=True,
)
CONTROLS = (PLAIN_CONTROL, TLS_CONTROL, HTTP2_CONTROL)

CATALOGUE = (*CONTROLS, *secure.ENTRIES, *broken.ENTRIES, *answers.ENTRIES, *http2.ENTRIES)
GROUPS = tuple(dict.fromkeys(entry.group for entry in CATALOGUE))


def control_of(entry: Entry) -> Entry:
    """The control that a client must pass before this entry means anything."""
    if entry.http2:
        return HTTP2_CONTROL
    return TLS_CONTROL if entry.tls else PLAIN_CONTROL


def chosen(names: Iterable[str]) -> tuple[Entry, ...]:
    """The entries with these names and in these groups, and their controls; all entries if no name is given.

    Raises UsageError for a name that is neither an entry's nor a group's.
    """
    wanted = [name.strip() for name in names]
    known = [*GROUPS, *(entry.name for entry in CATALOGUE)]
    for name in wanted:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"the groups are {', '.join(GROUPS)}"
            raise UsageError(f"--only {name!r} is neither an entry nor a group: {hint}")
    found = [entry for entry in CATALOGUE if not wanted or entry.name in wanted or entry.group in wanted]
    controls = {control_of(entry).name for entry in found}
    return tuple(entry for entry in CATALOGUE if entry in found or entry.name in controls)
