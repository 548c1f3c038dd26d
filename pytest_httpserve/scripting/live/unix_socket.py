"""The path of a server that listens on a Unix socket."""

from __future__ import annotations

import contextlib
import os
import socket
import urllib.parse

from pytest_httpserve.errors import UnsupportedError, UsageError
from pytest_httpserve.scripting.live.addresses import check_socket_path

# What stands in a URL for the host: clients are told of the socket in their own ways.
HOST = "localhost"
# Where else the system keeps temporary files, if the user's own folder for them has too long a path.
_SHORT = ("/tmp", "/var/tmp")


class UnixSocket:
    """Where the socket is: the path that was given, or one in a directory of its own, which is gone when it is."""

    def __init__(self, path: bool | str | os.PathLike[str]) -> None:
        self.path = None if path is True else check_socket_path(path)  # type: ignore[arg-type]  # refused there
        if not hasattr(socket, "AF_UNIX"):
            raise UnsupportedError("unix= needs AF_UNIX, which this Python does not have")
        self._directory: str | None = None

    def make(self) -> str:
        """The path to listen on."""
        if self.path is None:
            return self._make_somewhere()
        return self.path

    def _make_somewhere(self) -> str:
        """In the temporary folder, or in one whose path is short enough for a socket, if that is not."""
        from tempfile import mkdtemp

        wrong: Exception = UnsupportedError("unix=True needs a folder for its socket")
        for parent in (None, *_SHORT):
            try:
                self._directory = mkdtemp(prefix="httpserve-", dir=parent)
                self.path = check_socket_path(os.path.join(self._directory, "socket"))
            except (OSError, UsageError) as error:
                self.give_up()
                wrong = error if parent is None else wrong
            else:
                return self.path
        raise wrong

    def give_up(self) -> None:
        """Nobody has listened: a file that is there is another's."""
        if self._directory is not None:
            with contextlib.suppress(OSError):  # somebody has put something into it
                os.rmdir(self._directory)
            self.path = self._directory = None

    def remove(self) -> None:
        """Nobody listens any more."""
        if self.path is None:
            return
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path)
        self.give_up()

    def base_url(self, scheme: str) -> str:
        """As requests-unixsocket has it: ``http+unix://%2Ftmp%2Fsocket``."""
        return f"{scheme}+unix://{urllib.parse.quote(self.path or '', safe='')}"
