"""What a real host answers, here another server of ours, is recorded, and then answered from the file."""

import json
import os
import ssl
import threading
from collections.abc import Callable, Iterator
from gzip import compress
from pathlib import Path
from socket import create_connection, create_server
from typing import Any

import pytest

from pytest_httpserve import HTTPServe
from pytest_httpserve.errors import UsageError
from pytest_httpserve.scripting.httpserve import RUNNING
from pytest_httpserve.scripting.origins import upstream
from pytest_httpserve.scripting.record.request import Body
from pytest_httpserve.scripting.recordings.reading import read_har
from pytest_httpserve.scripting.recordings.run import Run
from pytest_httpserve.tls import TLS

Ask = Callable[..., tuple[int, dict[str, str], bytes]]
Record = Callable[..., HTTPServe]


@pytest.fixture
def real(monkeypatch: pytest.MonkeyPatch) -> Iterator[HTTPServe]:
    """The host api.test, over TLS that is verified, and over plain HTTP."""
    with HTTPServe(tls=TLS(names=("api.test",))) as real:
        monkeypatch.setitem(upstream.ADDRESSES, ("api.test", 443), (real.host, real.port))
        monkeypatch.setenv("SSL_CERT_FILE", str(real.ca.pem_path))
        yield real


@pytest.fixture
def record() -> Iterator[Record]:
    """``record("missing")`` is a server that records so; what goes wrong on it is in its ``failures``."""
    made = []

    def record(mode: str | Run) -> HTTPServe:
        made.append(server := HTTPServe(record=mode).start())
        RUNNING.discard(server)  # else the plugin, which looks at all that run, would fail the test
        return server

    yield record
    for server in made:
        server.stop()


def finish(server: HTTPServe) -> None:
    server.settle()
    server.check_expectations()


def test_what_is_missing_is_recorded_and_then_answered_from_the_file(
    real: HTTPServe, record: Record, server: HTTPServe, ask: Ask, tmp_path: Path
) -> None:
    real.on("GET", "/me", query={"a": 1}).respond(
        json={"id": 7}, headers=[("X-B", "1"), ("Date", "then")], reason="Fine"
    )
    real.on("POST", "/orders").respond(201, text="made")
    path = tmp_path / "new" / "a.har"
    recording = record("missing")
    recording.serve_recording(path)
    asked = [("https://api.test/me?a=1", None), ("https://api.test/orders", b"a=1&b=2")]
    first = [ask(recording, *one) for one in asked]
    assert not path.exists()
    finish(recording)

    assert recording.failures == ()
    assert [str(entry) for entry in read_har(path)] == ["GET https://api.test/me?a=1", "POST https://api.test/orders"]
    server.serve_recording(path)
    again = [ask(server, *one) for one in asked]
    assert [one[::2] for one in again] == [one[::2] for one in first] == [(200, b'{"id": 7}'), (201, b"made")]
    assert again[0][1]["X-B"] == "1"
    assert b" 200 Fine\r\n" in server.exchanges[1].raw.response
    assert len(real.exchanges) == 2


def test_what_is_there_is_not_asked_for_again(real: HTTPServe, record: Record, ask: Ask, tmp_path: Path) -> None:
    real.on("GET", "/{path}").handle(lambda request: request.path)
    for paths in (["/a"], ["/a", "/b"]):
        recording = record("missing")
        recording.serve_recording(tmp_path / "a.har")
        assert [ask(recording, f"https://api.test{path}")[2].decode() for path in paths] == paths
        finish(recording)

    assert [one.request.path for one in real.exchanges] == ["/a", "/b"]
    assert [entry.url for entry in read_har(tmp_path / "a.har")] == ["https://api.test/a", "https://api.test/b"]


def test_all_is_asked_anew_and_takes_the_place_of_what_was_there(
    real: HTTPServe, record: Record, ask: Ask, tmp_path: Path
) -> None:
    real.on("GET", "/{path}").respond(text="old").respond(text="new")
    for mode, path in (("missing", "a"), ("all", "b")):
        recording = record(mode)
        recording.serve_recording(tmp_path / "a.har")
        ask(recording, f"https://api.test/{path}")
        finish(recording)

    (entry,) = read_har(tmp_path / "a.har")
    assert (entry.url, entry.body) == ("https://api.test/b", b"new")


def test_tests_of_one_run_share_a_file(real: HTTPServe, record: Record, ask: Ask, tmp_path: Path) -> None:
    """Each worker of a run has a Run of its own, over one folder."""
    real.on("GET", "/{path}").respond()
    folder = tmp_path / "run"
    folder.mkdir()
    for path in ("a", "b", "a"):
        recording = record(Run("all", folder))
        recording.serve_recording(tmp_path / "a.har")
        ask(recording, f"https://api.test/{path}")
        finish(recording)

    assert [entry.url[-1] for entry in read_har(tmp_path / "a.har")] == ["a", "b"]


