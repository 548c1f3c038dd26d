"""SimpleHTTPRequestHandler: the files beneath a directory, with validators, ranges and listings."""

from __future__ import annotations

import io
import mimetypes
import os
import posixpath
import secrets
import shutil
import sys
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import IO, Any, ClassVar

from pytest_httpserve.protocol.writer import Writer
from pytest_httpserve.server.base import BaseHTTPRequestHandler
from pytest_httpserve.server.conditions import (
    CODINGS,
    RequestHeaders,
    accepted_codings,
    evaluate,
    matching_headers,
    wanted_ranges,
)
from pytest_httpserve.server.directory_page import directory_page, listed
from pytest_httpserve.server.file_paths import (
    OpenFile,
    decoded_path,
    file_beneath,
    leads_out,
    names_below,
    open_file,
    open_without_links,
    place_in,
    read_at,
)
from pytest_httpserve.server.ranges import FileParts, content_range, multipart, single_part
from pytest_httpserve.server.representation import Representation, representation
from pytest_httpserve.wire.headers import Field

# A file up to this size leaves in one write with its head; a larger one goes out by sendfile.
SMALL_FILE_BYTES = 65_536

_guess_mime_type = getattr(mimetypes, "guess_file_type", mimetypes.guess_type)  # the former from Python 3.13 on


