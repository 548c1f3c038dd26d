"""Tables, growth, drawings and the command line."""

import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tests.benchmarks import __main__ as program
from tests.benchmarks import measures, report
from tests.benchmarks.drawing import draw
from tests.benchmarks.peers import ENGINE, FIXTURE, LIMIT, Peer
from tests.benchmarks.plan import Figure, Plan, UnavailableError, interleave, p99, repeat_for
from tests.benchmarks.targets import judge

pytestmark = pytest.mark.same_everywhere

FIGURES = [
    Figure(
        "load.8", "8 keep-alive connections", "req/s", "higher", rounds={FIXTURE: [30_000, 32_000], LIMIT: [60_000]}
    ),
    Figure("load.8.p99", "  its p99", "ms", rounds={FIXTURE: [0.5], "a & <b>": [2.0], "c": [-1.0]}),
    *(Figure(f"routes.{n}", f"{n} routes", "req/s", "higher", at=n, rounds={FIXTURE: [9000]}) for n in (1, 10, 100)),
    *(Figure(f"tests.{n}", f"{n} tests", "s", at=n, rounds={FIXTURE: [0.01 * n]}) for n in (1, 10, 100)),
]


def plan() -> Plan:
    return Plan(seconds=0.01, repeat=2, notes=["something is to be said"])


def test_the_report_has_medians_ratios_growth_targets_and_notes() -> None:
    text = report.text(FIGURES, judge(FIGURES), plan())
    assert "31,000" in text
    assert "Multiples of raw, the limit" in text
    assert f"{FIXTURE} in multiples of each" in text
    assert "issue 7" in text
    assert "something is to be said" in text


def test_growth_is_told_by_its_shape() -> None:
    text = report.growths(FIGURES)
    assert [line.split("  ")[-1].strip() for line in text.splitlines()[2:]] == ["flat", "a straight line"]


@pytest.mark.parametrize(
    ("last", "shape"),
    [
        (1.0, "falls"),
        (10.0, "flat"),
        (30.0, "less than a straight line"),
        (100.0, "a straight line"),
        (300.0, "more than a straight line"),
    ],
)
def test_shapes_of_growth(last: float, shape: str) -> None:
    power = report.growth([(1, 10.0), (10, last)])
    assert power is not None
    assert report.shape(power) == shape


def test_one_size_does_not_grow() -> None:
    assert report.growth([(1, 10.0)]) is None


def test_data_has_every_round() -> None:
    data = report.data(FIGURES, judge(FIGURES), plan())
    assert data["figures"]["load.8"]["rounds"][FIXTURE] == [30_000, 32_000]
    assert data["figures"]["load.8"]["median"][LIMIT] == 60_000
    assert {target["judged"] for target in data["targets"]} == {True}


def test_drawings_are_whole_and_name_everyone(tmp_path: Path) -> None:
    written = draw(FIGURES, tmp_path / "new")
    assert [path.name for path in written] == ["load.svg", "routes.svg", "tests.svg"]
    for path in written:
        root = ElementTree.fromstring(path.read_text(encoding="utf-8"))
        texts = ["".join(element.itertext()) for element in root.iter("{http://www.w3.org/2000/svg}text")]
        assert FIXTURE in texts
        assert "prefers-color-scheme: dark" in path.read_text(encoding="utf-8")
    assert "a & <b>" in "".join(ElementTree.fromstring(written[0].read_text(encoding="utf-8")).itertext())


def test_a_bar_that_would_hide_the_others_has_a_gap(tmp_path: Path) -> None:
    even = Figure("cycle", "title", "ms", rounds={"a": [1.0], "b": [2.0], "c": [3.0]})
    uneven = Figure("load", "title", "ms", rounds={"a": [1.0], "b": [2.0], "c": [300.0]})
    below = Figure("startup", "title", "ms", rounds={"a": [-1.0], "b": [-2.0]})
    assert draw([below], tmp_path)
    (first, second) = (path.read_text(encoding="utf-8") for path in draw([even, uneven], tmp_path))
    assert (first.count('class="ground"'), second.count('class="ground"')) == (1, 2)


