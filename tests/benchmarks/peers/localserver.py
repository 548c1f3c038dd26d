"""pytest-localserver. It has no part in the suite: each of its servers takes half a second to stop."""

from __future__ import annotations

import logging

from pytest_localserver.http import ContentServer

from . import BODY, Peer


class LocalServer:
    """The server of its fixture, and its stop completed: it forgets to close the listening socket."""

    def __init__(self) -> None:
        logging.getLogger("werkzeug").setLevel(logging.ERROR)  # else it prints a line per request
        self._server = ContentServer()
        self._server.serve_content(BODY, headers={"Content-Type": "text/plain", "Content-Length": str(len(BODY))})
        self._server.start()
        self.host, self.port = self._server.server_address

    def stop(self) -> None:
        self._server.stop()
        self._server._server.server_close()


PEER = Peer("pytest-localserver", LocalServer, plugin="pytest_localserver.plugin")