def test_workers_write_one_after_the_other(tmp_path: Path) -> None:
    """Each adds a line to what it has read: none is lost."""
    path = tmp_path / "a.txt"
    path.write_text("")

    def add(number: int) -> None:
        for _ in range(20):
            with Run("all", tmp_path).alone(path):
                path.write_text(path.read_text() + f"{number}\n")

    threads = [threading.Thread(target=add, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(path.read_text().splitlines()) == 80


def test_a_stream_comes_as_it_is_sent_and_keeps_its_chunks(
    real: HTTPServe, record: Record, server: HTTPServe, tmp_path: Path
) -> None:
    goes_on = threading.Event()

    def events() -> Iterator[str]:
        yield "data: 1\n\n"
        assert goes_on.wait(10)
        yield "data: 22\n\n"

    real.on("GET", "/events").respond(stream=events, headers={"Content-Type": "text/event-stream"})
    recording = record("all")
    recording.serve_recording(tmp_path / "a.har")
    with stream(recording, "/events") as client:
        got = b""
        while b"data: 1\n\n" not in got:
            got += client.recv(1000)
        goes_on.set()
        while not got.endswith(b"0\r\n\r\n"):
            got += client.recv(1000)
    finish(recording)

    (entry,) = read_har(tmp_path / "a.har")
    assert [size for size, _ in entry.chunks] == [9, 10]
    server.serve_recording(tmp_path / "a.har")
    with stream(server, "/events") as client:
        got = b""
        while not got.endswith(b"0\r\n\r\n"):
            got += client.recv(1000)
    assert b"9\r\ndata: 1\n\n\r\na\r\ndata: 22\n\n\r\n" in got


def stream(server: HTTPServe, path: str) -> ssl.SSLSocket:
    client = create_connection((server.host, server.port), timeout=10)
    client.sendall(b"CONNECT api.test:443 HTTP/1.1\r\nHost: a\r\n\r\n")
    while not client.recv(1000).endswith(b"\r\n\r\n"):
        pass
    secure = server.ca.client_ssl_context().wrap_socket(client, server_hostname="api.test")
    secure.sendall(f"GET {path} HTTP/1.1\r\nHost: api.test\r\n\r\n".encode())
    return secure


def test_a_client_that_leaves_a_stream_has_what_came(real: HTTPServe, record: Record, tmp_path: Path) -> None:
    ends = threading.Event()

    def events() -> Iterator[str]:
        yield "data: 1\n\n"
        ends.wait(10)

    real.on("GET", "/events").respond(stream=events)
    recording = record("all")
    recording.serve_recording(tmp_path / "a.har")
    with stream(recording, "/events") as client:
        got = b""
        while b"data: 1\n\n" not in got:
            got += client.recv(1000)
    finish(recording)
    ends.set()

    assert [entry.body for entry in read_har(tmp_path / "a.har")] == [b"data: 1\n\n"]


def test_gzip_comes_as_it_was_sent_and_is_text_in_the_file(
    real: HTTPServe, record: Record, server: HTTPServe, ask: Ask, tmp_path: Path
) -> None:
    coded = {"Content-Encoding": "gzip", "Content-Type": "text/plain"}
    real.on("GET", "/").respond(body=compress(b"plain text", mtime=0), headers=coded)
    real.on("GET", "/large").respond(body=compress(os.urandom(1_500_000)), headers=coded)
    recording = record("all")
    recording.serve_recording(tmp_path / "a.har")
    answers = [ask(recording, f"https://api.test{path}") for path in ("/", "/large")]
    finish(recording)

    assert '"text": "plain text"' in (tmp_path / "a.har").read_text()
    server.serve_recording(tmp_path / "a.har")
    for path, before in zip(("/", "/large"), answers, strict=True):
        again = ask(server, f"https://api.test{path}")
        assert again[2] == before[2]
        assert again[1]["Content-Encoding"] == "gzip"


def test_a_plain_host_head_and_answers_without_a_body(
    record: Record, server: HTTPServe, ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with HTTPServe() as real:
        real.on("GET", "/").respond(text="plain")
        real.on("DELETE", "/").respond(204)
        monkeypatch.setitem(upstream.ADDRESSES, ("plain.test", 8080), (real.host, real.port))
        recording = record("all")
        recording.serve_recording(tmp_path / "a.har")
        for one in (recording, server):
            for method, expected in (("GET", (200, b"plain")), ("HEAD", (200, b"")), ("DELETE", (204, b""))):
                status, headers, body = ask(one, "http://plain.test:8080/", method=method)
                assert (status, body) == expected
                assert method != "HEAD" or headers["Content-Length"] == "5"
            if one is recording:
                finish(recording)
                server.serve_recording(tmp_path / "a.har")
        assert real.exchanges[0].request.headers["Host"] == "plain.test:8080"


def test_what_the_test_says_goes_before_real_hosts(real: HTTPServe, record: Record, ask: Ask, tmp_path: Path) -> None:
    real.on("GET", "/b").respond(text="real")
    recording = record("all")
    recording.serve_recording(tmp_path / "a.har")
    recording.origin("https://api.test").on("GET", "/a").respond(text="said")

    assert [ask(recording, f"https://api.test/{path}")[2] for path in "ab"] == [b"said", b"real"]
    finish(recording)
    assert [entry.url for entry in read_har(tmp_path / "a.har")] == ["https://api.test/b"]


def test_the_test_sees_what_was_sent(real: HTTPServe, record: Record, ask: Ask, tmp_path: Path) -> None:
    real.on("POST", "/").respond()
    recording = record("all")
    recording.serve_recording(tmp_path / "a.har")
    ask(recording, "https://api.test/", b'{"a": 1}', headers={"Content-Type": "application/json"})

    recording.origin("https://api.test").assert_requested("POST", "/", json={"a": 1})
    assert [origin.pattern.host for origin in recording._script.origins or ()] == ["api.test"]


def test_a_host_that_is_let_through_is_not_recorded(record: Record, ask: Ask, tmp_path: Path) -> None:
    with HTTPServe() as real:
        real.on("GET", "/").respond()
        recording = record("all")
        recording.serve_recording(tmp_path / "a.har")
        recording.allow("127.0.0.1")
        assert ask(recording, real.url_for("/"))[0] == 200
        finish(recording)
    assert not (tmp_path / "a.har").exists()


def test_a_host_that_cannot_be_reached_fails_the_test_and_leaves_the_file(
    real: HTTPServe, record: Record, ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real.on("GET", "/").respond()
    with create_server(("127.0.0.1", 0)) as listener:
        monkeypatch.setitem(upstream.ADDRESSES, ("gone.test", 443), listener.getsockname())
    (tmp_path / "a.har").write_text("as it was")
    recording = record("all")
    recording.serve_recording(tmp_path / "a.har")
    ask(recording, "https://api.test/")
    assert ask(recording, "https://gone.test/")[0] == 502
    finish(recording)

    assert len(recording.failures) == 1
    assert recording.failures[0].startswith("gone.test port 443 cannot be reached, so GET / is not recorded: ")
    assert (tmp_path / "a.har").read_text() == "as it was"


def test_a_certificate_that_nobody_has_reason_to_trust_is_refused(
    real: HTTPServe, record: Record, ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    recording = record("all")
    recording.serve_recording(tmp_path / "a.har")

    assert ask(recording, "https://api.test/")[0] == 502
    assert "certificate verify failed" in recording.failures[0]
    assert real.exchanges == ()


@pytest.mark.parametrize("mode", ["none", "compare"])
def test_nothing_leaves_the_machine_unless_that_is_said(
    record: Record, ask: Ask, har: Callable[..., Path], mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_up = []
    monkeypatch.setattr(upstream, "connect", lambda *where: looked_up.append(where))
    recording = record(mode)
    recording.serve_recording(har())

    assert ask(recording, "http://api.test/")[0] == 502
    assert looked_up == []
    assert recording.failures[0].startswith("no origin answers api.test port 80")


def test_no_archive_is_recorded_into(record: Record, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot record into an archive; name a \.har file"):
        record("all").serve_recording(tmp_path / "a.zip")


def test_a_mode_is_one_of_four() -> None:
    with pytest.raises(UsageError, match="record= must be one of none, missing, all, compare, not 'once'"):
        HTTPServe(record="once")


def test_large_bodies_are_never_in_memory_as_a_whole(
    record: Record, server: HTTPServe, ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is asked of a body that has gone to disk is pieces of it."""
    large = os.urandom(3_000_000)
    whole: list[int] = []
    reading = Body.read

    def read(body: Body) -> bytes:
        whole.append(body.size)
        return reading(body)

    monkeypatch.setattr(Body, "read", read)
    with HTTPServe() as real:
        real.on("PUT", "/").respond(body=large)
        monkeypatch.setitem(upstream.ADDRESSES, ("big.test", 80), (real.host, real.port))
        recording = record("all")
        recording.serve_recording(tmp_path / "a.har")
        assert ask(recording, "http://big.test/", large, "PUT")[2] == large
        finish(recording)
    server.serve_recording(tmp_path / "a.har")
    assert ask(server, "http://big.test/", large, "PUT")[2] == large

    assert max(whole, default=0) < 1_100_000
    (entry,) = read_har(tmp_path / "a.har")
    assert isinstance(entry.body, Path)
    log: dict[str, Any] = json.loads((tmp_path / "a.har").read_text())["log"]
    assert log["entries"][0]["request"]["postData"]["_size"] == 3_000_000


def test_a_host_that_would_go_on_is_left_all_the_same(record: Record, tmp_path: Path, ask: Ask) -> None:
    """Its answer says nothing of the end of the connection; nor does a client that has gone ask for the body."""
    with create_server(("127.0.0.1", 0)) as listener, pytest.MonkeyPatch.context() as patched:
        patched.setitem(upstream.ADDRESSES, ("stays.test", 80), listener.getsockname())
        recording = record("all")
        recording.serve_recording(tmp_path / "a.har")
        answers: list[tuple[int, dict[str, str], bytes]] = []
        client = threading.Thread(target=lambda: answers.append(ask(recording, "http://stays.test/")))
        client.start()
        there, _ = listener.accept()
        with there:
            assert there.recv(10_000).startswith(b"GET / HTTP/1.1\r\n")
            there.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            there.settimeout(10)
            assert there.recv(100) == b""
        client.join()
    assert answers[0][::2] == (200, b"ok")
