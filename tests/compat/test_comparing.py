"""What counts as a fault between two outcomes of a case, and what a case may excuse."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from tests.compat.comparing import faults_of_model, faults_of_ours
from tests.compat.running import Outcome
from tests.compat.table import COMPLAINT, ERROR_PAGES, SAYS_CLOSE, Case, Kind

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"
THEIRS = Outcome(seen=[1], heard=((HEAD + b"\r\nok", "closed"),), logged=("a line",))


def case(**options: Any) -> Case:  # fields of Case
    return Case(1, "subject", "name", lambda http, run: [1], [1], **options)


def ours(**changes: Any) -> Outcome:  # fields of Outcome
    return dataclasses.replace(THEIRS, **changes)


def test_the_same_is_no_fault() -> None:
    assert list(faults_of_model(case(), THEIRS)) == []
    assert list(faults_of_ours(case(), THEIRS, THEIRS)) == []


@pytest.mark.parametrize("outcome", [ours(seen=[2]), ours(trouble="it hung")])
def test_a_model_that_does_not_do_what_the_case_says(outcome: Outcome) -> None:
    assert len(list(faults_of_model(case(), outcome))) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"seen": [2]},
        {"heard": ((HEAD + b"\r\nno", "closed"),)},
        {"heard": ((HEAD + b"Connection: close\r\n\r\nok", "closed"),)},
        {"heard": ((HEAD + b"\r\nok", "open"),)},
        {"heard": ()},
        {"logged": ()},
        {"trouble": "it hung"},
    ],
)
def test_whatever_is_different_is_a_fault(changes: dict[str, Any]) -> None:
    assert len(list(faults_of_ours(case(), THEIRS, ours(**changes)))) == 1


def test_a_header_may_be_added_where_the_case_says_so() -> None:
    added = ours(heard=((HEAD + b"Connection: close\r\n\r\nok", "closed"),))
    assert list(faults_of_ours(case(differs=(SAYS_CLOSE,)), THEIRS, added)) == []


def test_a_line_may_be_added_where_the_case_says_so() -> None:
    added = ours(logged=("a line", "the handler announced 2 bytes and wrote 3"))
    assert list(faults_of_ours(case(differs=(COMPLAINT,)), THEIRS, added)) == []
    assert len(list(faults_of_ours(case(), THEIRS, added))) == 1


def test_a_difference_that_has_gone_is_a_fault() -> None:
    assert len(list(faults_of_ours(case(differs=(SAYS_CLOSE,)), THEIRS, THEIRS))) == 1
    assert len(list(faults_of_ours(case(ours=[2], reason="better"), THEIRS, THEIRS))) == 2


def test_a_result_of_ours_that_is_named() -> None:
    named = case(ours=[2], reason="better")
    assert list(faults_of_ours(named, THEIRS, ours(seen=[2], heard=()))) == []
    assert len(list(faults_of_ours(named, THEIRS, ours(seen=[3])))) == 1


@pytest.mark.parametrize("options", [{"ours": [2]}, {"reason": "better"}])
def test_a_difference_and_its_reason_come_together(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="needs a reason"):
        Kind(1, "subject").case(gives=[1], **options)(lambda http, run: [1])


def page(text: bytes) -> bytes:
    whole = b"<!DOCTYPE HTML>\n<html>%s</html>\n" % text
    return b"HTTP/1.1 404 No\r\nContent-Length: %d\r\n\r\n" % len(whole) + whole


def test_a_page_may_be_another_where_the_case_says_so() -> None:
    theirs, mine = ours(heard=((page(b"old"), "closed"),)), ours(heard=((page(b"newer"), "closed"),))
    assert list(faults_of_ours(case(differs=(ERROR_PAGES,)), theirs, mine)) == []
    assert len(list(faults_of_ours(case(), theirs, mine))) == 1
