"""The journal: exchanges and failures."""

import gc
import http.client
import math
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from pytest_httpserve import Exchange, HTTPServe, Request
from pytest_httpserve.faults import Reset
from pytest_httpserve.scripting.record.entries import Entry
from pytest_httpserve.scripting.record.exchange import ConnectionRecord
from pytest_httpserve.scripting.record.journal import MOST_FAILURES, FaultEvent, Journal
from pytest_httpserve.scripting.record.request import (
    BODY_IN_MEMORY_BYTES,
    FILE_COUNTS_BYTES,
    AskedFor,
    asked_for,
    made_request,
)
from pytest_httpserve.scripting.record.sent import SentResponse
from pytest_httpserve.scripting.record.spool import BLOCK_BYTES, Spool, Stored
from pytest_httpserve.scripting.record.transcript import KEPT_BYTES, Transcript
from pytest_httpserve.wire.headers import Headers


def exchange(target: str = "/a") -> Exchange:
    return Exchange(Request("GET", target, Headers(), (1, 1), ("127.0.0.1", 50000)), Transcript())


def test_an_exchange_reads_as_request_and_status() -> None:
    one = exchange("/a?b")
    assert repr(one) == "<Exchange GET /a?b -> no answer yet>"
    one.answer(SentResponse(204, b"HTTP/1.1 204 No Content\r\n\r\n"))
    assert repr(one) == "<Exchange GET /a?b -> 204>"


def test_an_answer_has_the_headers_that_went_out() -> None:
    answer = SentResponse(200, b"HTTP/1.1 200 OK\r\nX-A:  b: c \r\nSet-Cookie: a\r\nset-cookie: b\r\nX-Empty:\r\n\r\n")

    assert answer.headers["x-a"] == "b: c"
    assert answer.headers["X-Empty"] == ""
    assert answer.headers.get_all("Set-Cookie") == ["a", "b"]
    assert SentResponse(200, b"HTTP/1.1 200 OK\r\n\r\n").headers == {}


def test_failures_are_taken_once() -> None:
    journal = Journal()
    journal.record_failure("one")
    assert journal.take_failures() == ("one",)
    assert journal.take_failures() == ()
    journal.record_failure("two")
    assert journal.take_failures() == ("two",)
    assert journal.failures == ("one", "two")


def test_a_cleared_journal_is_empty_and_goes_on() -> None:
    journal = Journal()
    journal.record(exchange())
    journal.record_failure("one")
    journal.take_failures()
    journal.clear()
    assert (journal.exchanges, journal.failures, journal.take_failures()) == ((), (), ())

    journal.record_failure("two")
    assert journal.take_failures() == ("two",)


def test_what_was_asked_of_the_journal_does_not_change() -> None:
    journal = Journal()
    seen = journal.exchanges
    journal.record(exchange())

    assert seen == ()


# On a server


def test_an_exchange_is_there_as_soon_as_the_client_has_the_head(server: HTTPServe, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(100_000))
    server.serve_dir(tmp_path, at="/dir")
    server.on("GET", "/route").respond(text="a")
    server.on("GET", "/file").respond(file=tmp_path / "file")
    connection = http.client.HTTPConnection(server.host, server.port, timeout=10)
    for count in range(1, 101):
        path = ("/route", "/file", "/dir/file", "/dir/", "/nowhere")[count % 5]
        connection.request("GET", path)
        answer = connection.getresponse()
        seen = server.exchanges
        answer.read()
        assert len(seen) == count, f"the client has the head of {path}, its exchange is not in the journal"
        assert seen[-1].response is not None
        assert seen[-1].response.status == answer.status
        assert list(seen[-1].response.headers.fields) == answer.headers.items(), path
    connection.close()


def test_the_journal_has_every_header_that_was_sent(server: HTTPServe, tmp_path: Path) -> None:
    (tmp_path / "page.txt").write_text("a page")
    server.serve_dir(tmp_path, at="/dir")
    server.on("GET", "/route").respond(text="a")
    server.on("GET", "/file").respond(file=tmp_path / "page.txt")
    for path in ("/route", "/file", "/dir/page.txt", "/dir/", "/dir/missing", "/nowhere"):
        # HTTP/1.0 and Connection: close add headers of the last moment.
        answer = requests.get(server.url_for(path), headers={"Connection": "close"}, timeout=10)
        response = server.exchanges[-1].response
        assert response is not None
        assert dict(response.headers) == dict(answer.headers), path
        assert response.headers["Connection"] == "close"


