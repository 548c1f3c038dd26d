"""Requests as a test sees them, and bodies of any size."""

import gc
import io
import os
import socket
import warnings
from collections.abc import Callable

import pytest

from pytest_httpserve import HTTPServe, Request
from pytest_httpserve.scripting.record.request import BODY_IN_MEMORY_BYTES, Body, GrowingBody
from pytest_httpserve.scripting.record.spool import Spool
from pytest_httpserve.wire.headers import Headers
from pytest_httpserve.wire.target import canonical_path, target_of

Say = Callable[[HTTPServe, str | bytes], bytes]


def request(target: str, body: bytes = b"") -> Request:
    return Request("GET", target, Headers(), (1, 1), ("127.0.0.1", 50000), Body(io.BytesIO(body).read))


# What a target says


@pytest.mark.parametrize(
    ("target", "path", "query_string"),
    [
        ("/", "/", ""),
        ("/a/b?c=d&e", "/a/b", "c=d&e"),
        ("/a?b?c", "/a", "b?c"),
        ("/caf%C3%A9%20au%20lait", "/café au lait", ""),
        ("/%FF", "/\ufffd", ""),
        ("/a+b?c+d", "/a+b", "c+d"),
        ("//two//slashes/", "//two//slashes/", ""),
        ("http://example.org/a%20b?c", "/a b", "c"),
        ("http://example.org", "/", ""),
        ("http://example.org?c", "/", "c"),
        ("/see/http://example.org/", "/see/http://example.org/", ""),
        ("/a?to=http://example.org/", "/a", "to=http://example.org/"),
        ("*", "*", ""),
    ],
)
def test_path_and_query_are_taken_from_the_target(target: str, path: str, query_string: str) -> None:
    seen = request(target)

    assert (seen.path, seen.query_string, seen.target) == (path, query_string, target)


def test_a_request_that_nobody_has_numbered_is_the_first() -> None:
    request = Request("GET", "/", Headers(), (1, 1), ("127.0.0.1", 50_000))

    assert (request.connection_index, request.exchange_index, request.path_params, request.body) == (0, 0, {}, b"")


def test_values_show_all_of_them() -> None:
    assert repr(request("/?a=1&b=2&a=3").query) == "Values([('a', '1'), ('b', '2'), ('a', '3')])"


def test_a_request_reads_as_its_method_and_target() -> None:
    assert str(request("/a?b")) == "GET /a?b"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("/a b", "/a%20b"),
        ("/a", "/%61"),
        ("/é", "/%c3%a9"),
        ("/%C3%A9", "/%c3%a9"),
        ("/~me", "/%7Eme"),
        ("/50%", "/50%25"),
        ("/a;b=c,d", "/a%3Bb%3Dc%2Cd"),
    ],
)
def test_spellings_of_one_path_are_the_same(one: str, other: str) -> None:
    assert canonical_path(one) == canonical_path(other)


@pytest.mark.parametrize(
    ("one", "other"), [("/a/b", "/a%2Fb"), ("/a", "/A"), ("/a", "/a/"), ("/a", "//a"), ("/a?", "/a%3F/"), ("/", "")]
)
def test_different_paths_stay_different(one: str, other: str) -> None:
    assert canonical_path(one) != canonical_path(other)


@pytest.mark.parametrize("path", ["/", "/a b", "/%2F%25%20", "/é/ü", "/%FF", "/a//b/"])
def test_one_spelling_is_enough(path: str) -> None:
    assert canonical_path(canonical_path(path)) == canonical_path(path)


def test_the_path_of_an_absolute_target_keeps_its_encoding() -> None:
    assert target_of("http://example.org/a%2Fb?c").path == "/a%2Fb"


# Bodies


def open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.parametrize("size", [0, 1, BODY_IN_MEMORY_BYTES, BODY_IN_MEMORY_BYTES + 1, 5 * BODY_IN_MEMORY_BYTES])
def test_a_body_of_any_size_is_read_whole_and_again(size: int) -> None:
    data = os.urandom(size)
    body = Body(io.BytesIO(data).read)

    assert body.size == size
    assert body.read() == data
    assert body.read() == data, "the second read differs from the first"


