"""An order that goes from state to state: the responses depend on earlier requests."""

import requests

from pytest_httpserve import HTTPServe


def test_an_order_is_paid_and_shipped(httpserve: HTTPServe) -> None:
    flow = httpserve.scenario("order")
    flow.on("GET", "/orders/1").when("new").respond(json={"state": "open"})
    flow.on("POST", "/orders/1/payment").when("new").respond(204).then("paid")
    flow.on("POST", "/orders/1/payment").when("paid").respond(409)
    flow.on("GET", "/orders/1").when("paid").respond(json={"state": "paid"})
    order, payment = httpserve.url_for("/orders/1"), httpserve.url_for("/orders/1/payment")

    assert requests.get(order, timeout=5).json() == {"state": "open"}
    assert requests.post(payment, timeout=5).status_code == 204
    assert requests.get(order, timeout=5).json() == {"state": "paid"}
    assert requests.post(payment, timeout=5).status_code == 409
    assert flow.state == "paid"


def test_a_job_is_polled_until_it_is_done(httpserve: HTTPServe) -> None:
    job = httpserve.on("GET", "/jobs/1").respond(json={"done": False}, times=3).respond(json={"done": True})

    while not requests.get(httpserve.url_for("/jobs/1"), timeout=5).json()["done"]:
        pass

    job.assert_called(times=4)