class SimpleHTTPRequestHandler(BaseHTTPRequestHandler):
    """Serves the files beneath ``directory`` (default: the current one) to GET and HEAD.

    A directory is answered by the first of ``index_pages`` in it, else by a listing. Types come from
    ``extensions_map``, then from ``mimetypes``, else it is ``default_content_type``. Files have ``ETag`` and
    ``Last-Modified``; conditional requests (RFC 9110 section 13) and ranges (section 14) are answered.
    ``extra_response_headers`` (pairs, also an argument) go out with files and listings (200, 206), but for those that
    the server sends itself.

    Nothing outside the directory is served. A symbolic link that leads out of it is refused with 403.

    Beyond ``http.server``:

    - ``listing = False``: a directory without an index page is refused with 403.
    - ``hidden = False``: names that begin with a dot are not found, and not listed.
    - ``follow_outside = True``: symbolic links are followed wherever they lead.
    - ``response_headers``: a mapping of headers for all that is found, in place of those of the same name;
      ``headers_for``: the same by pattern, as in ``{"*.js": {"Cache-Control": "no-cache"}}``. A pattern (``fnmatch``)
      is for whole paths beneath ``directory``, and its asterisk takes slashes, too.
    - ``precompressed = True``: ``app.js.br``, ``.zst`` or ``.gz`` goes out for ``app.js`` to a client that takes it.
    - ``fallback``: the page for a path that is not found and whose last name has no dot (single-page applications).
    - ``cors``: True for any origin, or one origin; preflight requests are answered, too.
    """

    index_pages: tuple[str, ...] | list[str] = ("index.html", "index.htm")
    default_content_type = "application/octet-stream"
    extensions_map: ClassVar[dict[str, str]] = {
        ".gz": "application/gzip",
        ".Z": "application/octet-stream",
        ".bz2": "application/x-bzip2",
        ".xz": "application/x-xz",
    }
    _encodings_map_default: ClassVar[dict[str, str]] = extensions_map
    extra_response_headers: Iterable[tuple[str, str]] = ()

    listing: bool = True
    hidden: bool = True
    follow_outside: bool = False
    response_headers: Mapping[str, str] = MappingProxyType({})
    headers_for: Mapping[str, Mapping[str, str]] = MappingProxyType({})
    precompressed: bool = False
    fallback: str | None = None
    cors: bool | str = False

    directory: str

    # The arguments are those of socketserver's handlers, whatever they are.
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

    def do_GET(self) -> None:
        """Answer with the file, the listing, or an error."""
        # An override of copyfile may write to the socket itself.
        if type(self).copyfile is SimpleHTTPRequestHandler.copyfile:
            self._hold()
        file = self.send_head()
        if file:
            try:
                self.copyfile(file, self.wfile)
            finally:
                file.close()

    def do_HEAD(self) -> None:
        """Answer as GET would, without a body."""
        file = self.send_head()
        if file:
            file.close()

    def do_OPTIONS(self) -> None:
        """Answer a CORS preflight; without ``cors``, OPTIONS is no method of this handler."""
        if not self.cors:
            self.send_error(HTTPStatus.NOT_IMPLEMENTED, f"Unsupported method ({self.command!r})")
            return
        self.send_options()

    def send_options(self) -> None:
        """Say which methods there are (RFC 9110 section 9.3.7) and, with ``cors``, who may use them."""
        self.send_response(HTTPStatus.NO_CONTENT)
        self.send_header("Allow", "GET, HEAD, OPTIONS")
        if self.cors:
            self.send_header("Access-Control-Allow-Methods", "GET, HEAD, OPTIONS")
            asked = self.headers.get("Access-Control-Request-Headers")
            self.send_header("Access-Control-Allow-Headers", asked or "*")
            self.send_header("Access-Control-Max-Age", "600")
        self.end_headers()

    def end_headers(self) -> None:
        """End the head, as the base class does; with ``cors``, every response that does not say itself which origin it
        allows allows that one."""
        if self.cors and (self._status or 0) >= 200 and not any(map(_allows_an_origin, self._headers_buffer)):
            self.send_header("Access-Control-Allow-Origin", self.cors if isinstance(self.cors, str) else "*")
            if isinstance(self.cors, str):
                self.send_header("Vary", "Origin")
        super().end_headers()

    # From the target to a file

    def send_head(self) -> IO[bytes] | FileParts | None:
        """Send the head of the answer.

        Returns what the body is to be read from, which the caller closes; None if the answer has been given whole.
        """
        path = os.fspath(self.translate_path(self.path))  # an override may return a Path
        # A file is asked for more often than a directory, and without a link on the way to it.
        file = self._open(path)
        if file is None and self._is_shown(path) and self._leads_out(path):
            self.send_error(HTTPStatus.FORBIDDEN, explain="A symbolic link here leads out of the served directory.")
            return None
        if file is None and os.path.isdir(path) and self._is_shown(path):
            if not decoded_path(self.path).endswith("/"):
                self._redirect_to_slash()
                return None
            index = self._index_page(path)
            if index is None:
                return self._send_listing(path)
            path = index
            file = self._open(path)
        if file is None and self.fallback is not None and "." not in posixpath.basename(path.rstrip("/")):
            path = os.path.join(self.directory, self.fallback)
            file = self._open(path)
        if file is None:
            self.send_error(HTTPStatus.NOT_FOUND, "File not found")
            return None
        return self._send_file_head(file, path)

    def translate_path(self, path: str) -> str:
        """The file that a URL's path stands for: decoded, normalised, and always beneath ``directory``."""
        return file_beneath(self.directory, path)

    def _leads_out(self, path: str) -> bool:
        """Whether a symbolic link on the way to ``path`` leaves the directory."""
        return not self.follow_outside and leads_out(self.directory, path)

    def _is_shown(self, path: str) -> bool:
        return self.hidden or not any(name.startswith(".") for name in names_below(self.directory, path))

    def _index_page(self, directory: str) -> str | None:
        for name in self.index_pages:
            page = os.path.join(directory, name)
            if os.path.isfile(page) and not self._leads_out(page):
                return page
        return None

    def _open(self, path: str) -> OpenFile | None:
        """The regular file at ``path``; None if there is none that may be shown and read."""
        # Some systems open "file/" as the file; as a URL it is another one.
        if path.endswith("/") or not self._is_shown(path):
            return None
        if not self.follow_outside and (file := open_without_links(self.directory, path)) is not None:
            return file
        return None if self._leads_out(path) else open_file(path)

    def guess_type(self, path: str | os.PathLike[str]) -> str:
        """The media type of a file, by its name."""
        name = os.fspath(path)
        extension = posixpath.splitext(name)[1]
        for spelling in (extension, extension.lower()):
            if spelling in self.extensions_map:
                return self.extensions_map[spelling]
        return _registered_type(extension) or _guess_mime_type(name)[0] or self.default_content_type

    # Answers

    def _send_file_head(self, file: OpenFile, path: str) -> OpenFile | FileParts | None:
        """Choose the representation, evaluate the conditions, then the range (RFC 9110 section 13.2.2)."""
        own = self._own_fields(path)
        media_type = own["content-type"][1] if "content-type" in own else self.guess_type(path)
        coding = None
        body: OpenFile | FileParts | None = None
        try:
            if self.precompressed:
                file, coding = self._encoded(file, path)
            modified = self.date_time_string(file.status.st_mtime)
            body = self._send_representation(file, representation(file.status, modified, media_type, coding), own)
        finally:
            if body is None:
                file.close()
        return body

    def _encoded(self, file: OpenFile, path: str) -> tuple[OpenFile, str]:
        """The neighbour of the file that the client likes best, and its coding; else the file itself."""
        for coding in accepted_codings(self._request_headers()):
            neighbour = path + CODINGS[coding]
            if encoded := self._open(neighbour):
                file.close()
                return encoded, coding
        return file, ""

    def _request_headers(self) -> RequestHeaders:
        """The headers, repeated lines combined; those of an override that has made, and may have changed, its own."""
        own: RequestHeaders = vars(self).get("headers", self._fields)
        return own

    def _send_representation(
        self, file: OpenFile, chosen: Representation, own: dict[str, Field]
    ) -> OpenFile | FileParts | None:
        asked = self._request_headers()
        verdict = evaluate(asked, chosen.validators, any_matches=self.strict)
        if verdict == HTTPStatus.PRECONDITION_FAILED:
            self.send_error(verdict)
            return None
        if verdict == HTTPStatus.NOT_MODIFIED:
            self._send_fields(verdict, chosen.kept, own)
            return None
        pieces = wanted_ranges(asked, chosen.validators, chosen.size) if self.command == "GET" else None
        if pieces is None:
            self._send_fields(HTTPStatus.OK, chosen.whole, own)
            return file
        return self._send_ranges(file, pieces, chosen, own)

    def _send_ranges(
        self, file: OpenFile, pieces: list[range], chosen: Representation, own: dict[str, Field]
    ) -> FileParts | None:
        if not pieces:
            refusal = (("Content-Range", f"bytes */{chosen.size}"), ("Content-Length", "0"))
            self._send_fields(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, refusal, own)
            return None
        about = dict(chosen.about)
        if len(pieces) == 1:
            body = single_part(file, pieces[0])
            about["Content-Range"] = content_range(pieces[0], chosen.size)
        else:
            boundary = secrets.token_hex(16)
            body = multipart(file, pieces, chosen.size, about["Content-Type"], boundary)
            about["Content-Type"] = f"multipart/byteranges; boundary={boundary}"
        about["Content-Length"] = str(len(body))
        # A type of the options has gone into the fields, or into each of the parts.
        own = {name: field for name, field in own.items() if name != "content-type"}
        self._send_fields(HTTPStatus.PARTIAL_CONTENT, tuple(about.items()), own)
        return body

    def _send_fields(self, status: HTTPStatus, fields: tuple[Field, ...], own: dict[str, Field] | None = None) -> None:
        """Send a whole head: these fields, and those that the options of the class add or replace (``own``)."""
        own = self._own_fields() if own is None else own
        extra = self.extra_response_headers if status in (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT) else ()
        if own or extra:
            sent = {name.lower(): (name, value) for name, value in fields} | own
            added = [(name, value) for name, value in extra if name.lower() not in ("server", "date", *sent)]
            fields = tuple((name, str(value)) for name, value in (*sent.values(), *added))
        self._begin_response(status, fields)
        self.end_headers()

    def _send_extra_response_headers(self) -> None:
        """Send the extra headers but for those that have been sent: by this name, for ``send_head`` methods made after
        that of Python 3.15."""
        sent = {line.partition(b":")[0].lower() for line in self._headers_buffer}
        for name, value in self.extra_response_headers or ():  # None in code made for http.server
            if name.lower().encode("latin-1") not in sent:
                self.send_header(name, value)

    def _own_fields(self, path: str = "") -> dict[str, Field]:
        """The fields that the options of the class give what is at ``path``, by their names in small letters."""
        own: dict[str, Field] = {}
        if self.response_headers:
            own = {name.lower(): (name, value) for name, value in self.response_headers.items()}
        if self.headers_for and path:
            own |= matching_headers(self.headers_for, "/".join(names_below(self.directory, path)))
        return own

    def _redirect_to_slash(self) -> None:
        # base has made one slash of several at the beginning: the answer stays on this host. To browsers, a backslash
        # is a slash.
        # A client keeps its own fragment.
        path, mark, query = self.path.partition("#")[0].partition("?")
        path = path.replace("\\", "%5C")
        location = ("Location", f"{path}/{mark}{query}")
        self._send_fields(HTTPStatus.MOVED_PERMANENTLY, (location, ("Content-Length", "0")))

    def _send_listing(self, path: str) -> io.BytesIO | None:
        if self.listing:
            return self.list_directory(path)
        self.send_error(HTTPStatus.FORBIDDEN, explain="The directory has no index page, and is not listed.")
        return None

    def list_directory(self, path: str | os.PathLike[str]) -> io.BytesIO | None:
        """Send the head of a listing of the directory ``path``; its body is returned, None after an error."""
        try:
            entries = listed(path, hidden=self.hidden)
        except OSError:
            self.send_error(HTTPStatus.NOT_FOUND, "No permission to list directory")
            return None
        encoding = sys.getfilesystemencoding()
        body = directory_page(self.path, entries, encoding)
        media_type = ("Content-Type", f"text/html; charset={encoding}")
        self._send_fields(HTTPStatus.OK, (media_type, ("Content-Length", str(len(body)))))
        return io.BytesIO(body)

    def copyfile(self, source: Any, outputfile: Any) -> None:  # whatever send_head gave, and wfile
        """Write what ``source`` holds to ``outputfile``."""
        if not isinstance(outputfile, Writer):
            shutil.copyfileobj(source, outputfile)
        elif isinstance(source, FileParts):
            for part in source.parts:
                if isinstance(part, range):
                    _send_part(source.file, part, outputfile)
                else:
                    outputfile.write(part)
        elif isinstance(source, io.FileIO) and self._declared is not None and self._declared <= SMALL_FILE_BYTES:
            outputfile.write(source.read(self._declared))
        elif self._declared is not None and (start := place_in(source)) is not None:
            _send_part(source, range(start, start + self._declared), outputfile)
        else:
            shutil.copyfileobj(source, outputfile)


def _registered_type(extension: str) -> str | None:
    """What ``mimetypes`` has for an extension that stands for no coding, and for no other extension: in a fifth of the
    time that it takes to find that out itself."""
    if not mimetypes.inited or extension in mimetypes.suffix_map or extension in mimetypes.encodings_map:
        return None
    return mimetypes.types_map.get(extension)


def _allows_an_origin(line: bytes) -> bool:
    return line.lower().startswith(b"access-control-allow-origin:")


def _send_part(file: IO[bytes], part: range, outputfile: Writer) -> None:
    if len(part) > SMALL_FILE_BYTES:
        outputfile.send_file(file, part.start, len(part))
        return
    outputfile.write(read_at(file, part.start, len(part)))
