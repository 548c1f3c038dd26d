"""A request that fits method and path of a route, and not the rest, is not left to what is beneath the routes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests

from pytest_httpserve import HTTPServe, UsageError


@pytest.fixture(params=["directory", "application", "queue"])
def beneath(request: pytest.FixtureRequest, server: HTTPServe, tmp_path: Path) -> None:
    """Something that answers ``/a`` with ``beneath``."""

    def application(environ: dict[str, Any], start_response: Callable[..., object]) -> list[bytes]:
        start_response("200 OK", [])
        return [b"beneath"]

    if request.param == "directory":
        (tmp_path / "a").write_text("beneath")
        server.serve_dir(tmp_path)
    elif request.param == "application":
        server.mount("/", application)
    else:
        server.enqueue(text="beneath")


@pytest.mark.usefixtures("beneath")
@pytest.mark.parametrize("method", ["GET", "*"])
def test_a_near_miss_fails_the_test(server: HTTPServe, method: str) -> None:
    server.on(method, "/a", query={"page": "1"}).respond(text="above")

    answer = requests.get(server.url_for("/a?page=2"), timeout=10)

    [failure] = server.take_failures()
    assert (answer.status_code, answer.text) == (404, failure)
    assert failure.startswith(
        "nothing answers GET /a?page=2: the nearest route differs in query page: expected '1', got '2'\n"
    )
    assert "✗ query" in failure
    assert (
        'not used, because a route matches method and path: give that route otherwise="continue" to allow it\n'
        in failure
    )
    assert server.explain("GET", "/a?page=2") == failure
    assert requests.get(server.url_for("/a?page=1"), timeout=10).text == "above"


@pytest.mark.usefixtures("beneath")
def test_a_route_may_leave_it_to_what_is_beneath(server: HTTPServe) -> None:
    server.on("GET", "/a", query={"page": "1"}, otherwise="continue").respond(text="above")

    assert requests.get(server.url_for("/a?page=2"), timeout=10).text == "beneath"
    assert requests.get(server.url_for("/a?page=1"), timeout=10).text == "above"
    assert server.failures == ()


@pytest.mark.usefixtures("beneath")
@pytest.mark.parametrize(
    "say",
    [
        lambda server: server.on("POST", "/a", body="b").respond(),
        lambda server: server.on("GET", "/b", headers={"X": "y"}).respond(),
        lambda server: server.on("*", headers={"X": "y"}).respond(),
        lambda server: server.scenario("one").on("GET", "/a").when("later").respond(),
        lambda server: server.scenario("one").on("GET", "/a", headers={"X": "y"}).when("later").respond(),
        lambda server: server.scenario("one").on("GET", "/a", headers={"X": "y"}, otherwise="continue").respond(),
    ],
    ids=["method", "path", "any path", "state", "state and more", "continue"],
)
def test_what_fits_less_is_none(server: HTTPServe, say: Callable[[HTTPServe], object]) -> None:
    say(server)

    assert requests.get(server.url_for("/a"), timeout=10).text == "beneath"
    assert server.failures == ()


@pytest.mark.usefixtures("beneath")
def test_a_head_comes_as_near_as_a_get(server: HTTPServe) -> None:
    server.on("GET", "/a", headers={"X": "y"}).respond()

    assert requests.head(server.url_for("/a"), timeout=10).status_code == 404
    assert len(server.take_failures()) == 1


@pytest.mark.usefixtures("beneath")
def test_a_body_that_comes_near_is_taken(server: HTTPServe) -> None:
    server.on("POST", "/a", json={"item": "tea"}).respond()

    requests.post(server.url_for("/a"), json={"item": "coffee"}, timeout=10)

    assert "✗ json" in server.take_failures()[0]
    assert server.exchanges[0].request.json() == {"item": "coffee"}


def test_what_becomes_of_a_near_miss_is_one_of_two(server: HTTPServe) -> None:
    with pytest.raises(UsageError, match=r"^otherwise= must be 'fail' or 'continue', not 'ignore'$"):
        server.on("GET", "/a", otherwise="ignore")  # type: ignore[arg-type]  # which is the test
