"""Programs written for http.server, run over http.server and over ours, and compared."""

from __future__ import annotations

import functools
import http.server

import pytest

import pytest_httpserve.server
from tests.compat.comparing import faults_of_model, faults_of_ours
from tests.compat.kinds import CASES
from tests.compat.running import Outcome, run_case
from tests.compat.table import Case

# Programs that wrap their connection in TLS leave the new socket to the collector, over http.server too.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    # So says http.server's own class on Python 3.13 and 3.14.
    pytest.mark.filterwarnings("ignore:'http.server.CGIHTTPRequestHandler' is deprecated:DeprecationWarning"),
]


@functools.cache
def over_http_server(case: Case) -> Outcome:
    return run_case(case, http.server)


def check(faults: list[str], *outcomes: Outcome) -> None:
    if faults:
        pytest.fail("\n".join([*faults, *(outcome.errors for outcome in outcomes)]), pytrace=False)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_http_server_does_what_the_case_says(case: Case) -> None:
    if missing := case.missing():
        pytest.skip(missing)
    outcome = over_http_server(case)
    check(list(faults_of_model(case, outcome)), outcome)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_ours_does_the_same(case: Case) -> None:
    if missing := case.missing():
        pytest.skip(missing)
    theirs, ours = over_http_server(case), run_case(case, pytest_httpserve.server)
    check(list(faults_of_ours(case, theirs, ours)), ours)