@pytest.mark.needs("/proc/self/fd")
def test_only_a_large_body_takes_a_file() -> None:
    before = open_descriptors()

    small = Body(io.BytesIO(bytes(BODY_IN_MEMORY_BYTES)).read)
    small.load()
    assert open_descriptors() == before, "a body of a mebibyte was put into a file"
    large = Body(io.BytesIO(bytes(BODY_IN_MEMORY_BYTES + 1)).read)
    large.load()
    assert open_descriptors() == before + 1, "a larger body is not in a file"
    more = [Body(io.BytesIO(bytes([index]) * (BODY_IN_MEMORY_BYTES + index)).read) for index in range(1, 30)]
    assert [body.read() for body in more] == [bytes([n]) * (BODY_IN_MEMORY_BYTES + n) for n in range(1, 30)]
    assert open_descriptors() == before + 1, "each larger body takes a descriptor"
    del small, large, more
    assert open_descriptors() == before, "the file outlives the bodies"


def test_a_large_body_that_is_forgotten_leaves_no_open_file_to_warn_of() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        body = Body(io.BytesIO(bytes(BODY_IN_MEMORY_BYTES + 1)).read)
        body.load()
        holder: list[object] = [body]
        holder.append(holder)  # only the garbage collector ends a cycle
        del body, holder
        gc.collect()

    assert not [str(one.message) for one in caught if one.category is ResourceWarning]


def test_reading_that_breaks_off_leaves_no_open_file_to_warn_of() -> None:
    source = io.BytesIO(bytes(3 * BODY_IN_MEMORY_BYTES))

    def read(size: int) -> bytes:
        return source.read(size) or pytest.fail("the client has gone")

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with pytest.raises(pytest.fail.Exception, match=r"^the client has gone"):
            Body(read).load()
        gc.collect()

    assert not [str(one.message) for one in caught if one.category is ResourceWarning]


# Over the wire


def test_a_fixed_body_is_seen(server: HTTPServe, say: Say) -> None:
    server.on("POST", "/a").respond()
    say(server, "POST /a HTTP/1.1\nHost: x\nConnection: close\nContent-Length: 5\n\nhello")

    (exchange,) = server.exchanges
    assert (exchange.request.body, exchange.request.text) == (b"hello", "hello")


def test_a_chunked_body_is_seen_whole_with_its_trailers(server: HTTPServe, say: Say) -> None:
    server.on("POST", "/a").respond()
    say(
        server,
        "POST /a HTTP/1.1\nHost: x\nConnection: close\nTransfer-Encoding: chunked\n\n"
        "5;note=first\nhello\n6\n world\n0\nX-Sum: 11\nX-Sum: eleven\n\n",
    )

    (exchange,) = server.exchanges
    assert exchange.request.body == b"hello world"
    assert exchange.request.trailers.get_all("x-sum") == ["11", "eleven"]


@pytest.mark.parametrize("framing", ["fixed", "chunked"])
def test_a_body_of_five_megabytes_is_seen(server: HTTPServe, say: Say, framing: str) -> None:
    server.on("PUT", "/big").respond(201)
    data = os.urandom(5_000_000)
    head = b"PUT /big HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
    if framing == "fixed":
        answer = say(server, head + b"Content-Length: %d\r\n\r\n" % len(data) + data)
    else:
        chunks = (data[start : start + 70_001] for start in range(0, len(data), 70_001))
        body = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
        answer = say(server, head + b"Transfer-Encoding: chunked\r\n\r\n" + body + b"0\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 201 ")
    (exchange,) = server.exchanges
    assert exchange.request.content.size == len(data)
    assert exchange.request.body == data


