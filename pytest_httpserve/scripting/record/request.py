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

# A body up to here stays in memory; one that is larger goes to disk.
BODY_IN_MEMORY_BYTES = 1 << 20
# What that counts for with whoever keeps bodies up to a number of bytes: a disk has more room than memory, but not all.
FILE_COUNTS_BYTES = 128 << 10
_READ_BYTES = 1 << 16
_asking = threading.Lock()  # held by who asks for the event of a request, of which there is one


MadeT = TypeVar("MadeT")


class Body:
    """The bytes of a body, however many, with at most a mebibyte of them in memory.

    They are taken from the connection when somebody first asks for them: a directory never does, and an application
    takes them itself.
    """

    __slots__ = ("__weakref__", "_file", "_lock", "_made", "_memory", "_read", "_size")

    def __init__(self, read: Callable[[int], bytes] | None = None) -> None:
        self._size = 0
        self._memory = b""
        self._file: Stored | None = None
        self._read = read
        self._lock = threading.Lock()
        self._made: dict[object, Any] | None = {}  # None: nothing is to be kept of it but its bytes

    def load(self) -> None:
        """Take all of it from the connection, if that has not been done."""
        if self._read is None:
            return
        with self._lock:
            if self._read is not None:
                try:
                    self._take(self._read)
                except BodyAwaited:  # nothing of it was taken
                    raise
                except BaseException:
                    self._read = None
                    raise
                self._read = None

    @property
    def is_loaded(self) -> bool:
        """Whether the body is here, and no longer on the connection."""
        return self._read is None

    def leave(self) -> None:
        """Let somebody else take it from the connection: here, it is then empty."""
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
        finally:  # what came of a body that broke off can be looked at, too
            self._memory = b"".join(pieces)
            if self._file is not None:
                self._file.end()

    def read(self) -> bytes:
        """All of it."""
        self.load()
        if self._file is None:
            return self._memory
        return b"".join(iter(partial(self.reader(), _READ_BYTES), b""))

    def once(self, key: object, make: Callable[[], MadeT]) -> MadeT:
        """What ``make`` makes of it, which nobody changes: made once, however many look at it, while it is in hand."""
        made = self._made
        if made is None or not self.size:
            return make()
        if key not in made:
            made[key] = make()
        result: MadeT = made[key]
        return result

    @property
    def kept(self) -> int:
        """How many bytes it counts for with whoever keeps it."""
        return len(self._memory) if self._file is None else FILE_COUNTS_BYTES

    def as_kept(self) -> bytes | Body:
        """Its bytes, unless they are in a file. What nobody has taken from the connection by now nobody will."""
        self._read = self._made = None
        return self._memory if self._file is None else self

    @classmethod
    def of(cls, kept: bytes | Body) -> Body:
        """A body that was kept."""
        if isinstance(kept, Body):
            return kept
        if not kept:
            return NO_BODY
        body = cls()
        body._memory, body._size = kept, len(kept)
        return body

    def reader(self) -> Callable[[int], bytes]:
        """What reads it from its beginning, as ``read`` of a file does; others may read it meanwhile."""
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
        """Let go of what is on disk, if anything is: the body cannot be read any more."""
        if self._file is not None:
            self._file.close()


class GrowingBody(Body):
    """A body that is put together piece by piece, by one thread, until another ends it, and looks at it."""

    __slots__ = ("_is_over", "_pieces")

    def __init__(self) -> None:
        super().__init__()
        self._pieces: list[bytes] = []
        self._is_over = False

    def add(self, piece: bytes) -> None:
        """More of it, unless it has ended."""
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
        """That was all of it, even if more comes."""
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
    """Names with values, in order; a name may be there more than once. As a mapping, it has the first of each."""

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


