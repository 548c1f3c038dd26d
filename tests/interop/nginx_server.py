"""nginx on a directory, as a measure for ours: its own prefix and configuration, one process, the current user."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from pathlib import Path

from tests.needs import there

PATIENCE = 10.0  # seconds in which nginx ends when it is told to

_CONFIGURATION = """\
daemon off;
worker_processes 1;
%(user)s
pid nginx.pid;
lock_file nginx.lock;
error_log error.log;
events { worker_connections 512; }
http {
    access_log off;
    client_body_temp_path client_body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    default_type application/octet-stream;
    types { text/html html; text/plain txt; }
    sendfile on;
    lingering_timeout 100ms;
    server {
        listen 127.0.0.1:%(port)d;
        root "%(directory)s";
        autoindex on;
        absolute_redirect off;
    }
}
"""


class Nginx:
    """Serves ``directory`` until ``stop``; everything it writes is beneath ``prefix``, which must exist."""

    def __init__(self, directory: str | os.PathLike[str], prefix: str | os.PathLike[str]) -> None:
        nginx, self._prefix = there("nginx"), Path(prefix)
        # nginx inherits the listening socket, as it does when one nginx replaces another: no port is guessed, and
        # clients can connect at once.
        with socket.create_server(("127.0.0.1", 0), backlog=512) as listener:
            self.host, self.port = listener.getsockname()
            # Started by root, the worker would be somebody else, who cannot read what belongs to a test.
            user = "user root;" if os.geteuid() == 0 else ""
            about = {"port": self.port, "directory": os.fspath(directory), "user": user}
            (self._prefix / "nginx.conf").write_text(_CONFIGURATION % about)
            self._process = subprocess.Popen(
                [nginx, "-p", f"{self._prefix}/", "-c", "nginx.conf"],
                env={**os.environ, "NGINX": f"{listener.fileno()};"},
                pass_fds=[listener.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
            )
        self.pid = self._process.pid

    @property
    def url(self) -> str:
        """The address of its root."""
        return f"http://{self.host}:{self.port}/"

    def stop(self) -> None:
        """End it. Raises RuntimeError with what it had to say if it had ended before."""
        ended = self._process.poll()
        if ended is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            _, said = self._process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            _, said = self._process.communicate()
        if ended is not None:
            log = self._prefix / "error.log"
            said += log.read_text() if log.exists() else ""
            raise RuntimeError(f"nginx ended with {ended} before it was told to: {said}")
