"""How far a request goes is counted."""

import pytest

from tests.shape import KINDS, shape_of


@pytest.mark.parametrize("kind", KINDS)
def test_the_way_of_a_request_is_counted(kind: str) -> None:
    shape = shape_of(kind)
    assert 0 < shape.files <= shape.changes < shape.calls


def test_a_request_that_asks_for_more_goes_farther() -> None:
    assert shape_of("plain route").calls < shape_of("where=").calls < shape_of("throttle=").calls
