"""Read the entries of a HAR 1.2 file, ours or one exported by a browser, Playwright or a proxy.

http://www.softwareishard.com/blog/har-12-spec/
"""

from __future__ import annotations

import json
import re
import urllib.parse
import zlib
from base64 import b64decode
from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

from pytest_httpserve.errors import UsageError
from pytest_httpserve.scripting.recordings.entry import Digest, Entry, charset_of, field_of
from pytest_httpserve.wire import grammar
from pytest_httpserve.wire.framing import HOP_BY_HOP
from pytest_httpserve.wire.headers import Field

Beside = Callable[[str], bytes | Path]  # finds a body in a separate file, by its name

# Each entry has exactly one. Inside a string, its quotes would be escaped.
_BEGINNING = re.compile(r'"startedDateTime"\s*:')
_FORM = "application/x-www-form-urlencoded"
# The first bytes of encoded bodies: most tools export bodies decoded, but some export them as they were sent.
_MAGIC = {"gzip": b"\x1f\x8b", "x-gzip": b"\x1f\x8b", "zstd": b"\x28\xb5\x2f\xfd"}
_WITHOUT_BODY = (204, 205, 304)


def read_har(path: Path) -> list[Entry]:
    """The entries of the file, in order, without those that no server has answered: blocked and broken requests,
    WebSockets, and data from no host.

    Raises UsageError if the file is not a HAR.
    """
    try:
        text, beside = text_of(path)
        entries = json.loads(text)["log"]["entries"]
        return [
            _entry(one, beside, line)
            for one, line in zip(entries, _lines(text, len(entries)), strict=True)
            if _is_answered(one)
        ]
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        wrong = f"it lacks {error}" if isinstance(error, KeyError) else str(error)
        raise UsageError(f"{path} is not a HAR file: {wrong}") from None


def text_of(path: Path) -> tuple[str, Beside]:
    """The JSON of a HAR, and a function that finds bodies in separate files. Raises OSError or ValueError."""
    data, beside = _unzipped(path) if path.suffix == ".zip" else (path.read_bytes(), partial(_beside, path.parent))
    return data.decode().removeprefix("\ufeff"), beside


def _unzipped(path: Path) -> tuple[bytes, Beside]:
    """The HAR in an archive, as Playwright makes them, and a function that finds the bodies there."""
    try:
        archive = ZipFile(BytesIO(path.read_bytes()))
    except BadZipFile:
        raise ValueError("it is not a zip file") from None
    har = next((name for name in archive.namelist() if name.endswith(".har")), None)
    if har is None:
        raise ValueError("the archive has no file with the suffix .har")
    return _member(archive, har), partial(_member, archive)


def _member(archive: ZipFile, name: str) -> bytes:
    """A file in an archive. Raises UsageError if it is not there, or cannot be unpacked."""
    try:
        return archive.read(name)
    except KeyError:
        raise UsageError(f"_file {name!r} is not in the archive") from None
    except (BadZipFile, RuntimeError, zlib.error, EOFError) as error:  # damaged, or encrypted
        raise UsageError(f"{name!r} in the archive cannot be read: {error}") from None


def _lines(text: str, count: int) -> Iterator[int]:
    """The lines on which the entries begin."""
    places = [found.start() for found in _BEGINNING.finditer(text)]
    if len(places) != count:
        places = [0] * count
    line, before = 1, 0
    for place in places:
        line += text.count("\n", before, place)
        before = place
        yield line


def _is_answered(entry: dict[str, Any]) -> bool:
    url: str = entry["request"]["url"]
    status: int = entry["response"]["status"]
    return url.startswith(("http://", "https://")) and 200 <= status <= 999


