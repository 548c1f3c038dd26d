"""The types of handlers, for the functions that do their work: a handler class is only a front for those."""

from __future__ import annotations

import os
from collections.abc import Iterable
from io import BufferedIOBase, BytesIO
from typing import Any, Protocol


class Front(Protocol):
    """A handler; see ``pytest_httpserve.server.base.BaseHTTPRequestHandler``. Types are those of socketserver."""

    client_address: Any
    server: Any
    rfile: BufferedIOBase
    wfile: BufferedIOBase
    command: str | None
    path: str
    request_version: str
    requestline: str
    raw_requestline: bytes
    close_connection: bool
    _headers_buffer: list[bytes]

    @property
    def rbufsize(self) -> int: ...

    @property
    def wbufsize(self) -> int: ...

    @property
    def disable_nagle_algorithm(self) -> bool: ...

    @property
    def protocol_version(self) -> str: ...

    @property
    def default_request_version(self) -> str: ...

    @property
    def timeout(self) -> float | None: ...

    @property
    def strict(self) -> bool: ...

    @property
    def thread_per_connection(self) -> bool | None: ...

    def handle(self) -> None: ...

    def finish(self) -> None: ...

    def send_response(self, code: int, message: str | None = None) -> None: ...

    def send_response_only(self, code: int, message: str | None = None) -> None: ...

    def send_header(self, keyword: str, value: object) -> None: ...

    def end_headers(self) -> None: ...

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None: ...

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None: ...

    def log_error(self, format: str, *args: Any) -> None: ...

    def address_string(self) -> str: ...

    def version_string(self) -> str: ...

    def date_time_string(self, timestamp: float | None = None) -> str: ...


class FilesFront(Front, Protocol):
    """A handler that serves files; see ``pytest_httpserve.server.files.handler.SimpleHTTPRequestHandler``."""

    @property
    def extra_response_headers(self) -> Iterable[tuple[str, str]]: ...

    def list_directory(self, path: str | os.PathLike[str]) -> BytesIO | None: ...

    def copyfile(self, source: Any, outputfile: Any) -> None: ...

    def guess_type(self, path: str | os.PathLike[str]) -> str: ...


class CGIFront(FilesFront, Protocol):
    """A handler that runs scripts; see ``pytest_httpserve.server.cgi.handler.CGIHTTPRequestHandler``."""

    cgi_info: tuple[str, str]

    @property
    def have_fork(self) -> bool: ...

    def is_executable(self, path: str) -> bool: ...

    def is_python(self, path: str) -> bool: ...
