"""A request as a test sees it."""

from __future__ import annotations

import threading
import urllib.parse
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from io import BytesIO
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

from pytest_httpserve import elsewhere
from pytest_httpserve.errors import BodyAwaited, UsageError
from pytest_httpserve.scripting.live.waiting import StopEvent
from pytest_httpserve.scripting.record.readable import written_out
from pytest_httpserve.scripting.record.spool import Stored
from pytest_httpserve.wire.headers import Field, Headers
from pytest_httpserve.wire.target import target_of

if TYPE_CHECKING:
    from pytest_httpserve.net.connection import Connection
    from pytest_httpserve.scripting.record.multipart import UploadedFile

# A larger body goes to disk.
BODY_IN_MEMORY_BYTES = 1 << 20
# What a body on disk counts for where the size of all bodies is limited: a disk has more room than memory.
FILE_COUNTS_BYTES = 128 << 10
_READ_BYTES = 1 << 16
_asking = threading.Lock()  # held while a request makes its only event


MadeT = TypeVar("MadeT")


class Body:
    """The bytes of a body, however many, with at most a mebibyte of them in memory.

    They are read from the connection when somebody first asks for them. A directory never does; an application reads
    them from the connection itself.
    """

    __slots__ = ("__weakref__", "_file", "_lock", "_made", "_memory", "_read", "_size")

    def __init__(self, read: Callable[[int], bytes] | None = None) -> None:
        self._size = 0
        self._memory = b""
        self._file: Stored | None = None
        self._read = read
        self._lock = threading.Lock()
        self._made: dict[object, Any] | None = {}  # None: keep only the bytes

    def load(self) -> None:
        """Read all of it from the connection, unless that has been done."""
        if self._read is None:
            return
        with self._lock:
            if self._read is not None:
                try:
                    self._take(self._read)
                except BodyAwaited:  # nothing was read
                    raise
                except BaseException:
                    self._read = None
                    raise
                self._read = None

    @property
    def is_loaded(self) -> bool:
        """Whether the body has been read from the connection."""
        return self._read is None

    def leave(self) -> None:
        """Leave the body for somebody else to read from the connection. This body is then empty."""
        self._read = None

    @property
    def size(self) -> int:
        """How many bytes there are."""
        self.load()
        return self._size

    def _take(self, read: Callable[[int], bytes]) -> None:
        pieces: list[bytes] = []
        try:
            while piece := read(_READ_BYTES):
                self._size += len(piece)
                if self._file is None and self._size > BODY_IN_MEMORY_BYTES:
                    self._file = Stored()
                    self._file.write(b"".join(pieces))
                    pieces.clear()
                if self._file is None:
                    pieces.append(piece)
                else:
                    self._file.write(piece)
        finally:  # if the body broke off, what came of it stays readable
            self._memory = b"".join(pieces)
            if self._file is not None:
                self._file.end()

    def read(self) -> bytes:
        """The whole body."""
        self.load()
        if self._file is None:
            return self._memory
        return b"".join(iter(partial(self.reader(), _READ_BYTES), b""))

    def once(self, key: object, make: Callable[[], MadeT]) -> MadeT:
        """The result of ``make``, which nobody may change. It is made once per ``key`` while the exchange goes on."""
        made = self._made
        if made is None or not self.size:
            return make()
        if key not in made:
            made[key] = make()
        result: MadeT = made[key]
        return result

    @property
    def kept(self) -> int:
        """How many bytes it counts for where it is kept."""
        return len(self._memory) if self._file is None else FILE_COUNTS_BYTES

    def as_kept(self) -> bytes | Body:
        """Its bytes, or the body itself if they are in a file. It can no longer be read from the connection."""
        self._read = self._made = None
        return self._memory if self._file is None else self

    @classmethod
    def of(cls, kept: bytes | Body) -> Body:
        """The body that was kept."""
        if isinstance(kept, Body):
            return kept
        if not kept:
            return NO_BODY
        body = cls()
        body._memory, body._size = kept, len(kept)
        return body

    def reader(self) -> Callable[[int], bytes]:
        """A function that reads the body from its beginning, like ``read`` of a file. Others may read it meanwhile."""
        self.load()
        if self._file is None:
            return BytesIO(self._memory).read
        file, at = self._file, 0

        def read(size: int) -> bytes:
            nonlocal at
            piece = file.read_at(at, size)
            at += len(piece)
            return piece

        return read

    def close(self) -> None:
        """Delete what is on disk, if anything is. The body cannot be read any more."""
        if self._file is not None:
            self._file.close()


