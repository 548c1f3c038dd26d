"""Recorded answers on a server: which request gets which, what fails the test, faults and pace."""

import json
from collections.abc import Callable
from gzip import decompress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pytest_httpserve import HTTPServe, Request, Response
from pytest_httpserve.errors import UsageError
from pytest_httpserve.faults import Delay, Reset, Slow, Truncate
from pytest_httpserve.scripting.recordings.entry import Entry
from pytest_httpserve.scripting.recordings.matching import Matching
from pytest_httpserve.scripting.recordings.replaying import recorded_routes
from pytest_httpserve.scripting.recordings.secrets import Redaction
from pytest_httpserve.scripting.recordings.writing import write_har

Har = Callable[..., Path]
Ask = Callable[..., tuple[int, dict[str, str], bytes]]


def posted(kind: str, text: str) -> dict[str, Any]:
    return {
        "request": {
            "postData": {"mimeType": kind, "text": text},
            "headers": [{"name": "Content-Type", "value": kind}],
        }
    }


def test_hosts_become_origins_that_answer_as_recorded(server: HTTPServe, har: Har, ask: Ask) -> None:
    recording = server.serve_recording(
        har(
            ("GET", "https://api.test/me?a=1&b=2", 200, "seven"),
            ("GET", "http://other.test:8080/", 404, "not there"),
            ("DELETE", "https://api.test/me", 204, ""),
        )
    )
    assert ask(server, "https://api.test/me?b=2&a=1")[::2] == (200, b"seven")
    assert ask(server, "http://other.test:8080/")[::2] == (404, b"not there")
    assert ask(server, "https://api.test/me", method="DELETE")[::2] == (204, b"")

    assert [str(origin.pattern) for origin in recording.origins] == ["https://api.test", "http://other.test:8080"]
    assert [route.call_count for route in recording.routes] == [1, 1, 1]
    assert server.failures == ()


def test_repeats_are_answered_in_their_order_and_then_by_the_last(server: HTTPServe, har: Har, ask: Ask) -> None:
    url = "http://a.test/"
    server.serve_recording(har(("GET", url, 503, ""), ("GET", f"{url}b", 200, "b"), ("GET", url, 200, "second")))

    assert [ask(server, url)[0] for _ in range(3)] == [503, 200, 200]


@pytest.mark.parametrize(
    ("kind", "recorded", "sent", "takes"),
    [
        ("application/json", '{"a": 1, "b": [2]}', '{"b":[2],"a":1}', True),
        ("application/json", '{"a": 1}', '{"a": 2}', False),
        ("application/json", '{"a": 1, "password": "***"}', '{"a": 1, "password": "swordfish"}', True),
        ("application/x-www-form-urlencoded", "a=1&b=2&client_secret=***", "b=2&a=1&client_secret=x", True),
        ("application/x-www-form-urlencoded", "a=1", "a=2", False),
        ("text/plain", "a b", "a b", True),
        ("text/plain", "a b", "b a", False),
        (
            "multipart/form-data; boundary=X",
            '--X\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--X--\r\n',
            '--X\r\nContent-Disposition:form-data; name="a"\r\n\r\n1\r\n--X--\r\n',
            True,
        ),
    ],
)
def test_a_body_is_compared_by_what_it_says(
    server: HTTPServe, har: Har, ask: Ask, kind: str, recorded: str, sent: str, takes: bool
) -> None:
    server.serve_recording(har(("POST", "http://a.test/", 200, "", posted(kind, recorded))))

    assert ask(server, "http://a.test/", sent.encode(), headers={"Content-Type": kind})[0] == (200 if takes else 404)
    assert len(server.failures) == (not takes)


def test_bodies_tell_requests_apart_and_one_without_takes_any(server: HTTPServe, har: Har, ask: Ask) -> None:
    server.serve_recording(
        har(
            ("POST", "http://a.test/", 200, "1", posted("application/json", '{"n": 1}')),
            ("POST", "http://a.test/", 200, "any"),
            ("POST", "http://a.test/", 200, "2", posted("application/json", '{"n": 2}')),
        )
    )
    json_type = {"Content-Type": "application/json"}
    answers = [ask(server, "http://a.test/", b'{"n": %d}' % n, headers=json_type)[2] for n in (2, 1, 3)]

    assert answers == [b"2", b"1", b"any"]


def test_secrets_in_a_query_are_not_compared(server: HTTPServe, har: Har, ask: Ask) -> None:
    server.serve_recording(har(("GET", "http://a.test/?access_token=***&id=1", 200, "")))

    assert ask(server, "http://a.test/?id=1&access_token=real")[0] == 200
    assert ask(server, "http://a.test/?id=2&access_token=real")[0] == 404
    assert "recorded query" in server.failures[0]


