"""A client that tries again after a server error, but not too often."""

import time
from collections.abc import Callable

import pytest
import requests
from requests.adapters import HTTPAdapter
from urllib3 import Retry

from pytest_httpserve import HTTPServe


@pytest.fixture
def session() -> requests.Session:
    """The code under test: makes up to three attempts, with a very short back-off."""
    session = requests.Session()
    session.mount("http://", HTTPAdapter(max_retries=Retry(2, backoff_factor=0.001, status_forcelist=[503])))
    return session


def test_the_third_attempt_succeeds(httpserve: HTTPServe, session: requests.Session) -> None:
    jobs = httpserve.on("GET", "/jobs").respond(503, times=2).respond(json=["a", "b"])

    assert session.get(httpserve.url_for("/jobs"), timeout=5).json() == ["a", "b"]
    jobs.assert_called(times=3)


def test_the_client_gives_up_after_three_attempts(httpserve: HTTPServe, session: requests.Session) -> None:
    httpserve.on("GET", "/jobs").respond(503).expect(times=3)

    with pytest.raises(requests.exceptions.RetryError):
        session.get(httpserve.url_for("/jobs"), timeout=5)


def test_a_post_is_not_repeated(httpserve: HTTPServe, session: requests.Session) -> None:
    httpserve.on("POST", "/jobs").respond(503).expect(times=1)

    assert session.post(httpserve.url_for("/jobs"), timeout=5).status_code == 503


def patient_get(url: str, sleep: Callable[[float], object] = time.sleep) -> requests.Response:
    """The code under test: waits as long as Retry-After says, then tries again."""
    while (response := requests.get(url, timeout=5)).status_code == 503:
        sleep(float(response.headers["Retry-After"]))
    return response


def test_the_client_waits_as_long_as_it_is_told(httpserve: HTTPServe) -> None:
    httpserve.on("GET", "/jobs").respond(503, headers={"Retry-After": 120}).respond(text="done")
    waits: list[float] = []

    assert patient_get(httpserve.url_for("/jobs"), sleep=waits.append).text == "done"
    assert waits == [120]