def test_the_p99_is_what_one_in_a_hundred_exceeds() -> None:
    assert p99(range(100)) == 99
    assert p99(range(1000)) == 990
    assert p99([7.0]) == 7.0


def test_what_is_repeated_happens_once_at_least() -> None:
    assert repeat_for(0.0, lambda: 3.0) == [3.0]


def test_peers_take_turns_in_an_order_that_rotates() -> None:
    order: list[str] = []

    def turn(peer: Peer) -> list[float]:
        order.append(peer.name)
        return [1.0]

    interleave([Figure("key", "title", "ms")], [Peer("a"), Peer("b")], plan(), turn)
    assert order == ["a", "b", "b", "a"]


def test_who_fails_is_out_and_noted() -> None:
    def turn(peer: Peer) -> list[float]:
        if peer.name == "b":
            raise RuntimeError("broken")
        return [1.0]

    run = plan()
    (figure,) = interleave([Figure("key", "title", "ms")], [Peer("a"), Peer("b")], run, turn)
    assert figure.rounds == {"a": [1.0, 1.0]}
    assert "key: b failed, RuntimeError: broken" in run.notes


def test_a_measure_that_breaks_off_costs_no_other_and_is_no_success(monkeypatch: pytest.MonkeyPatch) -> None:
    def find(name: str) -> measures.Run:
        return {"load": lambda peers, plan: [FIGURES[0]], "tls": lambda peers, plan: [][1]}[name]

    monkeypatch.setattr(measures, "find", find)
    run = plan()
    figures, whole = program.measure(["tls", "load"], [], run)
    assert figures == [FIGURES[0]]
    assert not whole
    assert "tls: broke off, IndexError: list index out of range" in run.notes


def test_a_measure_that_cannot_be_taken_is_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    def unavailable(peers: Sequence[Peer], plan: Plan) -> list[Figure]:
        raise UnavailableError("wrk is not installed")

    monkeypatch.setattr(measures, "find", lambda name: unavailable)
    run = plan()
    assert program.measure(["load"], [], run) == ([], True)
    assert "load: not measured, wrk is not installed" in run.notes


def test_past_the_deadline_each_figure_has_one_round() -> None:
    late = replace(plan(), deadline=0.0)
    (figure,) = interleave([Figure("key", "title", "ms")], [Peer("a")], late, lambda _: [1.0])
    assert figure.rounds == {"a": [1.0]}
    assert "the machine is slow: there was no time for all rounds" in late.notes


@pytest.mark.parametrize("name", measures.MODULES)
def test_every_measure_can_be_found(name: str) -> None:
    assert callable(measures.find(name))


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["nothing"], "no such measure: nothing; there are suite"),
        (["--repeat", "0"], "0 is less than 1"),
        (["--seconds", "0"], "0 is not between 0 and 3600"),
        (["--peers", "nobody"], "no such peer: nobody; there are raw"),
        (["--json", "/nowhere/figures.json"], "--json: /nowhere/figures.json is no file in a directory that exists"),
        (["--svg", __file__], "is no directory"),
    ],
)
def test_wrong_arguments_are_refused(
    arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["benchmarks", *arguments])
    with pytest.raises(SystemExit) as exit:
        program.main()
    assert complaint in capsys.readouterr().err + str(exit.value)


def test_a_small_run_prints_writes_and_draws(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ["--peers", "raw", "--seconds", "0.01", "--repeat", "1"]
    files = ["--json", str(tmp_path / "figures.json"), "--svg", str(tmp_path)]
    monkeypatch.setattr("sys.argv", ["benchmarks", "roundtrip", *options, *files])
    assert program.main() in (0, 1)
    assert "round trip of http.client" in capsys.readouterr().out
    assert f'"{ENGINE}"' in (tmp_path / "figures.json").read_text()
    assert (tmp_path / "roundtrip.svg").exists()
