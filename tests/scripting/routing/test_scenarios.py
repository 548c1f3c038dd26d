"""Scenarios: routes that answer by a state."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from pytest_httpserve import HTTPServe, Request
from pytest_httpserve.errors import UsageError


def get(server: HTTPServe, path: str = "/o/1") -> str:
    return requests.get(server.url_for(path), timeout=10).text


def test_a_route_answers_only_in_its_state(server: HTTPServe) -> None:
    flow = server.scenario("order")
    flow.on("GET", "/o/1").when("new").respond(text="open")
    flow.on("GET", "/o/1").when("paid").respond(text="paid")
    flow.on("POST", "/o/1/pay").when("new").respond(201).then("paid")

    assert get(server) == "open"
    requests.post(server.url_for("/o/1/pay"), timeout=10)
    assert get(server) == "paid"
    assert flow.state == "paid"
    assert requests.post(server.url_for("/o/1/pay"), timeout=10).status_code == 404


def test_each_response_of_a_sequence_may_lead_to_a_state(server: HTTPServe) -> None:
    flow = server.scenario("job")
    flow.on("GET", "/o/1").when("new").respond(text="1", times=2).respond(text="2").then("done")
    flow.on("GET", "/o/1").when("done").respond(text="3")

    assert [get(server) for _ in range(5)] == ["1", "1", "2", "3", "3"]


def test_a_route_without_a_state_answers_in_every_one(server: HTTPServe) -> None:
    flow = server.scenario("order")
    flow.on("GET", "/o/1").respond(text="any")
    flow.state = "whatever"

    assert get(server) == "any"


def test_a_route_of_a_scenario_has_no_priority_by_itself(server: HTTPServe) -> None:
    server.scenario("order").on("GET", "/o/1").respond(text="the scenario")
    server.on("GET", "/o/1").respond(text="later")

    assert get(server) == "later"


def test_the_test_may_set_the_state_itself(server: HTTPServe) -> None:
    flow = server.scenario("order")
    flow.on("GET", "/o/1").when("paid").respond(text="paid")
    flow.state = "paid"

    assert get(server) == "paid"
    assert repr(flow) == "<Scenario 'order' in state 'paid'>"


def test_a_route_that_has_answered_before_leaves_the_path_to_the_next_state(server: HTTPServe) -> None:
    """Nothing that was found for a path before outlives the state in which it was found."""
    server.on("GET", "/o/1").respond(text="of no scenario")
    flow = server.scenario("order")
    flow.on("GET", "/o/1").when("paid").respond(text="paid")
    flow.on("GET", "/o/{id:int}").when("sent").respond(text="sent")

    answers = {"new": "of no scenario", "paid": "paid", "sent": "sent"}
    for state in ("new", "paid", "new", "sent", "paid", "sent", "new"):
        flow.state = state
        assert [get(server), get(server)] == [answers[state]] * 2


def test_two_scenarios_do_not_know_each_other(server: HTTPServe) -> None:
    one, other = server.scenario("one"), server.scenario("other")
    one.on("GET", "/one").respond(text="1").then("done")
    other.on("GET", "/other").when("new").respond(text="still new")
    get(server, "/one")

    assert get(server, "/other") == "still new"


def test_what_is_unanswered_says_in_which_state(server: HTTPServe) -> None:
    route = server.scenario("order").on("GET", "/o/1").when("paid").respond()

    assert get(server) == (
        "nothing answers GET /o/1: the nearest route differs in scenario order: expected 'paid', got 'new'\n"
        f"  {route}\n"
        "    ✓ method: 'GET'\n"
        "    ✓ path: /o/1\n"
        "    ✗ scenario order\n"
        "        expected: 'paid'\n"
        "        got:      'new'\n"
    )


def test_states_are_for_the_routes_of_a_scenario(server: HTTPServe) -> None:
    for name in ("when", "then"):
        with pytest.raises(UsageError, match=rf"^{name}\(\) is for the routes of a scenario: flow = "):
            getattr(server.on("GET", "/a").respond(), name)("new")


def test_a_state_follows_a_response(server: HTTPServe) -> None:
    with pytest.raises(UsageError, match=r"^then\(\) follows a response, but the route has none yet$"):
        server.scenario("order").on("GET", "/a").then("new")


@pytest.mark.parametrize("state", [None, 5, b"new"])
@pytest.mark.parametrize("name", ["when", "then"])
def test_what_is_no_state_is_refused(server: HTTPServe, name: str, state: Any) -> None:
    with pytest.raises(UsageError, match=r"^a state must be a str, not "):
        getattr(server.scenario("order").on("GET", "/a").respond(), name)(state)


@pytest.mark.parametrize("name", [None, 5, ""])
def test_what_is_no_name_is_refused(server: HTTPServe, name: Any) -> None:
    with pytest.raises(UsageError, match=r"^a scenario needs a name, a non-empty str, not "):
        server.scenario(name)


def test_the_same_name_is_the_same_scenario(server: HTTPServe) -> None:
    server.scenario("order").state = "paid"

    assert server.scenario("order").state == "paid"
    assert server.scenario("another").state == "new"


def test_a_state_is_left_by_one_of_many_requests_at_once(server: HTTPServe) -> None:
    flow = server.scenario("seat")
    both_found = threading.Barrier(8, timeout=10)
    flow.on("GET", "/o/{late:int}").when("taken").handle(lambda request: f"too late for {request.path_params}")

    def wait_for_the_others(request: Request) -> bool:
        if request.headers.get("x-first-look") == "yes":
            both_found.wait()
        return True

    flow.on("GET", "/o/1", where=wait_for_the_others).when("new").respond(text="yours").then("taken")

    def ask(_: int) -> str:
        return requests.get(server.url_for("/o/1"), headers={"X-First-Look": "yes"}, timeout=10).text

    with ThreadPoolExecutor(8) as pool:
        answers = sorted(pool.map(ask, range(8)))
    assert answers == ["too late for {'late': 1}"] * 7 + ["yours"]
