"""Answers a request for a file: finds the file, page or listing for the path, and sends it."""

from __future__ import annotations

import contextlib
import io
import os
import secrets
import shutil
import sys
from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import IO, TYPE_CHECKING, Any

from pytest_httpserve import clock
from pytest_httpserve.net.listening import EXHAUSTED
from pytest_httpserve.protocol.writer import Writer
from pytest_httpserve.server import running
from pytest_httpserve.server.base import add_fields
from pytest_httpserve.server.files.conditions import (
    CODINGS,
    RequestHeaders,
    accepted_codings,
    evaluate,
    matching_headers,
    unmodified_since,
    wanted_ranges,
)
from pytest_httpserve.server.files.listings import directory_page
from pytest_httpserve.server.files.opening import LeadsOut, OpenFile
from pytest_httpserve.server.files.paths import decoded_path, names_below, place_in, read_at
from pytest_httpserve.server.files.ranges import content_range, multipart
from pytest_httpserve.server.files.representations import Representation, representation
from pytest_httpserve.server.files.roots import Root
from pytest_httpserve.wire.headers import Field
from pytest_httpserve.wire.target import target_of

if TYPE_CHECKING:
    from pytest_httpserve.server.fronts import FilesFront, Front

# A file up to this size is sent in one write with its head; a larger one by sendfile.
SMALL_FILE_BYTES = 65_536
# Module names, since Python 3.11 takes as long to look up a member of an enumeration as for a call.
_FOUND = _OK, _PARTIAL = HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT
# Fields that http.server does not send for a file: if a subclass sends one of them, its own is kept.
_OURS = (b"etag:", b"accept-ranges:")


def answer(handler: FilesFront, root: Root, path: str, *, with_body: bool = True) -> None:
    """Answer with the file or the directory at ``path``: in full to GET, ``with_body=False`` to HEAD.

    A whole file is sent through ``copyfile``, which the handler may override.
    """
    running.hold_head(handler)
    found = _find(handler, root, path)
    if isinstance(found, OpenFile):
        _answer_with_file(handler, root, found, with_body=with_body)
    elif found is not None:
        with contextlib.closing(found):
            if with_body:
                handler.copyfile(found, handler.wfile)


def send_head(handler: FilesFront, root: Root, path: str) -> IO[bytes] | None:
    """Send the head of the answer, for a file with the same fields as ``http.server``.

    Returns a file to read the body from, which the caller closes; None if the whole answer has been sent.
    """
    file = _find(handler, root, path)
    if not isinstance(file, OpenFile):
        return file
    asked, status = request_headers(handler), file.status
    if asked.get("If-None-Match") is None and unmodified_since(asked, int(status.st_mtime)):
        file.close()
        _send_fields(handler, HTTPStatus.NOT_MODIFIED, (), {})
        return None
    fields = (
        ("Content-type", handler.guess_type(file.path)),
        ("Content-Length", str(status.st_size)),
        ("Last-Modified", handler.date_time_string(min(status.st_mtime, clock.now()))),
    )
    _send_fields(handler, _OK, fields, _own_fields(root, file.path))
    return io.BufferedReader(file)


def _find(handler: FilesFront, root: Root, path: str) -> OpenFile | IO[bytes] | None:
    """What to send: a file, or a listing whose head has been sent; None if the whole answer has been sent."""
    try:
        return root.open(path)
    except OSError as error:
        if error.errno in EXHAUSTED:  # which says nothing about the file
            raise
        refusal = type(error)
    if refusal is LeadsOut:
        said = "A symbolic link here leads out of the served directory"
        running.send_error(handler, HTTPStatus.FORBIDDEN, said)
        return None
    if refusal is not IsADirectoryError:
        found = root.fallback_for(path)
    elif not decoded_path(handler.path).endswith("/"):
        _redirect_to_slash(handler, root)
        return None
    else:
        try:
            found = root.index_page(path)
        except OSError:
            found = root.fallback_for(path)
        else:
            if found is None:
                return _send_listing(handler, root, path)
    if found is None:
        handler.send_error(HTTPStatus.NOT_FOUND, "File not found")
    return found


def send_listing(handler: FilesFront, root: Root, path: str | os.PathLike[str]) -> io.BytesIO | None:
    """Send the head of a listing of the directory ``path``. Returns the body, None after an error."""
    encoding = sys.getfilesystemencoding()
    try:
        body = running.run_long(handler, _page_of, handler.path, root, os.fspath(path), encoding)
    except OSError:
        handler.send_error(HTTPStatus.NOT_FOUND, "No permission to list directory")
        return None
    fields = (("Content-type", f"text/html; charset={encoding}"), ("Content-Length", str(len(body))))
    _send_fields(handler, HTTPStatus.OK, fields, _own_fields(root))
    return io.BytesIO(body)