def test_a_body_that_breaks_off_is_refused_and_reaches_no_route(server: HTTPServe) -> None:
    route = server.on("POST", "/a").respond()
    with socket.create_connection((server.host, server.port), timeout=10) as client:
        client.sendall(b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhello")
        client.shutdown(socket.SHUT_WR)
        answer = client.makefile("rb").read()

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert route.calls == ()


def test_headers_keep_their_order_spelling_and_repetition(server: HTTPServe, say: Say) -> None:
    server.on("GET", "/a").respond()
    say(server, "GET /a HTTP/1.1\nhOST: x\nX-Two: b\nx-tWO: a\nConnection: close\n\n")

    (exchange,) = server.exchanges
    assert exchange.request.headers.fields == (("hOST", "x"), ("X-Two", "b"), ("x-tWO", "a"), ("Connection", "close"))
    assert exchange.request.headers["X-TWO"] == "b, a"


@pytest.mark.parametrize("minor", [0, 1])
def test_the_version_is_seen(server: HTTPServe, say: Say, minor: int) -> None:
    server.on("GET", "/a").respond()
    say(server, f"GET /a HTTP/1.{minor}\nHost: x\nConnection: close\n\n")

    (exchange,) = server.exchanges
    assert exchange.request.version == (1, minor)


@pytest.mark.parametrize("target", ["/a?b=c", "//a//b", "/%41%2f?%20", "http://example.org/a?b", "/a?"])
def test_the_target_is_seen_as_it_was_sent(server: HTTPServe, say: Say, target: str) -> None:
    say(server, f"GET {target} HTTP/1.1\nHost: example.org\nConnection: close\n\n")

    (exchange,) = server.exchanges
    assert exchange.request.target == target


def test_the_clients_address_is_seen(server: HTTPServe) -> None:
    server.on("GET", "/a").respond()
    with socket.create_connection((server.host, server.port), timeout=10) as client:
        client.sendall(b"GET /a HTTP/1.0\r\n\r\n")
        client.makefile("rb").read()
        address = client.getsockname()

    (exchange,) = server.exchanges
    assert exchange.request.client_address == address


@pytest.mark.parametrize("apart", [True, False])
def test_a_body_is_seen_whether_it_comes_with_its_head_or_after(server: HTTPServe, apart: bool) -> None:
    server.on("POST", "/a").respond()
    head = b"POST /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"
    with socket.create_connection((server.host, server.port), timeout=10) as client:
        if apart:
            client.sendall(head)
            assert client.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
            client.sendall(b"hello")
        else:
            client.sendall(head + b"hello")
        while client.recv(65536):
            pass

    (exchange,) = server.exchanges
    assert exchange.request.body == b"hello"


@pytest.mark.parametrize("framing", ["Content-Length: 0\n\n", "Transfer-Encoding: chunked\n\n0\nX-Sum: 0\n\n", "\n"])
def test_an_empty_body_is_empty(server: HTTPServe, say: Say, framing: str) -> None:
    server.on("POST", "/a").respond()
    say(server, f"POST /a HTTP/1.1\nHost: x\nConnection: close\n{framing}")

    (exchange,) = server.exchanges
    assert exchange.request.body == b""
    assert ("X-Sum" in exchange.request.trailers) == ("X-Sum" in framing)


@pytest.mark.parametrize("size", [0, 10, BODY_IN_MEMORY_BYTES, BODY_IN_MEMORY_BYTES + 10])
def test_several_may_read_a_body_at_the_same_time(size: int) -> None:
    content = bytes(range(256)) * (size // 256) + bytes(size % 256)
    body = Body(io.BytesIO(content).read)
    first, second = body.reader(), body.reader()
    pieces: list[list[bytes]] = [[], []]
    while piece := first(50_000):
        pieces[0].append(piece)
        pieces[1].append(second(30_000))
    while piece := second(30_000):
        pieces[1].append(piece)

    assert [b"".join(one) for one in pieces] == [content, content]
    assert body.read() == content


def test_room_on_disk_is_used_again_and_bodies_stay_what_they_are(empty_spool: Spool) -> None:
    def large(byte: int) -> Body:
        body = Body(io.BytesIO(bytes([byte]) * (2 * BODY_IN_MEMORY_BYTES + byte)).read)
        body.load()
        return body

    bodies = {byte: large(byte) for byte in range(1, 8)}
    most = empty_spool.used
    for byte in (2, 3, 5):
        del bodies[byte]
    bodies |= {byte: large(byte) for byte in (9, 10, 11)}
    assert empty_spool.used == most

    for byte, body in bodies.items():
        assert body.read() == bytes([byte]) * (2 * BODY_IN_MEMORY_BYTES + byte)
        read, size = body.reader(), 0
        while piece := read(100_001):
            assert set(piece) == {byte}
            size += len(piece)
        assert size == body.size
    bodies[1].close()
    bodies[1].close()
    with pytest.raises(ValueError, match="kept on disk and has been deleted"):
        bodies[1].read()
    del bodies, body, read
    assert empty_spool.used == 0


@pytest.mark.needs("os.fork")
@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")  # servers of other tests have threads
def test_a_fork_writes_bodies_to_a_file_of_its_own() -> None:
    body = Body(io.BytesIO(b"parent" * BODY_IN_MEMORY_BYTES).read)
    body.load()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            other = Body(io.BytesIO(b"child!" * BODY_IN_MEMORY_BYTES).read)
            status = 0 if other.read()[:6] == b"child!" and body.read()[:6] == b"parent" else 2
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)

    assert os.waitstatus_to_exitcode(status) == 0
    assert body.read() == b"parent" * BODY_IN_MEMORY_BYTES


@pytest.mark.parametrize("size", [1_000, 3_000_000])
def test_a_body_that_grows_has_what_came_until_it_ended(size: int) -> None:
    piece = os.urandom(size)
    body = GrowingBody()
    for _ in range(3):
        body.add(piece)
    body.end()
    body.add(piece)
    body.end()

    assert body.size == 3 * size
    assert body.read() == 3 * piece
