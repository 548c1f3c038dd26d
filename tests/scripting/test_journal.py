"""The journal: exchanges and failures."""

import http.client
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from pytest_httpserve import Exchange, HTTPServe, Request
from pytest_httpserve.scripting.journal import KEPT_BYTES, Answer, Journal, Transcript
from pytest_httpserve.wire.headers import Headers


def exchange(target: str = "/a") -> Exchange:
    return Exchange(Request("GET", target, Headers(), (1, 1), ("127.0.0.1", 50000)), Transcript())


def test_an_exchange_reads_as_request_and_status() -> None:
    one = exchange("/a?b")
    assert repr(one) == "<Exchange GET /a?b -> no answer yet>"
    one.response = Answer(204, b"HTTP/1.1 204 No Content\r\n\r\n")
    assert repr(one) == "<Exchange GET /a?b -> 204>"


def test_an_answer_has_the_headers_that_went_out() -> None:
    answer = Answer(200, b"HTTP/1.1 200 OK\r\nX-A:  b: c \r\nSet-Cookie: a\r\nset-cookie: b\r\nX-Empty:\r\n\r\n")

    assert answer.headers["x-a"] == "b: c"
    assert answer.headers["X-Empty"] == ""
    assert answer.headers.get_all("Set-Cookie") == ["a", "b"]
    assert Answer(200, b"HTTP/1.1 200 OK\r\n\r\n").headers == {}


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
    exchanges = server.wait_for("*", "*", times=count, timeout=10)
    server.stop()
    return exchanges[-1]


def reset(client: socket.socket) -> None:
    """End the connection by a reset."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


@pytest.mark.parametrize(
    ("sent", "read_as", "error"),
    [
        (b"GET /a b HTTP/1.1\r\nHost: x\r\n\r\n", "GET /a", "request line"),
        (b"GET /a HTTP/1.1\r\n\r\n", "GET /a", "Host"),
        (b"GET /a HTTP/1.1\r\nHost x\r\n\r\n", "GET /a", ""),
        (b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", "\x16\x03\x01\x02\x00\x01\x00 ", ""),
        (b"GET /a HTTP/1.1\r\nHost: x\r\nX-", "GET /a", "the head ended before its blank line"),
        (
            b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhel",
            "POST /a",
            "the connection ended inside the body",
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
    assert server.failures == ()


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


def test_the_oldest_bytes_are_dropped_when_there_are_too_many() -> None:
    with HTTPServe(max_journal_bytes=10_000) as server:
        server.on("POST", "/a").respond()
        for _ in range(20):
            requests.post(server.url_for("/a"), data=bytes(1000), timeout=10)

    raws = [one.raw for one in server.exchanges]
    kept = [raw for raw in raws if raw.size]
    assert sum(raw.size for raw in raws) <= 10_000
    assert len(kept) >= 6
    assert raws[-len(kept) :] == kept, "it is not the latest that were kept"
    assert all(raw.dropped_received > 1000 and raw.dropped_sent > 50 for raw in raws[: -len(kept)])
    assert [len(one.request.body) for one in server.exchanges] == [1000] * 20, "bodies are no raw bytes"


def test_the_bound_holds_beside_an_exchange_that_goes_on() -> None:
    leave = threading.Event()
    with HTTPServe(max_journal_bytes=3000) as server:
        server.on("POST", "/a").respond()
        server.on("GET", "/slow").handle(lambda request: str(leave.wait(10)))
        with ThreadPoolExecutor() as pool:
            slow = pool.submit(requests.get, server.url_for("/slow"), timeout=20)
            server.wait_for("GET", "/slow", timeout=10)
            for _ in range(10):
                requests.post(server.url_for("/a"), data=bytes(1000), timeout=10)
            leave.set()
            assert slow.result(20).text == "True"

    assert sum(one.raw.size for one in server.exchanges) <= 3000
    assert server.exchanges[0].raw.size > 0, "it ended last, and has lost its bytes before the others"


def test_without_room_no_bytes_are_kept() -> None:
    with HTTPServe(max_journal_bytes=0) as server:
        server.on("GET", "/a").respond()
        requests.get(server.url_for("/a"), timeout=10)

    assert server.exchanges[0].raw.size == 0


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
    print(resident() - before, len(server.exchanges))
    client.close()
"""


@pytest.mark.needs("/proc/self")  # has the memory of a process
def test_ten_thousand_exchanges_stay_under_fifty_mebibytes() -> None:
    done = subprocess.run([sys.executable, "-c", MEASURE], capture_output=True, text=True, timeout=120, check=False)

    assert done.returncode == 0, done.stderr
    grown, count = map(int, done.stdout.split())
    assert count == 10_100
    assert grown < 50 << 20, f"10,000 exchanges take {grown / (1 << 20):.1f} MiB"


def test_the_journal_is_cleared_while_exchanges_end() -> None:
    journal = Journal(max_bytes=1_000)
    raised: list[BaseException] = []
    over = threading.Event()

    def finish() -> None:
        try:
            while not over.is_set():
                journal.finish(Exchange(exchange().request, Transcript(100 * b"a")))
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
    journal.clear()
    last = Exchange(exchange().request, Transcript(1_000 * b"a"))
    journal.finish(last)
    assert last.raw.request, "nothing is left of what was counted before"


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


def test_a_request_that_is_made_when_somebody_looks_is_one_for_all() -> None:
    made = Barrier()
    one = Exchange(made.make, Transcript())
    with ThreadPoolExecutor(8) as pool:
        seen = [looked.result() for looked in [pool.submit(lambda: one.request) for _ in range(8)]]

    assert len(set(map(id, seen))) == 1
    assert made.count == 1


class Barrier:
    """Makes a request, slowly enough for others to come."""

    def __init__(self) -> None:
        self.count = 0

    def make(self) -> Request:
        self.count += 1
        threading.Event().wait(0.01)
        return exchange().request