def _page_of(target: str, root: Root, path: str, encoding: str) -> bytes:
    return directory_page(target, root.entries(path), encoding)


def send_options(handler: FilesFront, root: Root) -> None:
    """List the methods (RFC 9110 section 9.3.7) and, with ``cors``, who may use them."""
    handler.send_response(HTTPStatus.NO_CONTENT)
    handler.send_header("Allow", "GET, HEAD, OPTIONS")
    if root.options.cors:
        handler.send_header("Access-Control-Allow-Methods", "GET, HEAD, OPTIONS")
        asked = request_headers(handler).get("Access-Control-Request-Headers")
        handler.send_header("Access-Control-Allow-Headers", asked or "*")
        handler.send_header("Access-Control-Max-Age", "600")
    handler.end_headers()


def add_origin(handler: FilesFront, cors: bool | str) -> None:
    """With ``cors``, add the allowed origin to a response that does not name one itself."""
    if (running.stream_of(handler).status or 0) < 200 or _says(handler, b"access-control-allow-origin:"):
        return
    handler.send_header("Access-Control-Allow-Origin", cors if isinstance(cors, str) else "*")
    if isinstance(cors, str):
        handler.send_header("Vary", "Origin")


def step_back(handler: FilesFront) -> None:
    """Remove our fields from the head if a subclass has added its own after them."""
    for name in _OURS:
        said = [line for line in handler._headers_buffer if line.lower().startswith(name)]
        if len(said) > 1:
            handler._headers_buffer.remove(said[0])


def copy(handler: Front, source: Any, outputfile: Any) -> None:  # what send_head returned, and wfile
    """Copy ``source`` to ``outputfile``; from a file that may grow, no more than was announced."""
    length = running.stream_of(handler).length
    if isinstance(outputfile, Writer) and length is not None and (start := place_in(source)) is not None:
        _write_part(source, range(start, start + length), outputfile)
    else:
        shutil.copyfileobj(source, outputfile)


def request_headers(handler: FilesFront) -> RequestHeaders:
    """The headers, with repeated lines combined, or an override's own headers, which it may have changed."""
    own = handler.__dict__.get("headers")
    return running.stream_of(handler).fields.headers if own is None else _Others(own)


class _Others:
    """A handler's own headers, read in the way of ``http.server``: they may be any container of names."""

    def __init__(self, headers: Any) -> None:
        self._headers = headers

    def get(self, name: str) -> str | None:
        return self._headers[name] if name in self._headers else None  # noqa: SIM401  a list has no get


# A file


def _answer_with_file(handler: FilesFront, root: Root, file: OpenFile, *, with_body: bool) -> None:
    """Choose the representation, evaluate the conditions, then the range (RFC 9110 section 13.2.2)."""
    path = file.path
    try:
        own = _own_fields(root, path)
        media_type = own["content-type"][1] if "content-type" in own else handler.guess_type(path)
        coding = None
        if root.options.precompressed:
            file, coding = _encoded(handler, root, file, path)
        # RFC 9110 section 8.8.2.1: never later than the Date of the response.
        modified = handler.date_time_string(min(file.status.st_mtime, clock.now()))
        chosen = representation(file.status, modified, media_type, coding)
        parts = _send_representation(handler, chosen, own, with_ranges=with_body)
        if not with_body:
            return
        if parts is None:
            handler.copyfile(file, handler.wfile)
            return
        for part in parts:
            _write_part(file, part, handler.wfile)
    finally:
        file.close()


def _encoded(handler: FilesFront, root: Root, file: OpenFile, path: str) -> tuple[OpenFile, str]:
    """The precompressed copy of the file that the client prefers, and its coding; otherwise the file itself."""
    for coding in accepted_codings(request_headers(handler)):
        with contextlib.suppress(OSError):
            encoded = root.open(path + CODINGS[coding])
            file.close()
            return encoded, coding
    return file, ""


