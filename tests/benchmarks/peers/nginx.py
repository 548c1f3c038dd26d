"""nginx with one worker, serving files: what the kernel and the client leave to win."""

from __future__ import annotations

import tempfile

from tests.interop.nginx_server import Nginx

from . import NGINX, Peer


class NginxFiles(Nginx):
    """nginx on a directory, with a directory of its own for what it writes."""

    def __init__(self, directory: str) -> None:
        self._own = tempfile.TemporaryDirectory()
        super().__init__(directory, self._own.name)

    def stop(self) -> None:
        with self._own:
            super().stop()


PEER = Peer(NGINX, {"files": NginxFiles})
