"""One connection: what leaves together and is seen at once, how a body is read and left, who keeps whom waiting."""

from __future__ import annotations

import io
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from pytest_httpserve.errors import RequestError
from pytest_httpserve.protocol.reader import DRAIN_BYTES, Reader
from pytest_httpserve.protocol.source import FileSource
from pytest_httpserve.server import BaseHTTPRequestHandler, HTTPServer, SimpleHTTPRequestHandler
from pytest_httpserve.wire import CHUNKED, NO_BODY, Framing

if TYPE_CHECKING:
    from tests.server.conftest import Client, Serve

    Connect = Callable[[HTTPServer], Client]

PATIENCE = 5.0
BIG = bytes(range(256)) * 32_768  # 8 MiB: more than the buffers between a server and its client hold


class Handler(BaseHTTPRequestHandler):
    """HTTP/1.1, a short deadline, and answers in one call."""

    protocol_version = "HTTP/1.1"
    timeout: ClassVar[float | None] = PATIENCE

    def answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        self.answer(b"hello")


# One segment


class Separate(Handler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"hello")


class Refusing(Handler):
    def do_GET(self) -> None:
        self.send_error(404, explain="hello")


class Static(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def translate_path(self, path: str) -> str:
        return str(Path(__file__).with_name("conftest.py"))


@pytest.mark.parametrize(
    ("handler", "end"), [(Separate, b"hello"), (Refusing, b"</html>\n"), (Static, b"event.set()\n")]
)
def test_a_head_and_the_body_behind_it_arrive_together(
    serve: Serve, connect: Connect, handler: type[BaseHTTPRequestHandler], end: bytes
) -> None:
    client = connect(serve(handler))
    client.send(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
    first = client.socket.recv(65_536)
    assert first.startswith(b"HTTP/1.1 ")
    assert first.endswith(end), f"the head came alone, in {len(first)} bytes"


def test_nagle_is_off(serve: Serve, connect: Connect) -> None:
    class Option(Handler):
        def do_GET(self) -> None:
            self.answer(b"%d" % self.connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))

    assert connect(serve(Option)).get().body != b"0"


# One request after another

# What a request says, and the next one on its connection does not.
SAYINGS = [
    b"GET /one?a=b HTTP/1.1\r\nHost: test\r\nX-Name: first\r\nX-First: yes\r\n\r\n",
    b"POST /two HTTP/1.1\r\nHost: test\r\nX-Name: second\r\nContent-Length: 3\r\n\r\nabc",
    b"GET /three HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    b"GET /four HTTP/1.1\r\nHost: other\r\n\r\n",
]
SEEN = [
    "GET /one?a=b HTTP/1.1|GET /one?a=b HTTP/1.1|Host=test X-Name=first X-First=yes|",
    "POST /two HTTP/1.1|POST /two HTTP/1.1|Host=test X-Name=second Content-Length=3|abc",
    "GET /three HTTP/1.0|GET /three HTTP/1.0|Connection=keep-alive|",
    "GET /four HTTP/1.1|GET /four HTTP/1.1|Host=other|",
]


class Telling(Handler):
    def do_GET(self) -> None:
        fields = " ".join(f"{name}={value}" for name, value in self.headers.items())
        body = self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode()
        said = f"{self.command} {self.path} {self.request_version}|{self.requestline}|{fields}|{body}"
        self.answer(said.encode())

    do_POST = do_GET


class TellingItself(Telling):
    """One whose code lasts as long as its connection, which then keeps its thread."""

    def handle(self) -> None:
        super().handle()


@pytest.mark.parametrize("handler", [Telling, TellingItself])
@pytest.mark.parametrize("together", [True, False])
def test_a_request_knows_nothing_of_the_one_before(
    serve: Serve, connect: Connect, handler: type[BaseHTTPRequestHandler], together: bool
) -> None:
    client = connect(serve(handler))
    if together:
        client.send(b"".join(SAYINGS))
    for saying, seen in zip(SAYINGS, SEEN, strict=True):
        if not together:
            client.send(saying)
        assert client.answer().body.decode() == seen


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_rfile_can_be_read_as_text(serve: Serve, connect: Connect, encoding: str) -> None:
    class Lines(Handler):
        def do_POST(self) -> None:
            text = io.TextIOWrapper(self.rfile, encoding=encoding)  # type: ignore[type-var]  # typeshed wants a raw
            lines = list(text)
            text.detach()
            self.answer(repr(lines).encode())

    client = connect(serve(Lines))
    body = "one\r\nzw\u00f6lf\nthree".encode(encoding)
    for _ in range(2):  # the file is still that of the connection
        client.send(b"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        assert client.answer().body.decode() == repr(["one\n", "zw\u00f6lf\n", "three"])


# Piece by piece


@pytest.mark.parametrize("length", ["Content-Length: 6", "Connection: close"])
@pytest.mark.parametrize("flush", [True, False])
def test_each_write_is_seen_before_the_next(
    serve: Serve, connect: Connect, gate: threading.Event, length: str, flush: bool
) -> None:
    class Pieces(Handler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header(*length.split(": "))
            self.end_headers()
            for piece in (b"one", b"two"):
                self.wfile.write(piece)
                if flush:
                    self.wfile.flush()
                assert gate.wait(PATIENCE)
                gate.clear()

    client = connect(serve(Pieces))
    client.send(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
    assert client.until(b"one").endswith(b"\r\n\r\none")
    gate.set()
    assert client.until(b"two") == b"two"
    gate.set()


@pytest.mark.parametrize("length", ["Content-Length: 3", "Connection: close"])
def test_a_head_is_seen_while_the_handler_still_makes_the_body(
    serve: Serve, connect: Connect, gate: threading.Event, length: str
) -> None:
    class Thoughtful(Handler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header(*length.split(": "))
            self.end_headers()
            assert gate.wait(PATIENCE)
            self.wfile.write(b"one")

    client = connect(serve(Thoughtful))
    client.send(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
    assert client.until(b"\r\n\r\n").startswith(b"HTTP/1.1 200 OK\r\n")
    gate.set()
    assert client.until(b"one") == b"one"


def test_a_buffered_wfile_is_sent_when_it_is_flushed(serve: Serve, connect: Connect, gate: threading.Event) -> None:
    class Buffered(Handler):
        wbufsize = 1 << 16

        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "6")
            self.end_headers()
            self.wfile.write(b"one")
            self.wfile.flush()
            assert gate.wait(PATIENCE)
            self.wfile.write(b"two")

    client = connect(serve(Buffered))
    client.send(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
    client.until(b"one")
    gate.set()
    assert client.until(b"two") == b"two"


def test_a_chat_over_one_exchange(serve: Serve, connect: Connect) -> None:
    """The handler answers each piece of the body before the next is sent."""

    class Echo(Handler):
        decodes_body = True

        def do_POST(self) -> None:
            self.send_response(200)
            self.send_header("Connection", "close")
            self.end_headers()
            while piece := self.rfile.read1(100):
                self.wfile.write(piece.upper())

    client = connect(serve(Echo))
    client.send(b"POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n")
    for word in (b"one", b"two", b"three"):
        client.send(b"%x\r\n%b\r\n" % (len(word), word))
        assert client.until(word.upper()).endswith(word.upper())
    client.send(b"0\r\n\r\n")
    assert client.rest() == b""


@pytest.mark.parametrize(
    "data", [bytearray(b"hello"), memoryview(b"hello"), memoryview(b"xhellox")[1:-1]], ids=["array", "view", "slice"]
)
def test_wfile_takes_any_bytes(serve: Serve, connect: Connect, data: Any) -> None:
    class Bytes(Handler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "5")
            self.end_headers()
            assert self.wfile.write(data) == 5

    client = connect(serve(Bytes))
    assert [client.get().body, client.get().body] == [b"hello", b"hello"]


def test_wfile_takes_no_text(serve: Serve, connect: Connect) -> None:
    class Text(Handler):
        def do_GET(self) -> None:
            text: Any = "hello"
            self.wfile.write(text)

    assert connect(serve(Text)).get().status == 500
    assert isinstance(serve.take_error(), TypeError)


# A body that is left


BODIES = {
    "fixed": b"Content-Length: 26\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n",
    "chunked": b"Transfer-Encoding: chunked\r\n\r\n1a\r\nGET /smuggled HTTP/1.1\r\n\r\n\r\n0\r\n\r\n",
    "chunked with trailers": b"Transfer-Encoding: chunked\r\n\r\n1;a=b\r\nG\r\n0\r\nX-Trailer: GET / HTTP/1.1\r\n\r\n",
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
@pytest.mark.parametrize("read", [0, 1, 5])
@pytest.mark.parametrize("rbufsize", [-1, 0])
def test_what_is_left_of_a_body_is_not_the_next_request(
    serve: Serve, connect: Connect, body: bytes, read: int, rbufsize: int
) -> None:
    paths: list[str] = []

    class Partly(Handler):
        def do_POST(self) -> None:
            paths.append(self.path)
            self.rfile.read(read)
            self.answer(b"posted")

        def do_GET(self) -> None:
            paths.append(self.path)
            self.answer(b"got")

    Partly.rbufsize = rbufsize
    client = connect(serve(Partly))
    client.send(b"POST /first HTTP/1.1\r\nHost: test\r\n" + body + b"GET /second HTTP/1.1\r\nHost: test\r\n\r\n")
    assert [client.answer().body, client.answer().body] == [b"posted", b"got"]
    assert paths == ["/first", "/second"]


def test_what_comes_of_a_body_after_the_answer_is_not_the_next_request(serve: Serve, connect: Connect) -> None:
    class Hasty(Handler):
        def do_POST(self) -> None:
            self.answer(b"posted")

    client = connect(serve(Hasty))
    client.send(b"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 40\r\n\r\n")
    assert client.answer().body == b"posted"
    client.send(b"GET /smuggled HTTP/1.1\r\nHost: test\r\n\r\n".ljust(40))
    assert client.get().body == b"hello"


def test_a_last_chunk_that_comes_after_the_answer_is_left_with_its_body(serve: Serve, connect: Connect) -> None:
    class Hasty(Handler):
        def do_POST(self) -> None:
            self.rfile.read(5)
            self.answer(b"posted")

    client = connect(serve(Hasty))
    client.send(b"POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
    assert client.answer().body == b"posted"
    client.send(b"0\r\n\r\n")
    assert client.get().body == b"hello"


def test_a_body_that_is_too_large_to_drop_ends_the_connection_behind_the_answer(serve: Serve, connect: Connect) -> None:
    class Hasty(Handler):
        def do_POST(self) -> None:
            self.answer(b"posted")

    client = connect(serve(Hasty))
    client.send(b"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 1000000000\r\n\r\n")
    assert client.answer().body == b"posted"
    client.send(bytes(DRAIN_BYTES + 100_000))
    assert client.rest() == b""


def test_a_large_body_that_nobody_reads_does_not_take_the_answer_away(serve: Serve, connect: Connect) -> None:
    """What is unread when a socket is closed resets the connection, and the reset overtakes the answer."""

    class Hasty(Handler):
        def do_POST(self) -> None:
            self.send_error(403)

    server = serve(Hasty)
    for _ in range(20):
        client = connect(server)
        client.send(b"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 1000000\r\n\r\n" + bytes(200_000))
        assert client.answer().status == 403
        client.end_sending()
        assert client.rest() == b""


def test_a_handler_that_fails_over_an_unread_body_is_still_answered_for(serve: Serve, connect: Connect) -> None:
    class Failing(Handler):
        def do_POST(self) -> None:
            raise LookupError

    server = serve(Failing)
    for _ in range(20):
        client = connect(server)
        client.send(b"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 1000000\r\n\r\n" + bytes(200_000))
        assert client.answer().status == 500
        client.end_sending()
        assert isinstance(serve.take_error(), LookupError)


def test_a_body_with_broken_chunks_that_nobody_reads_ends_the_connection(serve: Serve, connect: Connect) -> None:
    class Hasty(Handler):
        def do_POST(self) -> None:
            self.answer(b"posted")

    client = connect(serve(Hasty))
    client.send(b"POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n")
    assert client.answer().body == b"posted"
    client.send(b"hello, and no end of line\r\nGET / HTTP/1.1\r\nHost: test\r\n\r\n")
    client.end_sending()
    assert client.rest() == b""


# Reading a body


class Echo(Handler):
    def do_POST(self) -> None:
        self.answer(self.rfile.read())


@pytest.mark.parametrize("rbufsize", [-1, 0])
@pytest.mark.parametrize(
    ("framed", "body"),
    [
        (b"Content-Length: 5\r\n\r\nhello", b"hello"),
        (b"Content-Length: 0\r\n\r\n", b""),
        (b"\r\n", b""),
        (b"Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n\r\n", b"hello"),
        (b"Transfer-Encoding: chunked\r\n\r\n0\r\nX-Trailer: 1\r\n\r\n", b""),
    ],
)
def test_rfile_ends_where_the_body_ends(
    serve: Serve, connect: Connect, framed: bytes, body: bytes, rbufsize: int
) -> None:
    class Reading(Echo):
        decodes_body = True

    Reading.rbufsize = rbufsize
    client = connect(serve(Reading))
    request = b"POST / HTTP/1.1\r\nHost: test\r\n" + framed
    client.send(request * 2)
    assert [client.answer().body, client.answer().body] == [body, body]
    for octet in request:
        client.send(bytes([octet]))
    assert client.answer().body == body


CHUNKS = b"3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\nX-Trailer: 1\r\n\r\n"


@pytest.mark.parametrize("rbufsize", [-1, 0])
def test_rfile_gives_chunks_as_they_came_and_ends_with_the_last(serve: Serve, connect: Connect, rbufsize: int) -> None:
    """Handlers written for http.server decode them, for the headers say that they are there."""

    class Reading(Echo):
        pass

    Reading.rbufsize = rbufsize
    client = connect(serve(Reading))
    request = b"POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNKS
    client.send(request * 2)
    assert [client.answer().body, client.answer().body] == [CHUNKS, CHUNKS]
    for octet in request:
        client.send(bytes([octet]))
    assert client.answer().body == CHUNKS


def test_what_a_handler_that_decodes_chunks_leaves_of_them_is_no_request(serve: Serve, connect: Connect) -> None:
    class Decoding(Handler):
        def do_POST(self) -> None:
            body = b""
            while size := int(self.rfile.readline().partition(b";")[0], 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.answer(body)  # and leaves the trailer

    client = connect(serve(Decoding))
    client.send(b"POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNKS)
    assert client.answer().body == b"hello"
    client.send(b"POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNKS)
    assert client.answer().body == b"hello"


def test_a_large_body_goes_up_and_down(serve: Serve, connect: Connect) -> None:
    client = connect(serve(Echo))
    sending = threading.Thread(
        target=client.send, args=(b"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: %d\r\n\r\n" % len(BIG) + BIG,)
    )
    sending.start()
    assert client.answer().body == BIG
    sending.join(PATIENCE)


def test_trailers_are_kept(serve: Serve, connect: Connect) -> None:
    class Trailers(Handler):
        def do_POST(self) -> None:
            self.rfile.read()
            assert isinstance(self.rfile, Reader)
            self.answer(self.rfile.trailers["x-sum"].encode())

    client = connect(serve(Trailers))
    client.send(b"POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nX-Sum: 42\r\n\r\n")
    assert client.answer().body == b"42"


@pytest.mark.parametrize("broken", [b"5\r\nhello?", b"z\r\n", b"-1\r\n", b"5\nhello", b"1" * 5000])
def test_broken_chunks_that_a_handler_reads_are_answered_with_400(
    serve: Serve, connect: Connect, broken: bytes, gate: threading.Event
) -> None:
    class Late(Echo):
        def do_POST(self) -> None:
            assert gate.wait(PATIENCE)
            super().do_POST()

    client = connect(serve(Late))
    client.send(b"POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n")
    client.send(broken)
    gate.set()
    answer = client.answer()
    assert (answer.status, answer.headers["Connection"]) == (400, "close")
    assert client.rest() == b""


def test_broken_chunks_of_a_client_that_has_gone_disturb_nobody(
    serve: Serve, connect: Connect, gate: threading.Event
) -> None:
    running, ended = threading.Event(), threading.Event()

    class Late(Echo):
        def do_POST(self) -> None:
            running.set()
            assert gate.wait(PATIENCE)
            try:
                super().do_POST()
            finally:
                ended.set()

    client = connect(serve(Late))
    client.send(b"POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n")
    assert running.wait(PATIENCE)
    client.send(b"no chunk\r\n")
    client.vanish()
    gate.set()
    assert ended.wait(PATIENCE)


def reader_of(data: bytes, framing: Framing) -> Reader:
    """A Reader in the body of a request, with the next one behind it."""
    reader = Reader(FileSource(io.BytesIO(data + b"NEXT")))
    reader.begin_body(framing)
    return reader


LINES = b"one\ntwo\nthree"
FRAMED = pytest.mark.parametrize(
    ("data", "framing"),
    [
        (LINES, Framing("length", len(LINES))),
        (b"2\r\non\r\n3\r\ne\nt\r\n8\r\nwo\nthree\r\n0\r\n\r\n", CHUNKED),
    ],
    ids=["fixed", "chunked"],
)


@FRAMED
def test_a_reader_reads_as_files_do(data: bytes, framing: Framing) -> None:
    def reader() -> Reader:
        return reader_of(data, framing)

    assert reader().read() == reader().read(-1) == reader().read(None) == reader().read(1000) == LINES
    assert reader().readlines() == list(reader()) == LINES.splitlines(keepends=True)
    assert (reader().read(0), reader().readline(0), reader().read1(0)) == (b"", b"", b"")
    assert (reader().read(5), reader().readline(2)) == (b"one\nt", b"on")
    some = reader()
    assert (some.readline(), some.read(1), some.readline(), some.readline(), some.readline()) == (
        b"one\n",
        b"t",
        b"wo\n",
        b"three",
        b"",
    )
    into = bytearray(4)
    assert (reader().readinto(into), bytes(into)) == (4, b"one\n")
    peeked = reader()
    assert peeked.peek(1).startswith(b"o")
    assert peeked.read() == LINES
    assert (peeked.read(), peeked.read1(), peeked.readline(), peeked.peek()) == (b"", b"", b"", b"")


@FRAMED
def test_a_reader_goes_on_behind_the_body(data: bytes, framing: Framing) -> None:
    reader = reader_of(data, framing)
    reader.read(2)
    assert reader.end_body()
    assert reader.read() == b"NEXT"


def test_a_reader_leaves_a_body_only_once() -> None:
    reader = reader_of(b"", NO_BODY)
    assert (reader.end_body(), reader.end_body()) == (True, True)
    assert reader.read() == b"NEXT"


def test_a_reader_knows_that_its_body_was_cut() -> None:
    reader = Reader(FileSource(io.BytesIO(b"hel")))
    reader.begin_body(Framing("length", 5))
    assert reader.read() == b"hel"
    assert reader.truncated
    assert not reader.end_body()


def test_a_reader_raises_for_broken_chunks() -> None:
    reader = Reader(FileSource(io.BytesIO(b"x\r\n")))
    reader.begin_body(CHUNKED)
    with pytest.raises(RequestError, match="first line of a chunk"):
        reader.read()


# Deadlines. A short timeout is what is tested; nothing here measures how short.


class Impatient(Handler):
    timeout: ClassVar[float | None] = 0.1

    def do_POST(self) -> None:
        self.answer(self.rfile.read())


def test_a_client_that_says_nothing_is_left(serve: Serve, connect: Connect) -> None:
    assert connect(serve(Impatient)).rest() == b""


def test_a_client_that_says_nothing_more_is_left(serve: Serve, connect: Connect) -> None:
    client = connect(serve(Impatient))
    assert client.get().body == b"hello"
    assert client.rest() == b""


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize(
    "head", [b"G", b"GET / HTTP/1.1", b"GET / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nHo", b"GET / HTTP/1.1\r\nHost: a\r\n"]
)
def test_a_client_that_stops_in_its_head_is_told_so_and_left(
    serve: Serve, connect: Connect, head: bytes, strict: bool
) -> None:
    class Waiting(Impatient):
        pass

    Waiting.strict = strict
    client = connect(serve(Waiting))
    client.send(head)
    answer = client.answer()
    assert (answer.status, answer.headers["Connection"]) == (408, "close")
    client.end_sending()
    assert client.rest() == b""


def test_a_head_that_comes_a_byte_now_and_then_has_one_deadline(serve: Serve, connect: Connect) -> None:
    client = connect(serve(Impatient))
    stop = threading.Event()

    def trickle() -> None:
        try:
            client.send(b"GET / HTTP/1.1\r\nX: ")
            while not stop.wait(0.02):  # always within the timeout of one read
                client.send(b"x")
        except OSError:
            pass  # the server has had enough

    trickling = threading.Thread(target=trickle)
    trickling.start()
    try:
        assert client.answer().status == 408
    finally:
        stop.set()
        trickling.join(PATIENCE)


@pytest.mark.parametrize("framing", ["Content-Length: 100", "Transfer-Encoding: chunked"])
def test_a_client_that_stops_in_its_body_is_told_so_and_left(serve: Serve, connect: Connect, framing: str) -> None:
    client = connect(serve(Impatient))
    client.send(f"POST / HTTP/1.1\r\nHost: test\r\n{framing}\r\n\r\n5\r\nhello".encode())
    assert client.answer().status == 408
    client.end_sending()
    assert client.rest() == b""


def test_a_body_that_comes_a_byte_now_and_then_is_given_up(serve: Serve, connect: Connect) -> None:
    client = connect(serve(Impatient))
    stop = threading.Event()

    def trickle() -> None:
        try:
            client.send(b"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 1000000\r\n\r\n")
            while not stop.wait(0.02):
                client.send(b"x")
        except OSError:
            pass

    trickling = threading.Thread(target=trickle)
    trickling.start()
    try:
        assert client.answer().status == 408
    finally:
        stop.set()
        trickling.join(PATIENCE)


@pytest.mark.parametrize("how", ["write", "sendfile"])
def test_a_client_that_does_not_read_is_left(serve: Serve, connect: Connect, tmp_path: Path, how: str) -> None:
    over = threading.Event()
    (tmp_path / "big").write_bytes(BIG)

    class Large(SimpleHTTPRequestHandler):
        timeout: ClassVar[float | None] = 0.1

        def translate_path(self, path: str) -> str:
            return str(tmp_path / "big")

        def do_GET(self) -> None:
            if how == "sendfile":
                super().do_GET()
            while how == "write":
                self.wfile.write(BIG)

        def finish(self) -> None:
            super().finish()
            over.set()

    connect(serve(Large)).send(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
    assert over.wait(PATIENCE), "the handler still writes to a client that does not read"


def test_a_handler_that_takes_long_is_not_timed_out(serve: Serve, connect: Connect) -> None:
    class Slow(Impatient):
        def do_GET(self) -> None:
            threading.Event().wait(0.3)  # three times what a client would be given
            self.answer(b"at last")

    client = connect(serve(Slow))
    assert client.get().body == b"at last"
    assert client.get().body == b"at last"


# Timeouts that others have set


@pytest.mark.parametrize("where", ["default", "handler"])
def test_a_timeout_of_pythons_own_does_not_break_large_answers(
    serve: Serve, connect: Connect, tmp_path: Path, where: str
) -> None:
    (tmp_path / "big").write_bytes(BIG)

    class Large(SimpleHTTPRequestHandler):
        def translate_path(self, path: str) -> str:
            return str(tmp_path / "big")

        def do_GET(self) -> None:
            if where == "handler":
                self.connection.settimeout(PATIENCE)
            super().do_GET()

        def do_PUT(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(BIG)

    if where == "default":
        socket.setdefaulttimeout(PATIENCE)
    try:
        server = serve(Large)
        assert connect(server).get().body == BIG
        assert connect(server).request("PUT").body == BIG
    finally:
        socket.setdefaulttimeout(None)