@pytest.mark.parametrize("path", ["/v1/{a}/b", "/:id", "/a/*/b", "/%7Ba%7D", "//a", "/a:run", "/%3Cid%3E"])
def test_a_path_has_no_parameters(server: HTTPServe, har: Har, ask: Ask, path: str) -> None:
    server.serve_recording(har(("GET", f"http://a.test{path}", 200, "")))

    assert ask(server, f"http://a.test{path}")[0] == 200
    server.ignore("unanswered")
    assert ask(server, "http://a.test/v1/else/b")[0] == 404


def test_what_was_not_recorded_fails_the_test(server: HTTPServe, har: Har, ask: Ask) -> None:
    path = har(("GET", "http://a.test/me", 200, ""))
    server.serve_recording(path)
    assert ask(server, "http://a.test/you")[0] == 404
    assert ask(server, "http://b.test/")[0] == 502

    unanswered, unknown = server.failures
    assert unanswered.startswith("nothing answers GET http://a.test/you at http://a.test")
    assert f"the route GET /me ({path}:" in unanswered
    assert "recorded query" not in unanswered
    assert unknown.startswith("no origin answers b.test port 80")
    for failure in server.failures:
        assert failure.endswith(f"\n  --httpserve-record=missing would record it in {path}\n")


def test_with_strict_each_entry_is_to_be_used(server: HTTPServe, har: Har, ask: Ask) -> None:
    entries = [("GET", "http://a.test/", 200, "")] * 2 + [("GET", "http://a.test/b", 200, "")]
    server.serve_recording(har(*entries), strict=True)
    ask(server, "http://a.test/")
    server.check_expectations()

    assert len(server.failures) == 2
    assert "was called once, expected at least 2 times" in server.failures[0]
    assert "was never called" in server.failures[1]


def test_without_strict_none_need_be_even_on_a_strict_server(har: Har) -> None:
    with HTTPServe(strict=True) as server:
        server.serve_recording(har(("GET", "http://a.test/", 200, "")), strict=False)


def test_match_names_what_is_compared(server: HTTPServe, har: Har, ask: Ask) -> None:
    server.serve_recording(
        har(("POST", "http://a.test/?now=1", 200, "", posted("text/plain", "at 1"))), match=("method", "path")
    )
    assert ask(server, "http://a.test/?now=2", b"at 2")[0] == 200


def test_match_asks_a_function(server: HTTPServe, har: Har, ask: Ask) -> None:
    def same_user(request: Request, recorded: Request) -> bool:
        return request.query["user"] == recorded.query["user"]

    server.serve_recording(
        har(("GET", "http://a.test/1?user=a", 200, "a"), ("GET", "http://a.test/1?user=b", 200, "b")), match=same_user
    )
    assert ask(server, "http://a.test/2?user=b")[2] == b"b"
    assert ask(server, "http://a.test/2?user=c")[0] == 404
    assert "match same_user" in server.failures[0]


