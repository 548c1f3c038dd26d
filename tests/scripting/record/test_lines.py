"""Exchanges, a line each."""

import pytest

from pytest_httpserve import ConnectionRecord, Exchange, Headers, Request, Transcript
from pytest_httpserve.scripting.record.lines import exchange_line

CLIENT = ("127.0.0.1", 50000)


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("/a", "GET /a at https://a.test -> no answer"),
        ("*", "GET * at https://a.test -> no answer"),
        ("http://b.test/a", "GET http://b.test/a -> no answer"),
    ],
)
def test_in_a_tunnel_it_says_where_it_led(target: str, said: str) -> None:
    connection = ConnectionRecord(0, CLIENT)
    connection.tunnelled = ("https://a.test", 0)
    request = Request("GET", target, Headers(), (1, 1), CLIENT)

    assert exchange_line(Exchange(request, Transcript(), connection)) == said


def test_without_a_tunnel_it_says_nothing_of_an_origin() -> None:
    request = Request("GET", "/a", Headers(), (1, 1), CLIENT)

    assert exchange_line(Exchange(request, Transcript(), ConnectionRecord(0, CLIENT))) == "GET /a -> no answer"
