"""SimpleHTTPRequestHandler: the files beneath a directory, with validators, ranges and listings."""

from __future__ import annotations

import html
import io
import mimetypes
import os
import posixpath
import secrets
import shutil
import stat
import sys
import time
import urllib.parse
from http import HTTPStatus
from types import MappingProxyType
from typing import IO, TYPE_CHECKING, Any, ClassVar

from pytest_httpserve.server.base import BaseHTTPRequestHandler
from pytest_httpserve.server.connection import Writer
from pytest_httpserve.server.dates import parse_http_date
from pytest_httpserve.server.ranges import FileParts, content_range, multipart, parse_ranges, single_part
from pytest_httpserve.wire import grammar

if TYPE_CHECKING:
    from collections.abc import Mapping

# A file up to this size leaves in one write with its head; a larger one goes out by sendfile.
SMALL_FILE_BYTES = 65_536

_guess_mime_type = getattr(mimetypes, "guess_file_type", mimetypes.guess_type)  # the former from Python 3.13 on


class SimpleHTTPRequestHandler(BaseHTTPRequestHandler):
    """Serves the files beneath ``directory`` (default: the current one) to GET and HEAD.

    A directory is answered by the first of ``index_pages`` in it, else by a listing. Types come from
    ``extensions_map``, then from ``mimetypes``, else it is ``default_content_type``. Files have ``ETag`` and
    ``Last-Modified``; conditional requests (RFC 9110 section 13) and ranges (section 14) are answered.

    Nothing outside the directory is served. A symbolic link that leads out of it is refused with 403 unless
    ``follow_outside`` is set. Without ``listing``, a directory that has no index page is refused with 403.
    ``response_headers`` are sent with every file, listing and 304, in place of those of the same name.
    """

    server_version = "pytest-httpserve/0.1.0"
    index_pages: tuple[str, ...] | list[str] = ("index.html", "index.htm")
    default_content_type = "application/octet-stream"
    extensions_map: ClassVar[dict[str, str]] = {
        ".gz": "application/gzip",
        ".Z": "application/octet-stream",
        ".bz2": "application/x-bzip2",
        ".xz": "application/x-xz",
    }
    listing: bool = True
    follow_outside: bool = False
    response_headers: Mapping[str, str] = MappingProxyType({})

    directory: str

    # The arguments are those of socketserver's handlers, whatever they are.
    def __init__(self, *args: Any, directory: str | os.PathLike[str] | None = None, **kwargs: Any) -> None:
        self.directory = os.fspath(directory) if directory is not None else os.getcwd()
        super().__init__(*args, **kwargs)

    def do_GET(self) -> None:
        """Answer with the file, the listing, or an error."""
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

    # From the target to a file

    def send_head(self) -> IO[bytes] | FileParts | None:
        """Send the head of the answer.

        Returns what the body is to be read from, which the caller closes; None if the answer has been given whole.
        """
        path = self.translate_path(self.path)
        if self._leads_out(path):
            self.send_error(HTTPStatus.FORBIDDEN, explain="A symbolic link here leads out of the served directory.")
            return None
        if os.path.isdir(path):
            if not _path_of(self.path).endswith("/"):
                self._redirect_to_slash()
                return None
            index = self._index_page(path)
            if index is None:
                return self._send_listing(path)
            path = index
        file = self._open(path)
        if file is None:
            self.send_error(HTTPStatus.NOT_FOUND, "File not found")
            return None
        try:
            body = self._send_file_head(file, os.fstat(file.fileno()), self.guess_type(path))
        except BaseException:
            file.close()
            raise
        if body is None:
            file.close()
        return body

    def _index_page(self, directory: str) -> str | None:
        for name in self.index_pages:
            page = os.path.join(directory, name)
            if os.path.isfile(page) and not self._leads_out(page):
                return page
        return None

    def _open(self, path: str) -> IO[bytes] | None:
        """The regular file at ``path``; None if there is none that can be read."""
        # Some systems open "file/" as the file; as a URL it is another one.
        if path.endswith("/"):
            return None
        try:
            file = open(path, "rb", opener=_open_at_once)  # noqa: SIM115  send_head hands it on
        except (OSError, ValueError):
            return None
        if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            return file
        file.close()
        return None

    def translate_path(self, path: str) -> str:
        """The file that a URL's path stands for: decoded, normalised, and always beneath ``directory``."""
        path = _path_of(path)
        slash = path.rstrip().endswith("/")
        try:
            path = urllib.parse.unquote(path, errors="surrogatepass")
        except UnicodeDecodeError:
            path = urllib.parse.unquote(path)
        words = posixpath.normpath(path).split("/")
        # A word that the system would read as more than one name, a drive among them, stands for nothing here.
        names = [word for word in words if word not in ("", os.curdir, os.pardir) and not os.path.dirname(word)]
        file = self.directory
        for name in names:
            file = os.path.join(file, name)
        return file + "/" if slash else file

    def _leads_out(self, path: str) -> bool:
        """Whether a symbolic link on the way to ``path`` leaves the directory."""
        if self.follow_outside or not path.startswith(self.directory):
            return False  # the latter by a translate_path that serves other places on purpose
        step = self.directory
        for name in path[len(step) :].split("/"):
            step = os.path.join(step, name)
            if os.path.islink(step):
                root = os.path.realpath(self.directory)
                return not os.path.realpath(path).startswith(os.path.join(root, ""))
        return False

    def guess_type(self, path: str | os.PathLike[str]) -> str:
        """The media type of a file, by its name."""
        name = os.fspath(path)
        extension = posixpath.splitext(name)[1]
        for spelling in (extension, extension.lower()):
            if spelling in self.extensions_map:
                return self.extensions_map[spelling]
        guess, _ = _guess_mime_type(name)
        return guess or self.default_content_type

    # Answers

    def _send_file_head(
        self, file: IO[bytes], status: os.stat_result, content_type: str
    ) -> IO[bytes] | FileParts | None:
        """Evaluate the conditions in their order (RFC 9110 section 13.2.2), then the range."""
        etag = f'"{status.st_mtime_ns:x}-{status.st_size:x}"'
        modified = int(status.st_mtime)
        validators = {"Last-Modified": self.date_time_string(status.st_mtime), "ETag": etag}
        match self._evaluate_conditions(etag, modified):
            case HTTPStatus.NOT_MODIFIED:
                self._send_fields(HTTPStatus.NOT_MODIFIED, validators)
                return None
            case HTTPStatus.PRECONDITION_FAILED:
                self.send_error(HTTPStatus.PRECONDITION_FAILED)
                return None
        size = status.st_size
        pieces = self._wanted_ranges(size, etag, modified)
        if pieces is None:
            self._send_fields(
                HTTPStatus.OK,
                {"Content-Type": content_type, "Content-Length": str(size), **validators, "Accept-Ranges": "bytes"},
            )
            return file
        if not pieces:
            self._send_fields(
                HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
                {"Content-Range": f"bytes */{size}", "Content-Length": "0"},
            )
            return None
        if len(pieces) == 1:
            body = single_part(file, pieces[0])
            about = {"Content-Type": content_type, "Content-Range": content_range(pieces[0], size)}
        else:
            boundary = secrets.token_hex(16)
            body = multipart(file, pieces, size, content_type, boundary)
            about = {"Content-Type": f"multipart/byteranges; boundary={boundary}"}
        self._send_fields(HTTPStatus.PARTIAL_CONTENT, {**about, "Content-Length": str(len(body)), **validators})
        return body

    def _evaluate_conditions(self, etag: str, modified: int) -> HTTPStatus:
        headers = self.headers
        if (value := headers.get("If-Match")) is not None:
            if value.strip() != "*" and not _names_etag(value, etag, weak=False):
                return HTTPStatus.PRECONDITION_FAILED
        elif (value := headers.get("If-Unmodified-Since")) is not None:
            date = parse_http_date(value)
            if date is not None and modified > date:
                return HTTPStatus.PRECONDITION_FAILED
        if (value := headers.get("If-None-Match")) is not None:
            # http.server answers "*" with the file, and tests lean on it; by RFC 9110 it means 304.
            if self.strict if value.strip() == "*" else _names_etag(value, etag, weak=True):
                return HTTPStatus.NOT_MODIFIED
        elif (value := headers.get("If-Modified-Since")) is not None:
            date = parse_http_date(value)
            if date is not None and modified <= date:
                return HTTPStatus.NOT_MODIFIED
        return HTTPStatus.OK

    def _wanted_ranges(self, size: int, etag: str, modified: int) -> list[range] | None:
        value = self.headers.get("Range")
        if value is None or self.command != "GET":
            return None
        condition = self.headers.get("If-Range")
        if condition is not None:
            condition = condition.strip()
            # A weak tag never matches here, a date only exactly (RFC 9110 section 13.1.5).
            same = condition == etag if '"' in condition else parse_http_date(condition) == modified
            if not same:
                return None
        return parse_ranges(value, size)

    def _send_fields(self, status: HTTPStatus, fields: Mapping[str, str]) -> None:
        self.send_response(status)
        replaced = {name.lower() for name in self.response_headers}
        for name, value in fields.items():
            if name.lower() not in replaced:
                self.send_header(name, value)
        for name, value in self.response_headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _redirect_to_slash(self) -> None:
        # base has made one slash of several at the beginning: the answer stays on this host.
        path, mark, query = self.path.partition("?")
        self._send_fields(HTTPStatus.MOVED_PERMANENTLY, {"Location": f"{path}/{mark}{query}", "Content-Length": "0"})

    def _send_listing(self, path: str) -> io.BytesIO | None:
        if self.listing:
            return self.list_directory(path)
        self.send_error(HTTPStatus.FORBIDDEN, explain="The directory has no index page, and is not listed.")
        return None

    def list_directory(self, path: str | os.PathLike[str]) -> io.BytesIO | None:
        """Send the head of a listing of the directory ``path``; its body is returned, None after an error."""
        try:
            with os.scandir(path) as entries:
                rows = sorted(entries, key=lambda entry: (entry.name.lower(), entry.name))
        except OSError:
            self.send_error(HTTPStatus.NOT_FOUND, "No permission to list directory")
            return None
        encoding = sys.getfilesystemencoding()
        body = _listing_page(self.path, rows, encoding).encode(encoding, "surrogateescape")
        self._send_fields(
            HTTPStatus.OK,
            {"Content-Type": f"text/html; charset={encoding}", "Content-Length": str(len(body))},
        )
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
        elif isinstance(source, io.BufferedReader) and self._declared is not None:
            _send_part(source, range(source.tell(), self._declared), outputfile)
        else:
            shutil.copyfileobj(source, outputfile)