# Not frozen: that would make each of them dearer by 0.7 microseconds. Nothing changes one all the same.
@dataclass(slots=True, eq=False)
class Request:
    """One request: ``target`` as it was sent, and what it says. It never changes.

    ``version`` is a pair as in ``(1, 1)``; ``client_address`` is ``(host, port)``; ``trailers`` are the fields after
    the body. ``connection_index`` counts the server's connections, ``exchange_index`` the requests on this one, both
    from 0. ``path_params`` are the parameters of the route's path.
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
    path_params: Mapping[str, Any] = field(default_factory=dict)  # Python 3.11 takes no mappingproxy as a default
    sought_as: str = field(default="", repr=False)
    _query: Values[str] | None = field(default=None, init=False, repr=False)
    # These two have no value at first, which would cost each request: what it came over, and the event, once asked for.
    carrier: Connection = field(init=False, repr=False)
    _stopped: StopEvent = field(init=False, repr=False)

    @property
    def sought(self) -> str:
        """The method that a route is sought for: HEAD is answered by a route for GET if it has none of its own."""
        return self.sought_as or self.method

    @property
    def path(self) -> str:
        """The path, percent-decoded as UTF-8."""
        return target_of(self.target).decoded_path

    @property
    def query_string(self) -> str:
        """What follows the question mark, as sent; empty if there is none."""
        return target_of(self.target).query or ""

    @property
    def body(self) -> bytes:
        """The body, with chunks and other framing taken off."""
        return self.content.once("body", self.content.read)

    @property
    def decoded(self) -> bytes:
        """The body without its Content-Encoding: gzip, deflate, br or zstd. Raises ValueError if it is not that."""
        codings = self.headers.get("content-encoding")
        if codings is None:
            return self.body
        from pytest_httpserve.scripting.record.coding import decoded

        return self.content.once(("decoded", codings), lambda: decoded(self.body, codings))

    @property
    def text(self) -> str:
        """The body, decoded, as UTF-8. Raises ValueError if it is not."""
        return self.content.once("text", lambda: self.decoded.decode())

    @property
    def stopped(self) -> StopEvent:
        """An event, set as soon as the server stops: for a function that answers, and waits for something.

        Raises UsageError for a request that no function has been called with.
        """
        with _asking:
            if not hasattr(self, "carrier"):
                raise UsageError("stopped is for the function that answers a request, and this one was given to none")
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
        """The body, decoded, as JSON. Raises ValueError if it is not.

        It is parsed each time, for what it returns is the caller's.
        """
        import json

        return json.loads(self.decoded)

    @property
    def form(self) -> Values[str]:
        """The fields of a form, urlencoded or multipart, but for its files; empty for any other body.

        Raises ValueError for a body that is not what its headers say.
        """
        return self.content.once(("form", self.headers.get("content-type")), self._form)

    def _form(self) -> Values[str]:
        if self._media_type == "application/x-www-form-urlencoded":
            return Values(_parse_pairs(self.decoded.decode(errors="replace")))
        return Values((part.name, part.content.decode(errors="replace")) for part in self._parts if not part.filename)

    @property
    def files(self) -> Values[UploadedFile]:
        """The files of a multipart form, by the names of their fields; ``get_all`` has those with the same name."""
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

    if not TYPE_CHECKING:  # a type checker is to know no names but those that there are

        def __getattr__(self, name: str) -> object:
            raise elsewhere.no_attribute(self, name, elsewhere.REQUEST)

    def __str__(self) -> str:
        return written_out(f"{self.method} {self.target}")  # one that was refused may have anything in it


# What a request says, as it is kept: method, target, header fields, version, parameters of the route's path.
Facts = tuple[str, str, tuple[Field, ...], tuple[int, int], tuple[tuple[str, Any], ...]]
# With it, who has sent it, over which connection, and as which request there.
AskedFor = tuple[Facts, tuple[str, int], int, int]


def asked_for(request: Request) -> AskedFor:
    """A request but for its body, as it is kept: values that the garbage collector does not look at."""
    parameters = tuple(request.path_params.items()) if request.path_params else ()
    facts = request.method, request.target, request.headers.fields, request.version, parameters
    return facts, request.client_address, request.connection_index, request.exchange_index


def made_request(asked: AskedFor, body: bytes | Body = b"", trailers: tuple[Field, ...] = ()) -> Request:
    """The request that was kept."""
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
