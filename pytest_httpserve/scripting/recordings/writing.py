"""Write entries as a HAR 1.2 file that is easy to review: one line for each header, always in the same order."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import urllib.parse
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from pytest_httpserve.scripting.record.har import as_text, cookie, creator, pairs
from pytest_httpserve.scripting.record.placing import put_file
from pytest_httpserve.scripting.record.redaction import MASK
from pytest_httpserve.scripting.record.request import Body
from pytest_httpserve.scripting.recordings.entry import MOST_INLINE_BYTES, Digest, Entry, charset_of, field_of
from pytest_httpserve.wire.headers import Field

_PIECE_BYTES = 1 << 16
_BESIDE = re.compile(r"-[0-9a-f]{16}\.body")


def write_har(path: Path, entries: Sequence[Entry]) -> None:
    """Write the file, and separate files for large bodies, each of them atomically. Delete body files of an older
    version that are no longer needed. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    names: set[str] = set()
    document = {
        "log": {
            "version": "1.2",
            "creator": creator(),
            "entries": [_entry(entry, _Beside(path, names)) for entry in entries],
        }
    }
    text = json_lines(document) + "\n"
    put_file(path, lambda file: file.write(text.encode("utf-8", "surrogatepass")))
    for old in path.parent.glob(f"{_escaped(path.stem)}-*.body"):
        if _BESIDE.fullmatch(old.name.removeprefix(path.stem)) and old.name not in names:
            with contextlib.suppress(OSError):
                old.unlink()


def _escaped(name: str) -> str:
    return re.sub(r"([*?[])", r"[\1]", name)


class _Beside:
    """Writes the large bodies of a HAR to separate files, and adds their ``names``."""

    def __init__(self, path: Path, names: set[str]) -> None:
        self._path = path
        self._names = names

    def put(self, body: bytes | Body | Path) -> str:
        """Write a body to a file. Returns the name, which is the same for the same body."""
        digest = hashlib.sha256()
        for piece in pieces_of(body):
            digest.update(piece)
        name = f"{self._path.stem}-{digest.hexdigest()[:16]}.body"
        self._names.add(name)
        target = self._path.parent / name
        if not target.exists():
            put_file(target, lambda file: file.writelines(pieces_of(body)))
        return name


def pieces_of(body: bytes | Body | Path) -> Iterator[bytes]:
    """The pieces of a body that may be too large for memory."""
    if isinstance(body, bytes):
        yield body
        return
    if isinstance(body, Body):
        yield from iter(partial(body.reader(), _PIECE_BYTES), b"")
        return
    with open(body, "rb") as file:
        while piece := file.read(_PIECE_BYTES):
            yield piece


def _entry(entry: Entry, beside: _Beside) -> dict[str, Any]:
    timings = {"send": 0, "wait": round(entry.wait), "receive": round(entry.receive)}
    return {
        "startedDateTime": entry.started,
        "time": sum(timings.values()),
        "request": _request(entry),
        "response": _response(entry, beside),
        "cache": {},
        "timings": timings,
    }


def _request(entry: Entry) -> dict[str, Any]:
    fields = _sorted(entry.request_fields)
    query = urllib.parse.urlsplit(entry.url).query
    body = entry.request_body
    written = {
        "method": entry.method,
        "url": entry.url,
        "httpVersion": "HTTP/1.1",
        "cookies": pairs([(name, MASK) for name in _cookie_names(fields)]),
        "headers": pairs(fields),
        "queryString": pairs(urllib.parse.parse_qsl(query, keep_blank_values=True)),
        "headersSize": -1,
        "bodySize": 0 if body is None else body.size if isinstance(body, Digest) else len(body),
    }
    if body is not None:
        kind = field_of(fields, "content-type")
        written["postData"] = {"mimeType": kind, "params": [], **_request_text(body, kind)}
    return written


def _request_text(body: bytes | Digest, kind: str) -> dict[str, Any]:
    if isinstance(body, Digest):
        return {"text": "", "_sha256": body.sha256, "_size": body.size}
    return as_text(body, marked_as="_encoding", charset=charset_of(kind))


def _response(entry: Entry, beside: _Beside) -> dict[str, Any]:
    fields = _sorted(entry.fields)
    kind = field_of(fields, "content-type")
    size, content = _content(entry, kind, beside)
    return {
        "status": entry.status,
        "statusText": entry.reason,
        "httpVersion": "HTTP/1.1",
        "cookies": [cookie(value) for name, value in fields if name.lower() == "set-cookie"],
        "headers": pairs(fields),
        "content": {"size": size, "mimeType": kind, **content},
        "redirectURL": field_of(fields, "location"),
        "headersSize": -1,
        "bodySize": -1 if entry.coding else size,
    }


def _content(entry: Entry, kind: str, beside: _Beside) -> tuple[int, dict[str, Any]]:
    body = entry.body
    said: dict[str, Any] = {"_coding": entry.coding} if entry.coding else {}
    if not entry.coding and field_of(entry.fields, "content-encoding"):
        said["_coded"] = True
    if entry.chunks:
        said["_chunks"] = [list(chunk) for chunk in entry.chunks]
    if body is None:
        return -1, said
    if isinstance(body, Body) and body.size <= MOST_INLINE_BYTES:
        body = body.read()
    if isinstance(body, bytes) and len(body) <= MOST_INLINE_BYTES:
        return len(body), {**as_text(body, marked_as="encoding", charset=charset_of(kind)), **said}
    return size_of(body), {"_file": beside.put(body), **said}


def size_of(body: bytes | Body | Path) -> int:
    """The size of a body in bytes."""
    return len(body) if isinstance(body, bytes) else body.size if isinstance(body, Body) else body.stat().st_size


def _sorted(fields: Iterable[Field]) -> list[Field]:
    """Fields sorted by name. Those with the same name keep their order, which matters."""
    return sorted(fields, key=lambda field: field[0].lower())


def _cookie_names(fields: Iterable[Field]) -> list[str]:
    lines = [value for name, value in fields if name.lower() == "cookie"]
    return [one.partition("=")[0].strip() for line in lines for one in line.split(";") if "=" in one]


def json_lines(value: object, indent: str = "") -> str:
    """JSON for readers: small values, such as headers, are on one line each."""
    if isinstance(value, dict) and not _is_small(value):
        inner = indent + "  "
        members = (f"{inner}{_said(name)}: {json_lines(one, inner)}" for name, one in value.items())
        return "{\n" + ",\n".join(members) + f"\n{indent}}}"
    if isinstance(value, list) and any(isinstance(one, dict) for one in value):
        inner = indent + "  "
        return "[\n" + ",\n".join(f"{inner}{json_lines(one, inner)}" for one in value) + f"\n{indent}]"
    return _said(value)


_said = json.JSONEncoder(ensure_ascii=False).encode


def _is_small(value: dict[str, Any]) -> bool:
    """Whether it is a header or the like, or has only numbers."""
    return "name" in value or all(isinstance(one, int | float) for one in value.values())
