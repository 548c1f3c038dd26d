"""What the adapters of ``http.server`` and of our drop-in for it share: a server run by a thread."""

from __future__ import annotations

import socketserver
import threading


class Threaded:
    """Runs ``serve_forever`` in a thread; stops as the documentation of ``socketserver`` says."""

    def __init__(self, server: socketserver.TCPServer, poll_interval: float = 0.5) -> None:
        self._server = server
        host, port = server.server_address[:2]
        self.host, self.port = str(host), int(port)
        self._thread = threading.Thread(target=server.serve_forever, args=(poll_interval,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