def test_each_exchange_is_recorded_once(server: HTTPServe, tmp_path: Path) -> None:
    (tmp_path / "page.txt").write_text("a page")
    server.serve_dir(tmp_path, at="/dir")
    for path in ("/dir/page.txt", "/dir", "/dir/missing", "/nowhere"):
        requests.get(server.url_for(path), timeout=10, allow_redirects=False)
    requests.post(server.url_for("/dir/page.txt"), timeout=10)

    assert [str(one) for one in server.exchanges] == [
        "<Exchange GET /dir/page.txt -> 200>",
        "<Exchange GET /dir -> 301>",
        "<Exchange GET /dir/missing -> 404>",
        "<Exchange GET /nowhere -> 404>",
        "<Exchange POST /dir/page.txt -> 405>",
    ]


# What breaks off


def wait_until_over(server: HTTPServe, count: int = 1) -> Exchange:
    """The last of ``count`` exchanges, once no thread works on it."""
    assert server._script.journal.wait(lambda: len(server.exchanges) >= count, 10)  # refused ones, too
    server.stop()
    return server.exchanges[-1]


def reset(client: socket.socket) -> None:
    """End the connection by a reset."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


def test_the_times_of_an_exchange_that_is_in_hand() -> None:
    raw = Transcript()
    raw.first_received, raw.head_received, raw.last_received = 1.0, 2.0, 3.0
    exchange = Exchange(Request("GET", "/", Headers(), (1, 1), ("127.0.0.1", 50_000)), raw)

    assert exchange.times == (1.0, 2.0, 3.0, None, None)
    assert exchange.number == 0, "it is in no journal yet"


def test_a_journal_is_bounded_as_the_documentation_says() -> None:
    server = HTTPServe()

    assert (server._script.journal.max_exchanges, server._script.journal.max_bytes) == (10_000, 32 * 1024 * 1024)


@pytest.mark.parametrize(
    ("sent", "read_as", "error"),
    [
        (b"GET /a b HTTP/1.1\r\nHost: x\r\n\r\n", "GET /a", "request line"),
        (b"GET /a HTTP/1.1\r\n\r\n", "GET /a", "Host"),
        (b"GET /a HTTP/1.1\r\nHost x\r\n\r\n", "GET /a", ""),
        (b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", "\\x16\\x03\\x01\\x02\\x00\\x01\\x00 ", ""),
        (
            b"GET /a HTTP/1.1\r\nHost: x\r\nX-",
            "GET /a",
            "within the head: 28 bytes of its head came",
        ),
        (
            b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhel",
            "POST /a",
            "within the body: 3 of 9 bytes of its body came",
        ),
        (b"POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\nx", "POST /a", ""),
    ],
)
def test_an_exchange_that_is_no_whole_request_is_recorded(
    server: HTTPServe, sent: bytes, read_as: str, error: str
) -> None:
    with socket.create_connection((server.host, server.port), timeout=10) as client:
        client.sendall(sent)
        client.shutdown(socket.SHUT_WR)
        answer = client.makefile("rb").read()

    exchange = wait_until_over(server)
    assert len(server.exchanges) == 1
    assert str(exchange.request) == read_as
    assert exchange.error, "nothing is said of what was wrong"
    assert error in exchange.error
    assert (exchange.raw.request, exchange.raw.response) == (sent, answer)
    assert exchange.status == 400
    assert exchange.refused
    [failure] = server.failures
    assert failure.startswith(f"refused {'a request' if sent[0] < 32 else read_as}: {exchange.error}\n")


def test_what_came_of_a_body_that_broke_off_can_be_looked_at(server: HTTPServe) -> None:
    with socket.create_connection((server.host, server.port), timeout=10) as client:
        client.sendall(b"POST /a HTTP/1.1\r\nHost: x\r\nX-A: b\r\nContent-Length: 9\r\n\r\nhel")
        client.shutdown(socket.SHUT_WR)
        client.makefile("rb").read()

    request = wait_until_over(server).request
    assert (request.headers["x-a"], request.body) == ("b", b"hel")


@pytest.mark.parametrize(
    "sent",
    [
        b"GET",
        b"GET /a HTTP/1.1\r\nHost: x\r\n",
        b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\nhel",
    ],
)
def test_an_exchange_that_the_client_reset_is_recorded(server: HTTPServe, sent: bytes) -> None:
    server.on("*", "*").respond()
    client = socket.create_connection((server.host, server.port), timeout=10)
    client.sendall(sent)
    if b"Expect" in sent:
        assert client.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
    reset(client)

    exchange = wait_until_over(server)
    assert exchange.error is not None
    assert exchange.error.startswith("the client has gone: ")
    assert exchange.response is None
    assert exchange.request.method == sent.split()[0].decode()
    assert exchange.raw.request == sent
    assert exchange.refused
    assert server.failures == ()


def test_a_client_that_leaves_in_the_middle_of_a_stream_is_recorded(server: HTTPServe) -> None:
    gone = threading.Event()

    @server.on("GET", "/a")
    def pieces(request: Request) -> Iterator[bytes]:
        yield b"first"
        assert gone.wait(10)
        while True:
            yield bytes(100_000)

    client = socket.create_connection((server.host, server.port), timeout=10)
    client.sendall(b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n")
    assert client.recv(65536).startswith(b"HTTP/1.1 200 ")
    reset(client)
    gone.set()

    exchange = wait_until_over(server)
    assert exchange.status == 200
    assert exchange.error is not None
    assert exchange.error.startswith("the client has gone: ")
    assert server.failures == (), "a client that leaves is no failure of the server"


def test_an_answer_whose_client_has_gone_is_recorded_with_that(server: HTTPServe) -> None:
    gate = server.on("GET", "/a").respond(text="well").hold()
    client = socket.create_connection((server.host, server.port), timeout=10)
    client.sendall(b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n")
    gate.arrived(10)
    reset(client)
    gate.release()

    exchange = wait_until_over(server)
    assert exchange.status == 200, "what it was given"
    assert exchange.error is not None, "and why that has not arrived"
    assert exchange.error.startswith("the client has gone: ")


def test_an_idle_connection_that_ends_is_no_exchange(server: HTTPServe) -> None:
    server.on("GET", "/a").respond()
    client = socket.create_connection((server.host, server.port), timeout=10)
    client.sendall(b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n")
    assert client.recv(65536).startswith(b"HTTP/1.1 200 ")
    reset(client)
    socket.create_connection((server.host, server.port), timeout=10).close()
    server.stop()

    (exchange,) = server.exchanges
    assert exchange.error is None


# Raw bytes


def test_each_of_several_requests_on_a_connection_has_its_own_bytes(server: HTTPServe) -> None:
    server.on("POST", "/a").respond(text="well")
    requests_sent = [
        b"POST /a?%d HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n%03d" % (number, number) for number in range(3)
    ]
    with socket.create_connection((server.host, server.port), timeout=10) as client:
        answers = []
        for sent in requests_sent:
            client.sendall(sent)
            answer = b""
            while not answer.endswith(b"well"):
                answer += client.recv(65536)
            answers.append(answer)
    server.stop()

    assert [one.raw.request for one in server.exchanges] == requests_sent
    assert [one.raw.response for one in server.exchanges] == answers


@pytest.mark.parametrize("size", [3, 300, KEPT_BYTES, 100_000])
@pytest.mark.parametrize("framing", ["fixed", "chunked"])
def test_each_of_several_pipelined_requests_has_its_own_bytes(
    server: HTTPServe, say: Callable[[HTTPServe, str | bytes], bytes], size: int, framing: str
) -> None:
    server.on("*", "*").respond(text="well")
    if framing == "fixed":
        first = b"POST /1 HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b" % (size, b"b" * size)
    else:
        first = b"POST /1 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (
            size,
            b"b" * size,
        )
    sent = [first, b"GET /2 HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /3 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"]
    answer = say(server, b"".join(sent))
    server.stop()

    kept = [one.raw.request for one in server.exchanges]
    assert kept == [one[:KEPT_BYTES] for one in sent]
    assert [one.raw.dropped_received for one in server.exchanges] == [max(len(one) - KEPT_BYTES, 0) for one in sent]
    assert b"".join(one.raw.response for one in server.exchanges) == answer


def test_what_is_not_kept_is_counted(server: HTTPServe, say: Callable[[HTTPServe, str | bytes], bytes]) -> None:
    server.on("GET", "/a").respond(body=bytes(200_000))
    answer = say(server, "GET /a HTTP/1.1\nHost: x\nConnection: close\n\n")
    server.stop()

    raw = server.exchanges[0].raw
    assert raw.response == answer[:KEPT_BYTES]
    assert raw.dropped_sent == len(answer) - KEPT_BYTES


def test_a_file_that_was_sent_is_counted(server: HTTPServe, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(100_000))
    server.on("GET", "/a").respond(file=tmp_path / "file")
    requests.get(server.url_for("/a"), headers={"Connection": "close"}, timeout=10)
    server.stop()

    raw = server.exchanges[0].raw
    assert raw.response.startswith(b"HTTP/1.1 200 OK\r\n")
    assert len(raw.response) + raw.dropped_sent == 100_000 + raw.response.index(b"\r\n\r\n") + 4


# Bounds


def ask(server: HTTPServe, count: int, path: str = "/a", body: bytes = b"") -> None:
    """So many requests over one connection."""
    with requests.Session() as session:
        for number in range(count):
            session.post(server.url_for(f"{path}?{number}"), data=body, timeout=10)


def queries(exchanges: Iterable[Exchange]) -> list[str]:
    return [one.request.query_string for one in exchanges]


def test_the_oldest_are_dropped_when_there_are_too_many() -> None:
    with HTTPServe(max_exchanges=5) as server:
        route = server.on("POST", "/a").respond()
        ask(server, 8)

        assert queries(server.exchanges) == ["3", "4", "5", "6", "7"]
        assert server.exchanges == route.calls == server.connections[0].exchanges
        assert server.dropped_exchanges == 3
        assert route.call_count == server.connections[0].exchange_count == 8
        assert repr(server) == f"<HTTPServe {server.base_url}, 3 older exchanges dropped>"


def test_the_oldest_are_dropped_when_they_have_too_many_bytes() -> None:
    with HTTPServe(max_journal_bytes=10_000) as server:
        server.on("POST", "/a").respond()
        ask(server, 20, body=bytes(1000))

    kept = server.exchanges
    size = 2 * 1000 + sum(len(data) for data in (kept[-1].raw.request[:-1000], kept[-1].raw.response))
    assert len(kept) == 10_000 // size
    assert queries(kept) == [str(number) for number in range(20 - len(kept), 20)]
    assert server.dropped_exchanges == 20 - len(kept)
    assert all(one.request.body == bytes(1000) and one.raw.size > 1000 for one in kept)


def test_what_is_dropped_is_counted_for_the_connection() -> None:
    with HTTPServe(max_exchanges=1) as server:
        server.on("POST", "/a").respond()
        ask(server, 10, body=bytes(1000))

    (record,) = server.connections
    (exchange,) = record.exchanges
    assert record.reused
    assert record.bytes_received == 10 * exchange.raw.bytes_received
    assert record.bytes_sent == 10 * exchange.raw.bytes_sent
    assert repr(record).startswith("<ConnectionRecord 0, 10 exchanges, ")


def test_an_exchange_that_goes_on_is_not_dropped() -> None:
    leave = threading.Event()
    with HTTPServe(max_exchanges=3) as server:
        server.on("POST", "/a").respond()
        server.on("GET", "/slow").handle(lambda request: str(leave.wait(10)))
        with ThreadPoolExecutor() as pool:
            slow = pool.submit(requests.get, server.url_for("/slow"), timeout=20)
            (first,) = server.wait_for("GET", "/slow", timeout=10)
            ask(server, 10)
            assert [one.request.path for one in server.exchanges] == ["/slow", "/a", "/a"]
            leave.set()
            assert slow.result(20).text == "True"

    assert server.exchanges[0] is first
    assert first.status == 200


def test_the_newest_stays_whatever_it_takes() -> None:
    with HTTPServe(max_journal_bytes=0) as server:
        server.on("POST", "/a").respond()
        ask(server, 3)

    assert queries(server.exchanges) == ["2"]
    assert server.exchanges[0].raw.size > 0


def test_a_request_counts_as_it_came_and_as_what_it_says() -> None:
    """Of long targets and fields, the journal had twice the bytes that it was allowed."""
    with HTTPServe(max_journal_bytes=100_000) as server:
        server.on("GET", "/a").respond()
        for _ in range(8):
            requests.get(server.url_for("/a?" + "q" * 10_000), headers={"X": "x" * 10_000}, timeout=10)

    assert len(server.exchanges) == 2


def test_bodies_count_as_they_are_kept() -> None:
    """Those in memory with their bytes, those in files by the files, of which no process may have many."""
    for size, kept in ((700_000, 1), (BODY_IN_MEMORY_BYTES + 1, 1_000_000 // (FILE_COUNTS_BYTES + KEPT_BYTES + 200))):
        with HTTPServe(max_journal_bytes=1_000_000) as server:
            server.on("POST", "/a").respond()
            ask(server, 8, body=bytes(size))

        assert len(server.exchanges) == kept
        assert len(server.exchanges[-1].request.body) == size


def test_bodies_on_disk_go_when_their_exchanges_are_dropped(empty_spool: Spool) -> None:
    size = BODY_IN_MEMORY_BYTES + 1
    with HTTPServe(max_exchanges=2) as server:
        server.on("POST", "/a").respond()
        ask(server, 8, body=bytes(size))
    # By now, no thread has one in hand that it was about to let go.
    assert empty_spool.used == 2 * math.ceil(size / BLOCK_BYTES)
    body = server.exchanges[0].request.content
    server.close_bodies()
    assert empty_spool.used == 0
    with pytest.raises(ValueError, match="kept on disk and has been deleted"):
        body.read()


def test_a_body_that_goes_while_it_is_read_says_so(empty_spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    """And is not what another has put in its place."""
    lock, asked = threading.RLock(), threading.Event()

    class Asked:
        def __enter__(self) -> None:
            asked.set()
            lock.acquire()

        def __exit__(self, *error: object) -> None:
            lock.release()

    bodies = Stored(), Stored()
    for body in bodies:  # the other one keeps the file open
        body.write(b"a" * BLOCK_BYTES)
    monkeypatch.setattr(empty_spool, "_lock", Asked())
    with ThreadPoolExecutor(1) as pool:
        # The thread is there before the lock is held: it may collect the bodies of other tests as it begins.
        pool.submit(bytes).result(10)
        with lock:
            read = pool.submit(bodies[0].read_at, 0, 10)
            assert asked.wait(10)
            bodies[0].close()
        with pytest.raises(ValueError, match="kept on disk and has been deleted"):
            read.result(10)
    assert bodies[1].read_at(0, 10) == b"a" * 10


def test_what_was_taken_leaves_no_gap() -> None:
    with HTTPServe(max_exchanges=2) as server:
        server.on("POST", "/a").respond()
        ask(server, 1)
        assert server.take_request().query_string == "0"
        ask(server, 5)
        assert [server.take_request().query_string for _ in range(2)] == ["3", "4"]
        with pytest.raises(AssertionError, match="4 older exchanges dropped"):
            server.take_request(timeout=0.01)


def test_of_connections_that_are_closed_as_many_are_kept_as_of_exchanges() -> None:
    with HTTPServe(max_exchanges=3) as server:
        server.on("POST", "/a").respond()
        with socket.create_connection((server.host, server.port), timeout=10) as first:
            first.sendall(b"POST /a?first HTTP/1.1\r\nHost: x\r\n\r\n")
            first.recv(65_536)
            for _ in range(5):
                ask(server, 1)
            journal = server._script.journal
            assert journal.wait(lambda: journal.dropped_connections == 2, 10)
            assert [record.index for record in server.connections] == [0, 3, 4, 5]
        server.wait_for("POST", "/a", times=3)

    connection = server.exchanges[0].connection
    assert connection is not None and connection.index == 3


def test_failures_that_nobody_takes_are_bounded() -> None:
    journal = Journal()
    for number in range(MOST_FAILURES + 3):
        journal.record_failure(str(number))
    texts = journal.take_failures()
    assert (len(texts), texts[0], texts[-2]) == (MOST_FAILURES + 1, "0", str(MOST_FAILURES - 1))
    assert texts[-1] == "3 more failures came after these and were not kept\n"

    journal.record_failure("the next")
    assert journal.take_failures() == ("the next",), "those that were taken make room"
    assert len(journal.failures) == MOST_FAILURES


def test_faults_that_happened_are_bounded(server: HTTPServe) -> None:
    journal = Journal(max_exchanges=2)
    for number in range(5):
        journal.record_fault_event(FaultEvent(Reset(), "", number))

    assert [event.connection_index for event in journal.fault_events] == [3, 4]
    assert journal.dropped_fault_events == 3


def test_a_cleared_journal_has_dropped_nothing() -> None:
    with HTTPServe(max_exchanges=1) as server:
        server.on("POST", "/a").respond()
        ask(server, 3)
        server.reset()

        assert (server.exchanges, server.dropped_exchanges) == ((), 0)
        server.on("POST", "/b").respond()
        ask(server, 1, "/b")
        assert len(server.exchanges) == 1


# What is kept


def kept_of(server: HTTPServe) -> list[Exchange | Entry]:
    """What the journal keeps, once nobody works on it and the collector has been there."""
    server.stop()
    for _ in range(5):  # it lets go of tuples within tuples from the inside out
        gc.collect()
    return list(server._script.journal._kept.values())


def test_what_is_kept_of_an_exchange_is_nothing_to_the_garbage_collector(server: HTTPServe, tmp_path: Path) -> None:
    (tmp_path / "page.txt").write_text("a page")
    server.serve_dir(tmp_path, at="/dir")
    server.limit("/few", per_minute=1)
    server.on("*", "/a/{id:int}").respond(text="well")
    server.on("POST", "/where", where=lambda request: True).handle(lambda request: request.text)
    server.on("*", "/few").respond()
    for path in ("/a/7", "/a/7", "/where", "/few", "/few", "/dir/page.txt", "/nowhere"):
        requests.get(server.url_for(path), timeout=10)
        requests.post(server.url_for(path), data="a=b", timeout=10)
    with socket.create_connection((server.host, server.port), timeout=10) as client:
        client.sendall(b"GET /a b HTTP/1.1\r\nHost: x\r\n\r\n")
        client.makefile("rb").read()
    with socket.create_connection((server.host, server.port), timeout=10) as client:
        client.sendall(b"POST /where HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n")
        client.sendall(b"1\r\na\r\n0\r\nX-Trailer: b\r\n\r\n")
        client.makefile("rb").read()

    kept = kept_of(server)
    assert len(kept) == 16
    assert [one for one in kept if gc.is_tracked(one)] == []
    server.take_failures()


def test_what_was_kept_says_what_was_recorded(server: HTTPServe) -> None:
    route = server.on("POST", "/users/{id:int}").respond(201, json={"id": 7})
    limit = server.limit("/few", per_minute=1)
    server.on("*", "/few").respond()
    shown = []
    with socket.create_connection((server.host, server.port), timeout=10) as client:
        for look in (True, False):
            gate = route.hold()
            client.sendall(
                b"POST /users/7?a=b HTTP/1.1\r\nHost: x\r\nX-A: 1\r\nX-A: 2\r\nTransfer-Encoding: chunked\r\n\r\n"
                b"3\r\nhel\r\n0\r\nX-Trailer: b\r\n\r\n"
            )
            if look:
                shown.append(gate.arrived(10).exchange)
            gate.release()
            route.gates = ()
            answer = b""
            while not answer.endswith(b"}"):
                answer += client.recv(65_536)
    for _ in range(2):
        requests.get(server.url_for("/few"), timeout=10)
    server.stop()

    first, second, _, refused = server.exchanges
    assert first is shown[0]
    assert first.raw.request == second.raw.request
    for exchange in (first, second):
        request = exchange.request
        assert (request.method, request.target, request.version) == ("POST", "/users/7?a=b", (1, 1))
        assert request.headers.get_all("x-a") == ["1", "2"]
        assert (request.body, request.trailers["X-Trailer"], request.path_params) == (b"hel", "b", {"id": 7})
        assert request.client_address == server.connections[0].client_address
        assert exchange.route is route
        assert exchange.connection is server.connections[0]
        assert exchange.response is not None and exchange.response.headers["content-type"] == "application/json"
        assert exchange.raw.response.endswith(b'{"id": 7}')
        assert exchange.times.duration is not None
    assert [one.request.exchange_index for one in (first, second)] == [0, 1]
    assert limit.refused == (refused,)
    assert refused.notes == (f"refused by {limit}",)


def test_an_exchange_is_the_same_to_everybody(server: HTTPServe) -> None:
    route = server.on("POST", "/a").respond()
    ask(server, 2)

    first, second = server.exchanges
    assert server.exchanges == server.connections[0].exchanges == route.calls == (first, second)
    assert server.requested("POST") == server.wait_for("POST", "/a", times=2) == [first, second]
    assert server.take_request() is first.request


def test_routes_and_connections_that_nothing_names_are_forgotten() -> None:
    with HTTPServe(max_exchanges=2) as server:
        for number in range(30):
            route = server.on("POST", f"/{number}").respond()
            ask(server, 1, f"/{number}")
            route.remove()

        assert len(server._script.journal._named) <= 8
        assert [one.route for one in server.exchanges][-1] is route


# Order and places


def test_exchanges_say_on_which_connection_they_were_and_as_which(server: HTTPServe) -> None:
    server.on("GET", "/a").respond()
    for _ in range(2):
        with requests.Session() as session:
            for _ in range(3):
                session.get(server.url_for("/a"), timeout=10)

    indices = [(one.request.connection_index, one.request.exchange_index) for one in server.exchanges]
    assert indices == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)]


def test_exchanges_stand_in_the_order_in_which_their_requests_came(server: HTTPServe) -> None:
    leave = threading.Event()
    server.on("GET", "/first").handle(lambda request: str(leave.wait(10)))
    server.on("GET", "/second").respond()
    with ThreadPoolExecutor() as pool:
        first = pool.submit(requests.get, server.url_for("/first"), timeout=20)
        server.wait_for("GET", "/first", timeout=10)
        requests.get(server.url_for("/second"), timeout=10)
        leave.set()
        first.result(20)

    assert [one.request.path for one in server.exchanges] == ["/first", "/second"]


def test_an_exchange_knows_when_each_of_its_phases_was(server: HTTPServe) -> None:
    seen = threading.Event()

    def halves(request: Request) -> Iterator[bytes]:
        yield b"half"
        assert seen.wait(10)
        yield b"whole"

    server.on("POST", "/halves").handle(halves)
    marks = [time.monotonic()]
    with socket.create_connection((server.host, server.port), timeout=10) as client:
        # Each piece is asked for by what the last one was answered with, so it comes after it.
        client.sendall(b"POST /halves HTTP/1.1\r\nHost: a\r\n")
        client.sendall(b"Content-Length: 4\r\nExpect: 100-continue\r\n\r\n")
        assert client.recv(1000).startswith(b"HTTP/1.1 100 ")
        marks.append(time.monotonic())
        client.sendall(b"body")
        answer = client.recv(1000)
        while b"half" not in answer:
            answer += client.recv(1000)
        marks.append(time.monotonic())
        seen.set()
        while not answer.endswith(b"0\r\n\r\n"):
            answer += client.recv(1000)
        marks.append(time.monotonic())

    times = server.exchanges[0].times
    assert times.response_begun is not None and times.response_ended is not None
    assert marks[0] <= times.request_begun <= times.head_received <= marks[1]
    assert marks[1] <= times.body_received <= times.response_begun <= marks[2]
    assert marks[2] <= times.response_ended <= marks[3]
    assert times.duration == times.response_ended - times.request_begun


def test_an_exchange_without_a_response_has_no_time_of_one(server: HTTPServe) -> None:
    seen = threading.Event()
    server.on("GET", "/").handle(lambda request: str(seen.wait(10)))
    with ThreadPoolExecutor() as pool:
        answer = pool.submit(requests.get, server.base_url, timeout=20)
        [exchange] = server.wait_for("GET", "/")
        before = exchange.times
        seen.set()
        answer.result(20)

    assert (before.response_begun, before.response_ended, before.duration) == (None, None, None)
    assert before.request_begun == before.head_received == before.body_received
    after = exchange.times
    assert after.response_begun is not None and after.duration is not None
    assert after.response_begun >= before.request_begun


def test_a_response_begins_when_its_first_byte_leaves(server: HTTPServe) -> None:
    route = server.on("GET", "/").respond(text="late")
    gate = route.hold("response_head")
    with ThreadPoolExecutor() as pool:
        answer = pool.submit(requests.get, server.base_url, timeout=20)
        held = gate.arrived(10)
        before = server.exchanges[0].times
        let_go = time.monotonic()
        held.release()
        answer.result(20)

    after = server.exchanges[0].times
    assert (before.response_begun, before.response_ended) == (None, None)
    assert after.response_begun is not None and after.response_begun >= let_go


def test_the_end_of_a_large_response_is_when_its_client_has_taken_it(server: HTTPServe) -> None:
    server.on("GET", "/large").respond(body=bytes(32 << 20))  # more than the system's buffers take
    server.on("GET", "/next").respond()
    with socket.create_connection((server.host, server.port), timeout=10) as client:
        client.sendall(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n")
        client.recv(1)
        began_to_read = time.monotonic()
        left = 32 << 20
        while left > 0:
            left -= len(client.recv(1 << 20))
        client.sendall(b"GET /next HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        while client.recv(1 << 20):
            pass

    times = server.exchanges[0].times
    assert times.response_ended is not None and times.response_ended >= began_to_read


MEASURE = """
import socket, sys
from pytest_httpserve import HTTPServe

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096

