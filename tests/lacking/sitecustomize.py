"""Takes away what HTTPSERVE_LACKING names, before anything has looked whether it is there.

Python runs this file when it starts, and so does every Python that a test starts, as long as PYTHONPATH leads here. It
imports nothing that Python has not imported by then, or that costs anything: tests look at what is imported.
"""

import os
from collections.abc import Iterable

# What is not there, by the module that socket and others have it from.
LACKS: dict[str, tuple[str, ...]] = {
    "epoll": ("select.epoll", "select.kqueue"),
    "poll": ("select.poll", "select.epoll", "select.kqueue"),
    "sendfile": ("os.sendfile",),
    "MSG_DONTWAIT": ("_socket.MSG_DONTWAIT",),
    "SO_RCVTIMEO": ("_socket.SO_RCVTIMEO", "_socket.SO_SNDTIMEO"),
    # Without it, Python makes pairs of sockets as it does on Windows.
    "AF_UNIX": ("_socket.AF_UNIX", "_socket.socketpair"),
    "fork": ("os.fork", "os.forkpty"),
    # Then no name can be looked up in an open directory, and be sure to be no link.
    "O_NOFOLLOW": ("os.O_NOFOLLOW", "os.O_DIRECTORY"),
    "waitid": ("os.waitid",),
    "pidfd_open": ("os.pidfd_open",),
    "SO_REUSEPORT": ("_socket.SO_REUSEPORT",),
}


def take_away(names: Iterable[str]) -> None:
    """Raises KeyError for a name that is none of the above."""
    for name in names:
        for place in LACKS[name]:
            module, _, attribute = place.partition(".")
            vars(__import__(module)).pop(attribute, None)


take_away(filter(None, os.environ.get("HTTPSERVE_LACKING", "").split(",")))
