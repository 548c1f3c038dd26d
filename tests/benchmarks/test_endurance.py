"""The measure of endurance, in small: of very many requests, a server keeps as much as of few."""

import pytest

from tests.benchmarks.measures.endurance import aged, answers
from tests.benchmarks.peers import FIXTURE, available
from tests.benchmarks.plan import Plan

pytestmark = pytest.mark.same_everywhere


@pytest.mark.needs("wrk", "/proc/self")
def test_a_server_is_measured_as_it_ages() -> None:
    (peer,) = [peer for peer in available([]) if peer.name == FIXTURE]
    early, late, grown = aged(peer, Plan(0.1, 1, []), 10, 2_000, 15_000, turn=0.2)

    assert 0 < early < 10_000
    assert 0 < late < 10_000
    assert grown < 60


def test_a_report_of_wrk_says_how_many_were_answered() -> None:
    assert answers("  31234 requests in 1.00s, 4.40MB read\n") == 31234
    with pytest.raises(RuntimeError, match="wrk reported 'nothing'"):
        answers("nothing")