async def later(*arguments: object) -> str:
    return "later"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"match": "uri"}, "match= takes some of method, path, query, body"),
        ({"match": 7}, "match= takes some of"),
        ({"pace": "slow"}, "pace= must be 'fast' or 'recorded', not 'slow'"),
        ({"redact": 7}, "redact= takes names"),
        ({"redact": [""]}, "redact= takes names"),
        ({"fault": "reset"}, "fault= takes a fault"),
        ({"fault": Reset(phase="accept")}, "comes before the response is chosen"),
        ({"strict": 1}, "strict= must be True or False"),
        ({"match": later}, r"match= takes a plain function, but later\(\) is async"),
        ({"redact": later}, r"redact= takes a plain function, but later\(\) is async"),
    ],
)
def test_a_wrong_argument_is_refused(server: HTTPServe, har: Har, arguments: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        server.serve_recording(har(), **arguments)


def test_a_file_that_is_not_there(server: HTTPServe) -> None:
    with pytest.raises(UsageError, match=r"there is no such file; tried .*/no\.har\. --httpserve-record=missing"):
        server.serve_recording("no.har")
    with pytest.raises(UsageError, match="takes the path of a HAR file, not 7"):
        server.serve_recording(7)  # type: ignore[arg-type]  # as a test would get it wrong


def test_the_test_has_the_last_word(server: HTTPServe, har: Har, ask: Ask) -> None:
    server.serve_recording(har(("GET", "http://a.test/", 200, "recorded"), ("GET", "http://a.test/b", 200, "b")))
    server.origin("http://a.test").on("GET", "/").respond(503)

    assert ask(server, "http://a.test/")[0] == 503
    assert ask(server, "http://a.test/b")[0] == 200
    with pytest.raises(UsageError, match="is an origin already"):
        server.origin("http://a.test", tunnel="raw", to="127.0.0.1:1")


def test_an_origin_that_was_there_answers_for_its_host(server: HTTPServe, har: Har, ask: Ask) -> None:
    mine = server.origin("http://a.test")
    mine.on("GET", "/").respond(text="mine")
    recording = server.serve_recording(har(("GET", "http://a.test/b", 200, "recorded")))

    assert recording.origins == (mine,)
    assert ask(server, "http://a.test/")[2] == b"mine"
    assert ask(server, "http://a.test/b")[2] == b"recorded"


def test_a_body_that_was_not_exported_fails_the_test_that_wants_it(server: HTTPServe, har: Har, ask: Ask) -> None:
    path = har(("GET", "http://a.test/", 200, {"size": 7}))
    server.serve_recording(path)

    assert ask(server, "http://a.test/")[0] == 500
    assert "was exported without the body of GET http://a.test/" in server.failures[0]


def test_answers_are_sent_as_they_were(server: HTTPServe, tmp_path: Path, ask: Ask) -> None:
    path = tmp_path / "a.har"
    kept = ("Content-Encoding", "gzip"), ("Content-Type", "text/plain"), ("Content-Length", "1"), ("Date", "then")
    large = b"0123456789abcdef" * 100_000
    write_har(
        path,
        [
            Entry("GET", "http://a.test/coded", fields=kept, body=b"plain", coding="gzip", reason="Fine"),
            Entry("GET", "http://a.test/unknown", fields=(("Content-Encoding", "lzw"),), body=b"plain", coding="lzw"),
            Entry("HEAD", "http://a.test/", fields=(("Content-Length", "77"),)),
            Entry("GET", "http://a.test/large", fields=(("Content-Type", "x/y"),), body=large),
            Entry("GET", "http://a.test/304", status=304, fields=(("ETag", '"a"'),), body=b"none"),
            Entry(
                "GET", "http://a.test/chunks", fields=(("Content-Type", "x/y"),), body=b"abc", chunks=((1, 0), (2, 0))
            ),
        ],
    )
    server.serve_recording(path)

    _, headers, body = ask(server, "http://a.test/coded")
    assert decompress(body) == b"plain"
    assert (headers["Content-Encoding"], headers["Date"], headers["Content-Length"]) == ("gzip", "then", str(len(body)))
    assert server.exchanges[-1].raw.response.startswith(b"HTTP/1.1 200 Fine\r\n")
    assert ask(server, "http://a.test/unknown")[2] == b"plain"
    assert "Content-Encoding" not in ask(server, "http://a.test/unknown")[1]
    assert ask(server, "http://a.test/", method="HEAD")[1]["Content-Length"] == "77"
    assert ask(server, "http://a.test/large")[2] == large
    assert ask(server, "http://a.test/304")[::2] == (304, b"")
    assert ask(server, "http://a.test/chunks")[2] == b"abc"
    assert b"\r\n1\r\na\r\n2\r\nbc\r\n0\r\n" in server.exchanges[-1].raw.response


def test_answers_have_faults(server: HTTPServe, har: Har, ask: Ask) -> None:
    server.serve_recording(har(("GET", "http://a.test/", 200, "whole")), fault=Truncate(2))

    with pytest.raises(Exception, match="IncompleteRead"):
        ask(server, "http://a.test/")


def faults_of(*entries: Entry, paced: bool = True) -> list[object]:
    routes = recorded_routes(Path("a.har"), entries, Matching.of(None, Redaction()), paced=paced)
    exchange: Any = SimpleNamespace()
    found: list[object] = []
    for route in routes:
        answer = route.take(exchange)
        assert callable(answer)
        found += answer(exchange).faults
        assert isinstance(again := route.take(exchange), Response)
        assert again.faults == tuple(found[len(found) - len(again.faults) :])
    return found


def test_the_pace_that_was_recorded() -> None:
    streamed = Entry("GET", "http://a.test/", body=b"abcdef", chunks=((2, 7), (3, 500), (1, 0)), wait=250)
    plain = Entry("GET", "http://a.test/b", body=b"abcdef", wait=0, receive=2_000)

    assert faults_of(streamed) == [Delay(0.25), Delay(0.5, after=2)]
    assert faults_of(plain) == [Slow(3.0)]
    assert faults_of(streamed, plain, paced=False) == []


def test_a_large_request_is_known_by_its_digest(server: HTTPServe, tmp_path: Path, ask: Ask) -> None:
    from pytest_httpserve.scripting.record.request import Body
    from pytest_httpserve.scripting.recordings.matching import digest_of

    large = b"0123456789abcdef" * 100_000
    write_har(tmp_path / "a.har", [Entry("PUT", "http://a.test/", request_body=digest_of(Body.of(large)))])
    server.serve_recording(tmp_path / "a.har")

    assert ask(server, "http://a.test/", large, "PUT")[0] == 200
    assert ask(server, "http://a.test/", large[1:], "PUT")[0] == 404


def test_our_own_har_is_one(server: HTTPServe, tmp_path: Path, ask: Ask) -> None:
    server.on("GET", "/").respond(text="seen", gzip=True)
    ask(server, f"{server.base_url}/")
    (tmp_path / "a.har").write_text(json.dumps(server.har()))
    with HTTPServe() as other:
        other.serve_recording(tmp_path / "a.har")
        assert ask(other, f"{server.base_url}/")[2] == b"seen"
