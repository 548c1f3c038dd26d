"""A wrong value is refused in one sentence: the argument, what is allowed, the value."""

import math
import threading
from collections.abc import Callable

import pytest

from pytest_httpserve import UsageError
from pytest_httpserve.arguments import (
    check_above_zero,
    check_count,
    check_number,
    check_seconds,
    check_switch,
    check_timeout,
)


@pytest.mark.parametrize(
    ("check", "says"),
    [
        (lambda: check_count("times=", -1), "times= must be a whole number, 0 or more, not -1"),
        (lambda: check_count("times=", 0, least=1), "times= must be a whole number, 1 or more, not 0"),
        (lambda: check_count("times=", True), "times= must be a whole number, 0 or more, not True"),
        (lambda: check_count("times=", 1.0), "times= must be a whole number, 0 or more, not 1.0"),
        (lambda: check_count("port=", 65536, most=65535), "port= must be a whole number from 0 to 65535, not 65536"),
        (lambda: check_count("seed=", "a", least=None), "seed= must be a whole number, not 'a'"),
        (lambda: check_count("n=", 3, least=None, most=2), "n= must be a whole number up to 2, not 3"),
        (lambda: check_count("every=", 0, least=1, what="a size"), "every= must be a size, 1 or more, not 0"),
        (lambda: check_number("probability=", 2, least=0, most=1), "probability= must be a number from 0 to 1, not 2"),
        (
            lambda: check_number("probability=", math.nan, least=0, most=1),
            "probability= must be a number from 0 to 1, not nan",
        ),
        (lambda: check_number("priority=", False), "priority= must be a number, not False"),
        (lambda: check_above_zero("rate=", 0, "a pace"), "rate= must be a pace above 0, not 0"),
        (lambda: check_above_zero("rate=", math.inf, "a pace"), "rate= must be a pace above 0, not inf"),
        (lambda: check_seconds("grace=", -0.1), "grace= must be a number of seconds, 0 or more, not -0.1"),
        (lambda: check_seconds("grace=", None), "grace= must be a number of seconds, 0 or more, not None"),
        (lambda: check_timeout("timeout=", 0), "timeout= must be a number of seconds above 0, not 0"),
        (
            lambda: check_timeout("timeout=", 1e30),
            f"timeout= must be at most {threading.TIMEOUT_MAX:.0f} seconds, not 1e+30",
        ),
        (lambda: check_switch("strict=", 1), "strict= must be True or False, not 1"),
    ],
)
def test_a_wrong_value_is_refused(check: Callable[[], object], says: str) -> None:
    with pytest.raises(UsageError) as refused:
        check()
    assert str(refused.value) == says


def test_a_right_value_is_given_back() -> None:
    assert check_count("times=", 0) == 0
    assert check_count("seed=", -3, least=None) == -3
    assert check_number("probability=", 1, least=0, most=1) == 1
    assert check_above_zero("rate=", 0.5, "a pace") == 0.5
    assert check_seconds("grace=", 0) == 0
    assert check_timeout("timeout=", 2) == 2.0
    assert check_switch("strict=", False) is False
