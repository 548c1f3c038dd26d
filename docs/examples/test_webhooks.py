"""A service that calls back later, from another thread: the test waits for the call without sleeping."""

import hashlib
import hmac
import json
import threading

import requests

from pytest_httpserve import HTTPServe

SECRET = b"s3cret"


def deliver(url: str, *events: str) -> threading.Thread:
    """The code under test: sends signed events in the background."""

    def send() -> None:
        for event in events:
            body = json.dumps({"event": event, "order": 7}).encode()
            signature = hmac.new(SECRET, body, hashlib.sha256).hexdigest()
            headers = {"Content-Type": "application/json", "X-Signature": signature}
            requests.post(url, data=body, headers=headers, timeout=5)

    thread = threading.Thread(target=send)
    thread.start()
    return thread


def test_an_event_arrives(httpserve: HTTPServe) -> None:
    httpserve.on("POST", "/hook").respond(204)
    sender = deliver(httpserve.url_for("/hook"), "created", "paid")

    httpserve.wait_for("POST", "/hook", json_contains={"event": "paid"}, timeout=5)
    sender.join()


def test_events_are_signed_and_come_in_order(httpserve: HTTPServe) -> None:
    httpserve.on("POST", "/hook").respond(204)
    sender = deliver(httpserve.url_for("/hook"), "created", "paid", "shipped")

    for event in ("created", "paid", "shipped"):
        request = httpserve.take_request(timeout=5)
        assert request.json() == {"event": event, "order": 7}
        assert request.headers["X-Signature"] == hmac.new(SECRET, request.body, hashlib.sha256).hexdigest()
    sender.join()
