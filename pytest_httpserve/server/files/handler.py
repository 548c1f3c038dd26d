"""SimpleHTTPRequestHandler: the files in a directory, with validators, ranges and listings."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable
from http import HTTPStatus
from typing import IO, Any, ClassVar

# By its full name: if a test has restored sys.modules, the package's attribute may be an older module.
import pytest_httpserve.server.files.serving as serving
from pytest_httpserve.server import running
from pytest_httpserve.server.base import BaseHTTPRequestHandler
from pytest_httpserve.server.files.paths import file_beneath
from pytest_httpserve.server.files.roots import DEFAULT_OPTIONS, FileOptions, Root
from pytest_httpserve.server.files.types import DEFAULT_TYPE, EXTENSIONS, media_type

# The attribute in which a class lists its script directories, by a name that no subclass uses by accident.
SCRIPTS_OF = "_SimpleHTTPRequestHandler__scripts"
# If a subclass overrides one of these, it decides what is sent: then we send no more than http.server would.
_SENDING = ("do_GET", "send_head", "copyfile", "send_header")


class SimpleHTTPRequestHandler(BaseHTTPRequestHandler):
    """Serves the files in ``directory`` (default: the current one) to GET and HEAD.

    The answer for a directory is the first of ``index_pages`` in it, or else a listing. Types come from
    ``extensions_map``, then from ``mimetypes``, or else are ``default_content_type``. Files have ``ETag`` and
    ``Last-Modified``; conditional requests (RFC 9110 section 13) and ranges (section 14) work.
    ``extra_response_headers`` (pairs, also an argument) are sent with files and listings (200, 206), except those that
    the server sends itself.

    Nothing outside the directory is served. A symbolic link that leads out of it is refused with 403.

    Beyond ``http.server``, ``file_options`` (``FileOptions``) says how files are served. A subclass with its own
    ``send_head``, ``copyfile`` or ``send_header`` sends what it would send in ``http.server``: no ETag, no ranges, no
    precompressed files. So does a ``do_GET`` that calls ``send_head``.
    """

    index_pages: tuple[str, ...] | list[str] = ("index.html", "index.htm")
    default_content_type = DEFAULT_TYPE
    extensions_map: ClassVar[dict[str, str]] = EXTENSIONS.copy()
    _encodings_map_default: ClassVar[dict[str, str]] = extensions_map
    extra_response_headers: Iterable[tuple[str, str]] = ()

    file_options: ClassVar[FileOptions] = DEFAULT_OPTIONS

    directory: str

    # The arguments of socketserver's handlers, which may be anything.
    def __init__(
        self,
        *args: Any,
        directory: str | os.PathLike[str] | None = None,
        extra_response_headers: Iterable[tuple[str, str]] | None = None,
        **kwargs: Any,
    ) -> None:
        self.directory = os.fspath(directory) if directory is not None else os.getcwd()
        if extra_response_headers is not None:
            self.extra_response_headers = extra_response_headers
        super().__init__(*args, **kwargs)

    def __scripts(self) -> tuple[tuple[str, bool], ...]:
        return ()

    def do_GET(self) -> None:
        """Answer with the file, the listing, or an error."""
        if _goes_beyond(self, _SENDING[1:]):
            serving.answer(self, root_of(self), _path_of(self))
            return
        file = self.send_head()
        if file:
            try:
                self.copyfile(file, self.wfile)
            finally:
                file.close()

    def do_HEAD(self) -> None:
        """Answer like GET, without a body."""
        if _goes_beyond(self, _SENDING):
            serving.answer(self, root_of(self), _path_of(self), with_body=False)
            return
        file = self.send_head()
        if file:
            file.close()

    def do_OPTIONS(self) -> None:
        """Answer a CORS preflight; without ``cors``, this handler does not support OPTIONS."""
        root = root_of(self)
        if root.options.cors:
            serving.send_options(self, root)
        else:
            self.send_error(HTTPStatus.NOT_IMPLEMENTED, f"Unsupported method ({self.command!r})")

    def end_headers(self) -> None:
        """End the head, like the base class, after adding the header for ``cors``."""
        if cors := options_of(self).cors:
            serving.add_origin(self, cors)
        if not running.is_ours(self, "end_headers"):
            serving.step_back(self)
        super().end_headers()

    def send_head(self) -> IO[bytes] | None:
        """Send the same head as ``http.server``, since the caller may do anything with the body.

        Returns a file to read the body from, which the caller closes; None if the whole answer has been sent.
        """
        return serving.send_head(self, root_of(self), _path_of(self))

    def translate_path(self, path: str) -> str:
        """The file that a URL's path names: decoded, normalised, and always in ``directory``."""
        return file_beneath(os.fspath(self.directory), path)

    def list_directory(self, path: str | os.PathLike[str]) -> io.BytesIO | None:
        """Send the head of a listing of the directory ``path``. Returns the body, None after an error."""
        return serving.send_listing(self, root_of(self), path)

    def copyfile(self, source: Any, outputfile: Any) -> None:  # anything that send_head returned, and wfile
        """Copy ``source`` to ``outputfile``."""
        serving.copy(self, source, outputfile)

    def guess_type(self, path: str | os.PathLike[str]) -> str:
        """The media type of a file, by its name."""
        return media_type(path, self.extensions_map, self.default_content_type)

    def _send_extra_response_headers(self) -> None:
        """Send the extra headers that have not been sent yet, for ``send_head`` methods written like the one of Python
        3.15, which call this."""
        sent = {line.partition(b":")[0].lower() for line in self._headers_buffer}
        for name, value in self.extra_response_headers or ():  # None in code written for http.server
            if name.lower().encode("latin-1") not in sent:
                self.send_header(name, value)


def options_of(handler: SimpleHTTPRequestHandler) -> FileOptions:
    """The options of a handler; the defaults if a subclass uses the attribute for something else."""
    options = handler.file_options
    return options if isinstance(options, FileOptions) else DEFAULT_OPTIONS


def root_of(handler: SimpleHTTPRequestHandler) -> Root:
    """The directory that a handler serves, and how."""
    scripts: tuple[tuple[str, bool], ...] = getattr(handler, SCRIPTS_OF)()
    return Root(os.fspath(handler.directory), options_of(handler), handler.index_pages, scripts)


def _goes_beyond(handler: SimpleHTTPRequestHandler, names: tuple[str, ...]) -> bool:
    """Whether we may send more than ``http.server`` would: no override of these names, and no other ``wfile``."""
    return running.is_ours(handler, *names) and running.reaches_client(handler)


def _path_of(handler: SimpleHTTPRequestHandler) -> str:
    return os.fspath(handler.translate_path(handler.path))  # an override may return a Path