with HTTPServe() as server:
    server.on("POST", "/users/{id:int}").respond(json={"id": 7, "name": "Ada Lovelace"})
    client = socket.create_connection((server.host, server.port), timeout=30)

    def ask(count):
        for number in range(count):
            client.sendall(
                b"POST /users/%d HTTP/1.1\\r\\nHost: 127.0.0.1:8080\\r\\nUser-Agent: python-requests/2.32\\r\\n"
                b"Accept-Encoding: gzip, deflate\\r\\nAccept: */*\\r\\nConnection: keep-alive\\r\\n"
                b"Content-Type: application/json\\r\\nContent-Length: 15\\r\\n\\r\\n{\\"name\\": \\"Ada\\"}" % number
            )
            answer = b""
            while not answer.endswith(b"}"):
                answer += client.recv(65536)

    ask(100)
    before = resident()
    ask(10_000)
    print(resident() - before, len(server.exchanges), server.dropped_exchanges)
    client.close()
"""


@pytest.mark.needs("/proc/self")  # has the memory of a process
def test_ten_thousand_exchanges_stay_under_fifty_mebibytes() -> None:
    done = subprocess.run([sys.executable, "-c", MEASURE], capture_output=True, text=True, timeout=120, check=False)

    assert done.returncode == 0, done.stderr
    grown, kept, dropped = map(int, done.stdout.split())
    assert (kept, dropped) == (10_000, 100)
    assert grown < 50 << 20, f"10,000 exchanges take {grown / (1 << 20):.1f} MiB"


def test_the_journal_is_cleared_while_exchanges_end() -> None:
    journal = Journal(max_bytes=2_000)  # each counts twice: as it came, and as what it says
    raised: list[BaseException] = []
    over = threading.Event()

    def record() -> Exchange:
        one = Exchange(exchange().request, Transcript(100 * b"a"))
        journal.record(one)
        return one

    def finish() -> None:
        try:
            while not over.is_set():
                journal.finish(record())
        except BaseException as error:
            raised.append(error)

    threads = [threading.Thread(target=finish) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(3_000):
        journal.clear()
    over.set()
    for thread in threads:
        thread.join()

    assert raised == []
    before = record()
    journal.clear()
    journal.finish(before)
    assert journal.exchanges == (), "it was cleared while it went on"
    for _ in range(10):
        journal.finish(record())
    assert len(journal.exchanges) == 10, "nothing is left of what was counted before"
    journal.finish(record())
    assert (len(journal.exchanges), journal.dropped_exchanges) == (10, 1)


def test_what_has_come_since_a_mark() -> None:
    journal = Journal()

    def serve(target: str) -> None:
        record = ConnectionRecord(0, ("127.0.0.1", 1))
        journal.record_connection(record)
        one = exchange(target)
        journal.record(one)
        journal.record_fault_event(FaultEvent(Reset(), target, 0))
        journal.finish(one)

    serve("/a")
    empty = journal.since(journal.mark())
    assert (empty.exchanges, empty.connections, empty.fault_events) == ((), (), ())
    mark = journal.mark()
    serve("/b")
    serve("/c")
    seen = journal.since(mark)
    assert [one.request.target for one in seen.exchanges] == ["/b", "/c"]
    assert [event.where for event in seen.fault_events] == ["/b", "/c"]
    assert seen.connections == journal.connections[1:]
    assert isinstance(journal._kept[1], tuple), "what was before is not even looked at"

    journal.clear()
    serve("/d")
    assert [one.request.target for one in journal.since(mark).exchanges] == ["/d"]
    assert [event.where for event in journal.since(mark).fault_events] == ["/d"]
    assert journal.since(mark).exchanges == journal.exchanges


def test_what_was_dropped_since_a_mark_is_missing() -> None:
    journal = Journal(max_exchanges=2)
    journal.record(exchange("/goes/on"))
    mark = journal.mark()
    for target in ("/a", "/b", "/c"):
        one = exchange(target)
        journal.record(one)
        journal.record_fault_event(FaultEvent(Reset(), target, 0))
        journal.finish(one)

    seen = journal.since(mark)
    assert [one.request.target for one in seen.exchanges] == ["/c"]
    assert [event.where for event in seen.fault_events] == ["/b", "/c"]
    assert (seen.dropped_exchanges, seen.dropped_fault_events) == (2, 1)


def test_many_threads_record_while_others_look() -> None:
    journal = Journal(max_exchanges=50)
    record = ConnectionRecord(0, ("127.0.0.1", 1))
    journal.record_connection(record)
    each, threads = 2_000, 4
    taken: list[Exchange] = []

    def serve() -> None:
        for _ in range(each):
            one = Exchange(exchange().request, Transcript(b"a"), record)
            journal.record(one)
            journal.finish(one)

    with ThreadPoolExecutor() as pool:
        served = [pool.submit(serve) for _ in range(threads)]
        while not all(one.done() for one in served):
            seen = journal.seen
            assert len(seen.exchanges) <= 50 + threads
            assert record.exchange_count >= len(record.exchanges)
            if (one := journal.take(0)) is not None:
                taken.append(one)
        for done in served:
            done.result()

    assert len(journal.exchanges) + journal.dropped_exchanges == each * threads
    assert len(set(map(id, taken))) == len(taken)
    assert record.bytes_received == each * threads


def test_a_client_that_resets_an_idle_connection_has_asked_for_nothing_more(server: HTTPServe) -> None:
    server.on("POST", "/a").respond(text="well")
    with socket.create_connection((server.host, server.port), timeout=10) as client:
        client.sendall(b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi")
        while not client.recv(65_536).endswith(b"well"):
            pass
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    server.assert_all_closed(by="client")

    (exchange,) = server.exchanges
    assert exchange.error is None
    assert not server.connections[0].reused


def test_a_request_that_is_made_when_somebody_looks_is_one_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Request] = []

    def make(asked: AskedFor) -> Request:
        time.sleep(0)  # others may come meanwhile
        made.append(made_request(asked))
        return made[-1]

    monkeypatch.setattr("pytest_httpserve.scripting.record.exchange.made_request", make)
    one = Exchange(asked_for(exchange().request), Transcript())
    with ThreadPoolExecutor(8) as pool:
        seen = [looked.result() for looked in [pool.submit(lambda: one.request) for _ in range(8)]]

    assert len(set(map(id, seen))) == 1
    assert len(made) == 1


def test_what_is_waited_for_may_ask_the_server(server: HTTPServe) -> None:
    """The test's own code is asked without a lock that the server wants."""
    server.on("GET", "/b").respond(text="asked")
    server.on("GET", "/a").respond()
    requests.get(server.url_for("/a"), timeout=10)

    def asks(request: Request) -> bool:
        return requests.get(server.url_for("/b"), timeout=10).text == "asked"

    assert len(server.wait_for("GET", "/a", where=asks, timeout=10)) == 1


def test_two_threads_never_take_the_same_request(server: HTTPServe) -> None:
    server.on("GET", "/{number}").respond()
    taken: list[str] = []

    def take() -> None:
        for _ in range(20):
            taken.append(server.take_request(timeout=10).path)

    threads = [threading.Thread(target=take) for _ in range(2)]
    for thread in threads:
        thread.start()
    with requests.Session() as session:
        for number in range(40):
            session.get(server.url_for(f"/{number}"), timeout=10)
    for thread in threads:
        thread.join()
    assert sorted(taken) == sorted(f"/{number}" for number in range(40))