class GrowingBody(Body):
    """A body that one thread puts together piece by piece, until another thread ends it and reads it."""

    __slots__ = ("_is_over", "_pieces")

    def __init__(self) -> None:
        super().__init__()
        self._pieces: list[bytes] = []
        self._is_over = False

    def add(self, piece: bytes) -> None:
        """Add a piece, unless the body has ended."""
        with self._lock:
            if self._is_over:
                return
            self._size += len(piece)
            if self._file is None and self._size > BODY_IN_MEMORY_BYTES:
                self._file = Stored()
                self._file.write(b"".join(self._pieces))
                self._pieces.clear()
            if self._file is None:
                self._pieces.append(piece)
            else:
                self._file.write(piece)

    def end(self) -> None:
        """End the body: pieces that come later are ignored."""
        with self._lock:
            if self._is_over:
                return
            self._is_over = True
            self._memory = b"".join(self._pieces)
            if self._file is not None:
                self._file.end()


NO_BODY = Body()


_NO_FIELDS = Headers()

ValueT = TypeVar("ValueT")


class Values(Mapping[str, ValueT]):
    """Names and values, in order. A name may occur more than once; as a mapping, it gives the first value of each."""

    __slots__ = ("pairs",)

    def __init__(self, pairs: Iterable[tuple[str, ValueT]] = ()) -> None:
        self.pairs: tuple[tuple[str, ValueT], ...] = tuple(pairs)

    def __getitem__(self, name: str) -> ValueT:
        for key, value in self.pairs:
            if key == name:
                return value
        raise KeyError(name)

    def get_all(self, name: str) -> list[ValueT]:
        """Every value of ``name``, in order; empty if there is none."""
        return [value for key, value in self.pairs if key == name]

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(name for name, _ in self.pairs))

    def __len__(self) -> int:
        return len({name for name, _ in self.pairs})

    def __repr__(self) -> str:
        return f"Values({list(self.pairs)!r})"