def _send_part(file: IO[bytes], part: range, outputfile: Writer) -> None:
    if len(part) > SMALL_FILE_BYTES:
        outputfile.send_file(file, part.start, len(part))
        return
    file.seek(part.start)
    outputfile.write(file.read(len(part)))


def _open_at_once(path: str, flags: int) -> int:
    # A FIFO would keep a blocking open waiting for its writer.
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _path_of(target: str) -> str:
    """The path in a target of any form, still encoded."""
    path = target.partition("?")[0].partition("#")[0]
    if absolute := grammar.ABSOLUTE_FORM.fullmatch(path):
        return absolute[3] or "/"
    return path


def _names_etag(value: str, etag: str, *, weak: bool) -> bool:
    """Whether a list of entity tags has this one (RFC 9110 section 8.8.3.2)."""
    for tag in value.split(","):
        tag = tag.strip()
        if tag == etag or (weak and tag == f"W/{etag}"):
            return True
    return False


def _listing_page(target: str, entries: list[os.DirEntry[str]], encoding: str) -> str:
    try:
        shown = urllib.parse.unquote(target, errors="surrogatepass")
    except UnicodeDecodeError:
        shown = urllib.parse.unquote(target)
    title = f"File listing for {html.escape(shown, quote=False)}"
    rows = "".join(map(_listing_row, entries))
    return (
        f'<!doctype html>\n<html lang="en">\n<meta charset="{encoding}">\n<title>{title}</title>\n'
        f"<h1>{title}</h1>\n<table>\n<tr><th>Name<th>Bytes<th>Modified (UTC)\n{rows}</table>\n</html>\n"
    )


def _listing_row(entry: os.DirEntry[str]) -> str:
    name = link = entry.name
    size = modified = ""
    try:
        status = entry.stat()
    except OSError:
        pass  # a dangling link, or gone meanwhile: it has a name, no more
    else:
        modified = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(status.st_mtime))
        if stat.S_ISDIR(status.st_mode):
            name = link = name + "/"
        else:
            size = str(status.st_size)
    if entry.is_symlink():
        name = entry.name + "@"
    address = urllib.parse.quote(link, errors="surrogatepass")
    if ":" in address.partition("/")[0]:
        address = "./" + address  # else "a:b" would be a URL with the scheme a (RFC 3986 section 4.2)
    return f'<tr><td><a href="{address}">{html.escape(name, quote=False)}</a><td>{size}<td>{modified}\n'