def _send_representation(
    handler: FilesFront, chosen: Representation, own: dict[str, Field], *, with_ranges: bool
) -> Sequence[bytes | range] | None:
    """Send the head. Returns the parts of the body, None for the whole file."""
    asked = request_headers(handler)
    verdict = evaluate(asked, chosen.validators, any_matches=handler.strict)
    if verdict is not None:
        if verdict == HTTPStatus.NOT_MODIFIED:
            _send_fields(handler, verdict, chosen.kept, own)
        else:
            handler.send_error(verdict)
        return ()
    pieces = wanted_ranges(asked, chosen.validators, chosen.size) if with_ranges else None
    if pieces is not None:
        return _send_ranges(handler, pieces, chosen, own)
    _send_fields(handler, _OK, chosen.whole, own)
    return None


def _send_ranges(
    handler: FilesFront, pieces: list[range], chosen: Representation, own: dict[str, Field]
) -> Sequence[bytes | range]:
    if not pieces:
        refusal = (("Content-Range", f"bytes */{chosen.size}"), ("Content-Length", "0"))
        _send_fields(handler, HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, refusal, own)
        return ()
    about = dict(chosen.about)
    body: Sequence[bytes | range] = pieces
    if len(pieces) == 1:
        about["Content-Range"] = content_range(pieces[0], chosen.size)
    else:
        boundary = secrets.token_hex(16)
        body = multipart(pieces, chosen.size, about["Content-type"], boundary)
        about["Content-type"] = f"multipart/byteranges; boundary={boundary}"
    about["Content-Length"] = str(sum(map(len, body)))
    # A type from the options is in the fields, or in each of the parts, by now.
    own = {name: field for name, field in own.items() if name != "content-type"}
    _send_fields(handler, _PARTIAL, tuple(about.items()), own)
    return body


# Directories


def _send_listing(handler: FilesFront, root: Root, path: str) -> io.BytesIO | None:
    if root.options.listing:
        return handler.list_directory(path)
    running.send_error(handler, HTTPStatus.FORBIDDEN, "The directory has no index page, and is not listed")
    return None


def _redirect_to_slash(handler: FilesFront, root: Root) -> None:
    target = target_of(handler.path)
    # A strict handler redirects only to this host: reduce leading slashes to one, and ignore the host of a whole URL.
    # http.server sends back what it was sent.
    path = "/" + target.path.lstrip("/") if handler.strict else handler.path.partition("#")[0].partition("?")[0]
    # To browsers, a backslash is a slash. A client keeps its own fragment.
    path = path.replace("\\", "%5C")
    location = ("Location", f"{path}/{target.query_with_mark}")
    _send_fields(handler, HTTPStatus.MOVED_PERMANENTLY, (location, ("Content-Length", "0")), _own_fields(root))


# Fields


def _own_fields(root: Root, path: str = "") -> dict[str, Field]:
    """The fields that the options add to the answer for ``path``, by their names in lower case."""
    own: dict[str, Field] = {}
    options = root.options
    if options.response_headers:
        own = {name.lower(): (name, value) for name, value in options.response_headers.items()}
    if options.headers_for and path:
        own |= matching_headers(options.headers_for, "/".join(names_below(root.directory, path)))
    return own


def _send_fields(handler: FilesFront, status: HTTPStatus, fields: tuple[Field, ...], own: dict[str, Field]) -> None:
    """Send a whole head: these fields, and those that the options add or replace (``own``)."""
    extra: Iterable[tuple[str, str]] = (handler.extra_response_headers or ()) if status in _FOUND else ()
    in_place_of_ours = False
    if own or extra:
        sent = {name.lower(): (name, value) for name, value in fields} | own
        added = [(name, value) for name, value in extra if name.lower() not in ("server", "date", *sent)]
        fields = tuple((name, str(value)) for name, value in (*sent.values(), *added))
        in_place_of_ours = "server" in sent or "date" in sent
    if in_place_of_ours:
        handler.log_request(status)
        handler.send_response_only(status)
    else:
        handler.send_response(status)
    add_fields(handler, fields)
    handler.end_headers()


def _says(handler: FilesFront, name: bytes) -> bool:
    return any(line.lower().startswith(name) for line in handler._headers_buffer)


def _write_part(file: IO[bytes], part: bytes | range, outputfile: Any) -> None:  # a Writer, or one with a buffer
    if isinstance(part, bytes):
        outputfile.write(part)
    elif isinstance(outputfile, Writer) and len(part) > SMALL_FILE_BYTES:
        outputfile.send_file(file, part.start, len(part))
    else:
        for start in range(part.start, part.stop, SMALL_FILE_BYTES):
            outputfile.write(read_at(file, start, min(SMALL_FILE_BYTES, part.stop - start)))
