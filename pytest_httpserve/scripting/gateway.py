"""The WSGI side of a mounted application: ``wsgiref``'s own handler, writing through to our response."""

from __future__ import annotations

import sys
import wsgiref.handlers
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_httpserve.scripting.applications import Outgoing
    from pytest_httpserve.scripting.handler import ScriptedHandler


class Gateway(wsgiref.handlers.BaseHandler):
    """Runs one application for one request."""

    http_version = "1.1"
    wsgi_multithread = True
    wsgi_multiprocess = False
    os_environ: dict[str, str] = {}  # noqa: RUF012  nothing of the test's own environment

    environ: dict[str, Any]

    def __init__(self, handler: ScriptedHandler, response: Outgoing, environ: dict[str, Any]) -> None:
        self._handler = handler
        self._response = response
        self._environ = environ
        self.server_software = handler.version_string()

    def get_stdin(self) -> Any:  # what wsgiref hands on as wsgi.input
        return self._handler.reader

    def get_stderr(self) -> Any:  # what wsgiref hands on as wsgi.errors
        return sys.stderr

    def add_cgi_vars(self) -> None:
        self.environ.update(self._environ)

    def _write(self, data: bytes) -> None:
        self._response.write(data)

    def _flush(self) -> None:
        pass  # each piece is on its way when it was written

    def log_exception(self, exc_info: Any) -> None:  # the three of sys.exc_info()
        """An exception left the application: it fails the test."""
        self._response.break_off()
        self._handler.record_exception(exc_info[1])