# Not frozen, which would cost 0.7 microseconds per request. Nothing changes one all the same.
@dataclass(slots=True, eq=False)
class Request:
    """One request, with its ``target`` exactly as it was sent. It never changes.

    ``version`` is a pair such as ``(1, 1)``; ``client_address`` is ``(host, port)``; ``trailers`` are the fields after
    the body. ``connection_index`` counts the server's connections, ``exchange_index`` the requests on the connection,
    both from 0. ``path_params`` are the parameters of the route's path.
    """

    method: str
    target: str
    headers: Headers
    version: tuple[int, int]
    client_address: tuple[str, int]
    content: Body = field(default=NO_BODY, repr=False)
    trailers: Headers = _NO_FIELDS
    connection_index: int = 0
    exchange_index: int = 0
    path_params: Mapping[str, Any] = field(default_factory=dict)  # Python 3.11 takes no mappingproxy as default
    sought_as: str = field(default="", repr=False)
    _query: Values[str] | None = field(default=None, init=False, repr=False)
    # To save every request the cost, these two are set only when needed: its connection, and its event.
    carrier: Connection = field(init=False, repr=False)
    _stopped: StopEvent = field(init=False, repr=False)

    @property
    def sought(self) -> str:
        """The method to find a route by: a route for GET also answers HEAD, unless there is one for HEAD."""
        return self.sought_as or self.method

    @property
    def path(self) -> str:
        """The path, percent-decoded as UTF-8."""
        return target_of(self.target).decoded_path

    @property
    def query_string(self) -> str:
        """The part of the target after the question mark, as sent; empty if there is none."""
        return target_of(self.target).query or ""

    @property
    def body(self) -> bytes:
        """The body, without chunks or other framing."""
        return self.content.once("body", self.content.read)

    @property
    def decoded(self) -> bytes:
        """The body, decoded from gzip, deflate, br or zstd. Raises ValueError if it cannot be decoded."""
        codings = self.headers.get("content-encoding")
        if codings is None:
            return self.body
        from pytest_httpserve.scripting.record.coding import decoded

        return self.content.once(("decoded", codings), lambda: decoded(self.body, codings))

    @property
    def text(self) -> str:
        """The decoded body as UTF-8 text. Raises ValueError if it is not UTF-8."""
        return self.content.once("text", lambda: self.decoded.decode())

    @property
    def stopped(self) -> StopEvent:
        """An event that is set as soon as the server stops, for functions that answer requests and wait for something.

        Raises UsageError if no function was called with this request.
        """
        with _asking:
            if not hasattr(self, "carrier"):
                raise UsageError("stopped is for functions that answer requests; none was called with this one")
            if not hasattr(self, "_stopped"):
                self._stopped = StopEvent()
                self.carrier.tell_of_closing(self._stopped)
            return self._stopped

    @property
    def query(self) -> Values[str]:
        """The query's names and values, decoded as the URL standard says."""
        query = self._query
        if query is None:  # parsed once, however many routes look at it
            query = self._query = Values(_parse_pairs(self.query_string))
        return query

    @property
    def cookies(self) -> Values[str]:
        """The cookies (RFC 6265 section 4.2)."""
        pairs = (cookie.partition("=") for cookie in self.headers.get("cookie", "").split(";"))
        return Values((name.strip(), value.strip().strip('"')) for name, equals, value in pairs if equals)

    def json(self) -> Any:
        """The decoded body as JSON. Raises ValueError if it is not JSON.

        Every call parses it anew, so that the caller may change the result.
        """
        import json

        return json.loads(self.decoded)

    @property
    def form(self) -> Values[str]:
        """The fields of a form, urlencoded or multipart, without its files; empty for any other body.

        Raises ValueError if the body is not what its headers say.
        """
        return self.content.once(("form", self.headers.get("content-type")), self._form)

    def _form(self) -> Values[str]:
        if self._media_type == "application/x-www-form-urlencoded":
            return Values(_parse_pairs(self.decoded.decode(errors="replace")))
        return Values((part.name, part.content.decode(errors="replace")) for part in self._parts if not part.filename)

    @property
    def files(self) -> Values[UploadedFile]:
        """The files of a multipart form by field name; ``get_all`` returns all files of a field."""
        return self.content.once(("files", self.headers.get("content-type")), self._files)

    def _files(self) -> Values[UploadedFile]:
        return Values((part.name, part) for part in self._parts if part.filename)

    @property
    def _media_type(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def _parts(self) -> list[UploadedFile]:
        if self._media_type != "multipart/form-data":
            return []
        from pytest_httpserve.scripting.record.multipart import parse_multipart

        content_type = self.headers["content-type"]
        return self.content.once(("parts", content_type), lambda: parse_multipart(content_type, self.decoded))

    if not TYPE_CHECKING:  # type checkers should know only the real names

        def __getattr__(self, name: str) -> object:
            raise elsewhere.no_attribute(self, name, elsewhere.REQUEST)

    def __str__(self) -> str:
        return written_out(f"{self.method} {self.target}")  # a refused request may contain anything


# The facts of a request, as they are kept: method, target, header fields, version, path parameters.
Facts = tuple[str, str, tuple[Field, ...], tuple[int, int], tuple[tuple[str, Any], ...]]
# The facts, the client's address, the index of the connection, and the index of the request on it.
AskedFor = tuple[Facts, tuple[str, int], int, int]


def asked_for(request: Request) -> AskedFor:
    """A request without its body, as it is kept: values that the garbage collector does not look at."""
    parameters = tuple(request.path_params.items()) if request.path_params else ()
    facts = request.method, request.target, request.headers.fields, request.version, parameters
    return facts, request.client_address, request.connection_index, request.exchange_index


def made_request(asked: AskedFor, body: bytes | Body = b"", trailers: tuple[Field, ...] = ()) -> Request:
    """Make the request again from what was kept."""
    (method, target, fields, version, parameters), client_address, connection_index, exchange_index = asked
    return Request(
        method,
        target,
        Headers(fields),
        version,
        client_address,
        Body.of(body),
        Headers(trailers) if trailers else _NO_FIELDS,
        connection_index,
        exchange_index,
        MappingProxyType(dict(parameters)),
    )


def _parse_pairs(text: str) -> list[tuple[str, str]]:
    return urllib.parse.parse_qsl(text, keep_blank_values=True, encoding="utf-8", errors="replace")
