"""The measure of hostile inputs, in small: each is answered as it should be, beside a good client."""

from pathlib import Path

import pytest

from tests.benchmarks.attacked import session
from tests.benchmarks.inputs import INPUTS, LISTING, TIMES, Input, ask, make_directory
from tests.benchmarks.measures.connections import room
from tests.benchmarks.measures.hostile import address_of_attacked, turn
from tests.benchmarks.serving import serve

pytestmark = [pytest.mark.same_everywhere, pytest.mark.needs("/proc/self", "select.poll")]


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("session")
    make_directory(directory)
    return directory


def test_there_are_fourteen() -> None:
    assert len({each.name for each in INPUTS}) == 14
    assert TIMES == (1, 2, 4)


def test_each_is_answered_as_it_should_be(directory: Path) -> None:
    with serve(session, str(directory)) as good:
        attacked = address_of_attacked(good)
        for each in INPUTS:
            each.send(attacked, LISTING.size if each is LISTING else each.size // 10)
        with pytest.raises(RuntimeError, match=r"404 was to be answered, not b'HTTP/1\.1 200 OK"):
            ask(attacked, b"GET / HTTP/1.0\r\n\r\n", expected=b"404")


def test_a_turn_has_time_memory_and_the_worst_answer(directory: Path) -> None:
    assert room(500)
    garbage: Input = next(each for each in INPUTS if each.name == "garbage")
    spent, grown, worst = turn(garbage, 20, directory)
    assert spent > 0
    assert grown >= 0
    assert worst > 0
