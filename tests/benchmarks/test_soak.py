"""The soak, for a moment: that it runs, counts what good clients see, and says what must not be."""

import pytest

from tests.benchmarks.soak import Outcome, soak

pytestmark = pytest.mark.same_everywhere


@pytest.mark.needs("/proc/self")
def test_good_clients_are_answered_beside_hostile_ones() -> None:
    outcome = soak(3, first=1)

    assert not outcome.errors
    assert outcome.answers > 0
    assert 0 < outcome.median <= outcome.p99 <= outcome.worst
    assert outcome.early > 0 and outcome.late > 0


@pytest.mark.parametrize(
    ("errors", "worst", "late", "faults"),
    [
        ((), 99.0, 79.0, []),
        (("after 1 s: 500",), 99.0, 79.0, ["a good client was not answered after 1 s: 500"]),
        ((), 101.0, 79.0, ["the worst answer took more than 100 ms"]),
        ((), 99.0, 81.0, ["resident memory has grown by more than 30 MiB"]),
    ],
)
def test_what_must_not_be_is_said(errors: tuple[str, ...], worst: float, late: float, faults: list[str]) -> None:
    assert Outcome(100, errors, 1.0, 2.0, worst, 50.0, late).faults == faults
