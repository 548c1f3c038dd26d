"""The path of a server that listens on a Unix socket."""

from __future__ import annotations

import contextlib
import os
import socket
import urllib.parse

from pytest_httpserve.errors import UnsupportedError, UsageError
from pytest_httpserve.scripting.live.addresses import check_socket_path

# The host in URLs: each client has its own way to be told of the socket.
HOST = "localhost"
# Other folders for temporary files, in case the path of the user's own is too long.
_SHORT = ("/tmp", "/var/tmp")


class UnixSocket:
    """The path of the socket: the one given, or one in a new directory, which is deleted with the socket."""

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
        """Make a path in the temporary folder or, if that would be too long, in a shorter one."""
        from tempfile import mkdtemp

        wrong: Exception = UnsupportedError("unix=True finds no folder for its socket")
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
        """Delete the directory, but no file: nobody has listened, so a file would be someone else's."""
        if self._directory is not None:
            with contextlib.suppress(OSError):  # it is not empty
                os.rmdir(self._directory)
            self.path = self._directory = None

    def remove(self) -> None:
        """Delete the socket: nobody listens any more."""
        if self.path is None:
            return
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path)
        self.give_up()

    def base_url(self, scheme: str) -> str:
        """The URL in the form of requests-unixsocket: ``http+unix://%2Ftmp%2Fsocket``."""
        return f"{scheme}+unix://{urllib.parse.quote(self.path or '', safe='')}"
