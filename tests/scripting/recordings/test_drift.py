"""What has changed at the real hosts since it was recorded: shapes, not values."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_httpserve import HTTPServe
from pytest_httpserve.scripting.httpserve import RUNNING
from pytest_httpserve.scripting.origins import upstream
from pytest_httpserve.scripting.recordings.comparing import age
from pytest_httpserve.scripting.recordings.entry import Entry
from pytest_httpserve.scripting.recordings.shapes import changes

Ask = Callable[..., tuple[int, dict[str, str], bytes]]
Har = Callable[..., Path]

JSON = ("Content-Type", "application/json; charset=utf-8")


def entry(value: Any, status: int = 200, *fields: tuple[str, str]) -> Entry:
    return Entry("GET", "http://a.test/", status=status, fields=(JSON, *fields), body=json.dumps(value).encode())


@pytest.mark.parametrize(
    ("before", "after", "changed"),
    [
        ({"a": 1, "b": "x"}, {"a": 2.5, "b": "y"}, []),
        ({"a": 1}, {"a": "1"}, ["$.a: number, now text"]),
        ({"a": 1}, {"a": True}, ["$.a: number, now boolean"]),
        ({"a": {"b": 1}}, {"a": {"c": 1}}, ["$.a.b is no longer there", "$.a.c is new"]),
        ({"a": None}, {"a": {"b": 1}}, []),
        ({"a": {"b": 1}}, {"a": None}, []),
        ([1, 2, 3], [], []),
        ([], [1], []),
        ([1, 2], [1, "x"], ["$[]: number, now text"]),
        ([1, "x"], ["x"], []),
        ([{"a": 1}, {"a": 1, "b": 2}], [{"a": 1}], []),
        ([{"a": 1}, {"a": 1, "b": 2}], [{"b": 1}], ["$[].a is no longer there"]),
        ([{"a": 1}, {"b": 2}], [{"a": "x"}], ["$[].a: number, now text"]),
        ([{"a": 1}, None], [{"a": 1}, {"a": 1, "b": 1}], ["$[].b is new"]),
        ([[1]], [[[1]]], ["$[][]: number, now list"]),
        ({"a": 1}, [1], ["$: object, now list"]),
    ],
)
def test_the_structure_of_json(before: Any, after: Any, changed: list[str]) -> None:
    assert changes(entry(before), entry(after)) == changed


def test_status_and_names_of_fields() -> None:
    before = entry(1, 200, ("X-A", "1"), ("Date", "then"), ("ETag", "1"), ("Set-Cookie", "a"))
    after = entry("x", 404, ("x-a", "2"), ("X-B", "1"), ("Age", "1"))

    assert changes(before, after) == ["status 200, now 404", "header x-b is new"]
    assert changes(after._replace(status=200), before) == ["header x-b is no longer there", "$: text, now number"]


def test_a_body_that_is_json_or_not() -> None:
    text = Entry("GET", "http://a.test/", fields=(("Content-Type", "text/html"),), body=b"<p>")

    assert changes(entry(1), text) == ["the body is no longer JSON"]
    assert changes(text, entry(1)) == ["the body is now JSON"]
    assert changes(text, text._replace(body=b"<b>")) == []


def test_of_many_changes_the_first_are_told() -> None:
    told = changes(entry({}), entry({str(number): 1 for number in range(100)}))
    assert (len(told), told[-1]) == (21, "and 80 more")


@pytest.mark.parametrize(
    ("started", "said"),
    [
        ("", "at an unknown time"),
        ("2999-01-01T00:00:00Z", "today"),
        ("2020-01-01T00:00:00.000Z", "days ago"),
    ],
)
def test_the_age(started: str, said: str) -> None:
    assert age(Entry("GET", "http://a.test/", started=started)).endswith(said)


def test_a_test_runs_on_the_recording_and_then_real_hosts_are_asked(
    har: Har, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = {"text": '{"id": 7, "name": "Ada"}', "mimeType": "application/json"}
    fields = {"response": {"headers": [{"name": "Content-Type", "value": "application/json"}]}}
    path = har(
        ("GET", "http://api.test/me?access_token=***", 200, content, fields),
        ("GET", "http://api.test/same", 200, "as it was"),
        ("GET", "http://api.test/unused", 200, ""),
        ("GET", "http://gone.test/", 200, ""),
    )
    with HTTPServe() as real, HTTPServe(record="compare") as server:
        RUNNING.discard(server)
        me = real.on("GET", "/me", query={"access_token": "mine"}, headers={"X-A": "b"}).respond(json={"name": "Bob"})
        same = real.on("GET", "/same").respond(text="another text")
        monkeypatch.setitem(upstream.ADDRESSES, ("api.test", 80), (real.host, real.port))
        monkeypatch.setitem(upstream.ADDRESSES, ("gone.test", 80), (real.host, 1))
        server.serve_recording(path)
        answer = ask(server, "http://api.test/me?access_token=mine", headers={"X-A": "b"})
        assert json.loads(answer[2]) == {"id": 7, "name": "Ada"}
        for url in ("http://api.test/same", "http://api.test/same", "http://gone.test/"):
            ask(server, url)
        assert real.exchanges == ()
        server.check_expectations()
        server.check_expectations()

        (failure,) = server.take_failures()
        assert failure.startswith(f"{path} is no longer what the real hosts answer:\n  GET http://api.test/me")
        assert " days ago)\n    header server is new\n    $.id is no longer there\n" in failure
        assert "  GET http://gone.test/ " in failure
        assert "    the host cannot be reached: " in failure
        assert "unused" not in failure
        assert (me.call_count, same.call_count) == (1, 1)
        before = path.read_bytes()
    assert path.read_bytes() == before
