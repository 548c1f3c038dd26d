"""The WSGI side of a mounted application: ``wsgiref``'s own handler, writing through to our response."""

from __future__ import annotations

import sys
import wsgiref.handlers
import wsgiref.headers
from typing import TYPE_CHECKING, Any

from pytest_httpserve.errors import RequestError
from pytest_httpserve.scripting.answers.responses import SERVER
from pytest_httpserve.wire.grammar import REASON
from pytest_httpserve.wire.head import check_field

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_httpserve.scripting.answers.asked import Asked


class Gateway(wsgiref.handlers.BaseHandler):
    """Runs one application for one request."""

    http_version = "1.1"
    wsgi_multithread = True
    wsgi_multiprocess = False
    os_environ: dict[str, str] = {}  # noqa: RUF012  nothing of the test's own environment

    environ: dict[str, Any]
    status: str | None
    headers_sent: bool
    bytes_sent: int
    headers: wsgiref.headers.Headers

    def __init__(
        self, asked: Asked, environ: dict[str, Any], write: Callable[[bytes], object], break_off: Callable[[], object]
    ) -> None:
        self._asked = asked
        self._environ = environ
        self._write_through = write
        self._break_off = break_off
        self.server_software = SERVER

    def get_stdin(self) -> Any:  # what wsgiref hands on as wsgi.input
        return self._asked.http1.reader

    def get_stderr(self) -> Any:  # what wsgiref hands on as wsgi.errors
        return sys.stderr

    def add_cgi_vars(self) -> None:
        self.environ.update(self._environ)

    def _write(self, data: bytes) -> None:
        self._write_through(data)

    def _flush(self) -> None:
        pass  # each piece is on its way when it was written

    def run(self, application: Any) -> None:  # PEP 3333 leaves most types open
        """Let the application answer. What it raises is its own, unless it is what the client did."""
        try:
            self.setup_environ()
            self.result = application(self.environ, self.start_response)
            self.finish_response()
        except BaseException as error:
            # wsgiref itself would take every ConnectionError for the client's.
            if isinstance(error, RequestError) or self._asked.is_clients(error):
                raise
            self.handle_error()

    def cleanup_headers(self) -> None:
        # wsgiref sends what the application gives it, line ends and all.
        for name, value in self.headers.items():
            check_field(name, value)
        if not REASON.fullmatch(self.status or ""):
            raise ValueError(f"a status is one line of text, not {self.status!r}")
        super().cleanup_headers()

    # wsgiref announces a body of no bytes where there is none to announce (RFC 9110 section 8.6).

    def set_content_length(self) -> None:
        if self._has_body() or (self.bytes_sent and not self._is_bodiless_status()):
            super().set_content_length()

    def finish_content(self) -> None:
        if self.status is None:
            raise AssertionError("the application returned without a call of start_response")
        if self.headers_sent or self._has_body():
            super().finish_content()
        else:
            self.send_headers()

    def _has_body(self) -> bool:
        return self._asked.method != "HEAD" and not self._is_bodiless_status()

    def _is_bodiless_status(self) -> bool:
        return (self.status or "").startswith(("1", "204", "304"))

    def log_exception(self, exc_info: Any) -> None:  # the three of sys.exc_info()
        """An exception left the application: it fails the test, with the text that the client is answered with."""
        self._break_off()
        self.error_headers = [("Content-Type", "text/plain; charset=utf-8")]
        self.error_body = self._asked.record_exception(exc_info[1]).encode()
