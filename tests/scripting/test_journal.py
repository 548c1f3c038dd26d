"""The journal: exchanges and failures."""

import http.client
from pathlib import Path

import requests

from pytest_httpserve import Exchange, HTTPServe, Request
from pytest_httpserve.scripting.journal import Answer, Journal, Transcript
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
