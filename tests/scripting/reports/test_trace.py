"""What is written as the trace of a test. The page is looked at in a browser by tests/interop/test_trace_page.py."""

import json
import re
import socket
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser
from typing import Any

import pytest
import requests

from pytest_httpserve import HTTPServe, clock
from pytest_httpserve.faults import Reset
from pytest_httpserve.scripting.reports.trace.document import document, part
from pytest_httpserve.scripting.reports.trace.page import page


def seen_by(server: HTTPServe, since: float = 0.0) -> dict[str, Any]:
    return part(server.seen(), server.base_url, str(server.socket_path or server.base_url), since)


# The document


def test_exchanges_of_all_servers_are_in_the_order_in_which_they_came() -> None:
    with HTTPServe() as one, HTTPServe() as other:
        for server in (one, other):
            server.on("GET", "/{name}").respond()
        for url in (one.url_for("/a"), other.url_for("/b"), one.url_for("/c")):
            requests.get(url, timeout=10)
        log = document("test_it", 0.0, [seen_by(other), seen_by(one)], outcome="passed")["log"]

    assert [entry["request"]["url"] for entry in log["entries"]] == [
        one.url_for("/a"),
        other.url_for("/b"),
        one.url_for("/c"),
    ]
    assert [entry["_server"] for entry in log["entries"]] == [one.base_url, other.base_url, one.base_url]
    assert [server["name"] for server in log["_servers"]] == [other.base_url, one.base_url]
    assert (log["pages"][0]["title"], log["_outcome"], log["_failures"]) == ("test_it", "passed", [])


def test_what_was_before_is_left_out_but_for_the_connection() -> None:
    with HTTPServe() as server, requests.Session() as client:
        server.on("GET", "/{name}").respond()
        requests.get(server.url_for("/alone"), timeout=10)
        client.get(server.url_for("/before"), timeout=10)
        since = clock.monotonic()
        client.get(server.url_for("/since"), timeout=10)
        said = seen_by(server, since)

    [entry] = said["entries"]
    assert entry["request"]["url"] == server.url_for("/since")
    assert [str(one["index"]) for one in said["server"]["connections"]] == [entry["connection"]] == ["1"]


@pytest.mark.needs("socket.AF_UNIX")
def test_a_unix_socket_names_its_server() -> None:
    with HTTPServe(unix=True) as server, socket.socket(socket.AF_UNIX) as client:
        server.on("GET", "/a").respond()
        client.connect(str(server.socket_path))
        client.sendall(b"GET /a HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n")
        while client.recv(1024):
            pass
        said = seen_by(server)

        name = str(server.socket_path)

    [entry] = said["entries"]
    assert (entry["request"]["url"], entry["_server"], said["server"]["name"]) == ("http://shop.test/a", name, name)


def test_faults_are_where_they_happened() -> None:
    with HTTPServe() as server:
        server.on("GET", "/").respond(body=b"x" * 1000, fault=Reset(after=10))
        server.fault(Reset(phase="accept"), times=1)
        for _ in range(2):
            with pytest.raises(requests.RequestException):
                requests.get(server.base_url, timeout=10)
    said = seen_by(server)

    [entry] = said["entries"]
    assert entry["_faults"] == [{"name": "Reset(after=10)", "phase": "response_body"}]
    first, second = said["server"]["connections"]
    assert (first["faults"], second["faults"]) == (["fault Reset(phase='accept'): accept"], [])
    assert second["how"] == "closed by the server (RST)"


def test_a_handshake_that_failed_says_why() -> None:
    with HTTPServe(tls=True) as server:
        with socket.create_connection((server.host, server.port), timeout=10) as client:
            client.sendall(b"GET / HTTP/1.1\r\n\r\n")
            client.recv(1024)
        assert server.connections[0].tls_error is not None
    [connection] = seen_by(server)["server"]["connections"]

    assert connection["error"] == "the client does not speak TLS (http request)"


def test_an_unanswered_request_has_its_near_misses() -> None:
    with HTTPServe(ignore=["unanswered"]) as server:
        server.on("GET", "/users").respond(text="nothing answers here")
        requests.get(server.url_for("/users"), timeout=10)
        requests.get(server.url_for("/user"), timeout=10)
    answered, unanswered = seen_by(server)["entries"]

    assert "_nearMisses" not in answered
    assert "✗ path" in unanswered["_nearMisses"]


def test_it_says_what_it_lacks() -> None:
    with HTTPServe(max_exchanges=1) as server, requests.Session() as client:
        server.on("GET", "/").respond()
        for _ in range(3):
            client.get(server.base_url, timeout=10)
    assert document("test_it", 0.0, [seen_by(server)])["log"]["comment"] == "2 older exchanges dropped"


# The page


class Scripts(HTMLParser):
    """The texts of the elements of a page that hold no HTML, by the type of a script, and the policy."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.found: dict[str, list[str]] = {}
        self.policy = ""
        self._kind = ""
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self._kind = given.get("type") or tag if tag in ("script", "style") else ""
        if "http-equiv" in given:
            self.policy = given["content"] or ""

    def handle_data(self, data: str) -> None:
        if self._kind:
            self.found.setdefault(self._kind, []).append(data)

    def handle_endtag(self, tag: str) -> None:
        self._kind = ""


TEXTS = ["</script>", "<!-- <script>", "\u2028 \ud800 é", "$policy ${title}", "</ScRiPt >", "]]>"]


@pytest.mark.parametrize("text", TEXTS, ids=["end", "comment", "not ASCII", "template", "end in capitals", "CDATA"])
def test_whatever_was_on_the_wire_stays_data(text: str) -> None:
    har = {"log": {"entries": [], "_failures": [text]}}

    assert json.loads("".join(Scripts(page(har, text)).found["application/json"])) == har


def test_the_policy_lets_run_what_is_in_the_page_and_nothing_else() -> None:
    scripts = Scripts(page({"log": {"entries": []}}, "a & b"))

    for kind in ("style", "module"):
        hashed = b64encode(sha256("".join(scripts.found[kind]).encode()).digest()).decode()
        assert f"'sha256-{hashed}'" in scripts.policy
    assert "default-src 'none'" in scripts.policy
    assert "unsafe" not in scripts.policy
    assert re.findall(r"[a-z]+:(?=[/;])", scripts.policy) == ["data:"]