def _entry(entry: dict[str, Any], beside: Beside, line: int) -> Entry:
    request, response = entry["request"], entry["response"]
    content = response.get("content") or {}
    fields = _fields(response["headers"])
    body = _body(content, request["method"], response["status"], fields, beside)
    coding = content.get("_coding", "")
    if body is not None and not coding and not content.get("_coded"):
        fields = _without_coding(fields, body)
    timings = entry.get("timings") or {}
    return Entry(
        request["method"],
        request["url"].partition("#")[0],
        _fields(request["headers"]),
        _request_body(request.get("postData")),
        response["status"],
        _reason(response.get("statusText")),
        fields,
        body,
        coding,
        tuple((size, pause) for size, pause in content.get("_chunks", ())),
        max(timings.get("wait") or 0, 0),
        max(timings.get("receive") or 0, 0),
        entry.get("startedDateTime", ""),
        line,
    )


def _fields(headers: list[dict[str, str]]) -> tuple[Field, ...]:
    """Header fields without hop-by-hop fields, and without the pseudo-fields of HTTP/2, such as ``:status``.

    Chromium writes several fields with the same name as one value with line breaks.
    """
    fields: list[Field] = []
    for one in headers:
        name, value = one["name"], one["value"]
        if not _is_kept(name):
            continue
        if value.isascii() and value.isprintable():
            fields.append((name, value))
        else:
            fields += [(name, line) for line in _lines_of(value)]
    return tuple(fields)


@lru_cache(1024)
def _is_kept(name: str) -> bool:
    return grammar.TOKEN.fullmatch(name) is not None and name.lower() not in HOP_BY_HOP


def _lines_of(value: str) -> list[str]:
    """The lines of a value, changed so that they can be sent."""
    return [
        "".join(character for character in line.encode().decode("latin-1") if character >= " " or character == "\t")
        if not grammar.REASON.fullmatch(line)
        else line
        for line in map(str.strip, value.split("\n"))
    ]


def _without_coding(fields: tuple[Field, ...], body: bytes | Path) -> tuple[Field, ...]:
    """The fields without Content-Encoding if the body was exported decoded, as is usual."""
    coding = field_of(fields, "content-encoding").strip().lower()
    if not coding or (coding in _MAGIC and _begins(body, _MAGIC[coding])):
        return fields
    return tuple(field for field in fields if field[0].lower() != "content-encoding")


def _begins(body: bytes | Path, beginning: bytes) -> bool:
    if isinstance(body, bytes):
        return body.startswith(beginning)
    with open(body, "rb") as file:
        return file.read(len(beginning)) == beginning


def _body(
    content: dict[str, Any], method: str, status: int, fields: tuple[Field, ...], beside: Beside
) -> bytes | Path | None:
    if (name := content.get("_file")) is not None:
        return beside(name)
    text = content.get("text")
    if text is None:
        lacking = (content.get("size") or 0) > 0 and method != "HEAD" and status not in _WITHOUT_BODY
        return None if lacking else b""
    if content.get("encoding") == "base64":
        return b64decode(text)
    return _encoded(text, content.get("mimeType") or field_of(fields, "content-type"))


def _beside(folder: Path, name: str) -> Path:
    path = folder / name
    if "\0" in name or not path.resolve().is_relative_to(folder.resolve()) or not path.is_file():
        raise UsageError(f"_file {name!r} is not a file in {folder}")
    return path


def _encoded(text: str, content_type: str) -> bytes:
    try:
        return text.encode(charset_of(content_type))
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")


def _request_body(data: dict[str, Any] | None) -> bytes | Digest | None:
    if not data:
        return None
    if "_sha256" in data:
        return Digest(data["_sha256"], data["_size"])
    kind = data.get("mimeType") or ""
    if text := data.get("text"):
        if "base64" in (data.get("_encoding"), data.get("encoding")):
            return b64decode(text)
        return _encoded(text, kind)
    if (params := data.get("params")) and kind.startswith(_FORM):
        return urllib.parse.urlencode([(one["name"], one.get("value", "")) for one in params]).encode()
    return None


def _reason(text: str | None) -> str:
    return text if text and grammar.REASON.fullmatch(text) else ""
