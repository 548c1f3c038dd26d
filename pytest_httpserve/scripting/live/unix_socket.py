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
            from tempfile import mkdtemp

            self._directory = mkdtemp(prefix="httpserve-")
            try:
                self.path = check_socket_path(os.path.join(self._directory, "socket"))
            except UsageError:
                self.give_up()
                raise
        return self.path

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
