"""Targets are judged by what was measured, and only a peer that is better everywhere beats ours."""

import pytest

from tests.benchmarks.measures import MODULES
from tests.benchmarks.peers import BASELINE, ENGINE, FIXTURE, LIMIT, UVICORN
from tests.benchmarks.plan import Figure
from tests.benchmarks.targets import TARGETS, Verdict, compared, judge, without_gaps


def verdicts(key: str, rounds: dict[str, list[float]], *more: Figure, better: str = "higher") -> list[Verdict]:
    figure = Figure(key, key, "", "higher" if better == "higher" else "lower", rounds=rounds)
    return [verdict for verdict in judge([figure, *more]) if verdict.figure is figure]


def word(found: list[Verdict], against: str, bound: float, ours: str = FIXTURE) -> str:
    found = [each for each in found if each.target.ours == ours]
    return next(each.word for each in found if (each.target.against, each.target.bound) == (against, bound))


def test_a_target_that_is_reached_is_met() -> None:
    found = verdicts("load.8", {FIXTURE: [30.0, 31.0], "stdlib": [10.0, 10.0]})
    assert word(found, "stdlib", 2.5) == "met"
    assert not any(verdict.beaten for verdict in found)


def test_a_target_that_is_missed_is_no_defeat() -> None:
    found = verdicts("load.8", {FIXTURE: [20.0, 20.0], "stdlib": [10.0, 10.0]})
    assert word(found, "stdlib", 2.5) == "not met"
    assert not any(verdict.beaten for verdict in found)


def test_a_peer_that_is_better_in_every_round_has_beaten_ours() -> None:
    found = verdicts("load.8", {FIXTURE: [10.0, 11.0], "stdlib": [20.0, 20.0]})
    assert word(found, "stdlib", 1.0) == "beaten"
    assert any(verdict.beaten for verdict in found)


@pytest.mark.parametrize("theirs", [[20.0, 20.0, 10.0], [10.5, 10.5, 10.5]])
def test_one_even_round_or_a_small_distance_is_no_defeat(theirs: list[float]) -> None:
    found = verdicts("load.8", {FIXTURE: [10.0, 10.0, 10.0], "stdlib": theirs})
    assert not any(verdict.beaten for verdict in found)


def test_where_less_is_better_more_is_a_defeat() -> None:
    found = verdicts("roundtrip", {FIXTURE: [300.0, 310.0], "stdlib": [200.0, 200.0]}, better="lower")
    assert any(verdict.beaten for verdict in found)


def test_a_peer_that_was_never_beaten_is_shown_and_fails_nothing() -> None:
    found = verdicts("suite", {FIXTURE: [3.0, 3.0], "waitress": [2.0, 2.0], "stdlib": [2.0, 2.0]}, better="lower")
    assert word(found, "waitress", 1.0) == "not met"
    assert word(found, "stdlib", 1.0) == "beaten"


@pytest.mark.parametrize("reference", [LIMIT, UVICORN])
def test_behind_a_reference_nobody_is_beaten(reference: str) -> None:
    found = verdicts("load.8", {FIXTURE: [10.0], reference: [90.0]})
    assert "not met" in {verdict.word for verdict in found if verdict.target.against == reference}
    assert not any(verdict.beaten for verdict in found)


def test_what_is_informative_decides_nothing() -> None:
    found = verdicts("load.8", {FIXTURE: [30.0], ENGINE: [1.0], "stdlib": [10.0]})
    engine = [verdict for verdict in found if verdict.target.ours == ENGINE]
    assert engine
    assert not any(verdict.target.judged or verdict.beaten or verdict.absent for verdict in engine)


def test_what_is_informative_has_no_row_when_it_was_not_measured() -> None:
    found = verdicts("load.8", {FIXTURE: [30.0], "stdlib": [10.0]})
    assert {verdict.target.ours for verdict in found} == {FIXTURE}


def test_ours_without_a_figure_is_absent() -> None:
    found = verdicts("load.8", {"stdlib": [10.0]})
    assert all(verdict.absent and verdict.word == "not measured" for verdict in found)


def test_a_figure_can_be_held_against_another_of_the_same_server() -> None:
    one = Figure("scripting.json", "", "", "higher", rounds={FIXTURE: [30.0]})
    (found,) = verdicts("scripting.json.1000", {FIXTURE: [24.0]}, one)
    assert found.measured == 0.8
    assert found.word == "met"


def test_figures_of_nothing_are_no_divisors() -> None:
    found = verdicts("suite", {FIXTURE: [1.0], "stdlib": [0.0], "cheroot": [-0.1]}, better="lower")
    assert {verdict.word for verdict in found} == {"not measured"}


def test_every_target_is_of_a_measure() -> None:
    assert {target.figure.partition(".")[0] for target in TARGETS} <= {*MODULES}


def test_a_short_run_asks_for_those_who_could_win() -> None:
    assert compared("files.1k") == {ENGINE, "stdlib", "stdlib-as-is", BASELINE}
    assert {FIXTURE, "stdlib", "cheroot", "waitress"} < compared("load.8")
    assert not {LIMIT, UVICORN, ENGINE} & compared("load.8")
    assert compared("nothing") == set()


def test_a_short_run_shows_no_gaps_but_what_ours_has_left() -> None:
    found = without_gaps(verdicts("load.8", {FIXTURE: [30.0], "stdlib": [10.0]}))
    assert {verdict.target.against for verdict in found} == {"stdlib"}
    absent = without_gaps(verdicts("load.8", {"stdlib": [10.0]}))
    assert absent


def test_a_single_round_is_no_defeat() -> None:
    found = verdicts("load.8", {FIXTURE: [10.0], "stdlib": [90.0]})
    assert not any(verdict.beaten for verdict in found)
