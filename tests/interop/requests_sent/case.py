"""One request or several, under a name by which docs/nginx.md can speak of them; and how to make one."""

from __future__ import annotations

from dataclasses import dataclass

LAST_MODIFIED = "Sun, 06 Nov 1994 08:49:37 GMT"
MODIFIED = 784_111_777  # the same in seconds
EARLIER, LATER = "Sat, 05 Nov 1994 08:49:37 GMT", "Mon, 07 Nov 1994 08:49:37 GMT"

# These stand for the server's own entity tag of letters.txt, with its quotes and without.
ETAG, BARE_ETAG = b"{etag}", b"{bare}"

CONTROLS = {
    "NUL": b"\0",
    "BEL": b"\a",
    "VT": b"\v",
    "FF": b"\f",
    "ESC": b"\x1b",
    "DEL": b"\x7f",
    "a bare CR": b"\r",
}

GET = b"GET /letters.txt HTTP/1.1"
HOST = b"Host: test"
CHUNKED = b"Transfer-Encoding: chunked"
IN_CHUNKS = b"5\r\nhello\r\n0\r\n\r\n"


@dataclass(frozen=True)
class Case:
    """What a client sends, and the methods of the requests in it; with ``ends``, it then ends its side."""

    name: str
    data: bytes
    methods: tuple[str, ...] = ("GET",)
    ends: bool = False

    def data_for(self, etag: bytes) -> bytes:
        """What is sent to a server with this entity tag."""
        return self.data.replace(ETAG, etag).replace(BARE_ETAG, etag.strip(b'"'))


def request(
    name: str, line: bytes, *fields: bytes, host: bytes | None = HOST, body: bytes = b"", method: str = "GET"
) -> Case:
    """A whole request."""
    lines = [line, *([] if host is None else [host]), *fields, b"", b""]
    return Case(name, b"\r\n".join(lines) + body, (method,))


def get(name: str, *fields: bytes, path: bytes = b"/letters.txt") -> Case:
    """A GET with these fields."""
    return request(name, b"GET %b HTTP/1.1" % path, *fields)


def shown(value: str) -> str:
    """A value as part of a name: printable, and not too long."""
    printable = value if value.isprintable() else value.encode("unicode_escape").decode("ascii")
    return (printable if len(printable) <= 30 else f"{printable[:30]}...") or "empty"
