"""docs/check.md has the entries of the catalogue, and what well-known clients make of them."""

from __future__ import annotations

import pytest
from _pytest.mark import ParameterSet

import pytest_httpserve.faults
from pytest_httpserve.check.catalogue import CATALOGUE
from tests.check import page
from tests.check.known import Known
from tests.versions import compare_with_known, reports_versions


@pytest.mark.parametrize("table", ["catalogue", "http2"])
def test_the_page_has_each_entry_as_the_catalogue_has_it(table: str) -> None:
    assert page.told(table) == getattr(page, table)(), "python -m tests.check.page writes it anew"


def test_each_fault_of_http2_is_tried() -> None:
    tried = {type(entry.fault) for entry in CATALOGUE}
    faults = [vars(pytest_httpserve.faults)[name] for name in pytest_httpserve.faults.__all__]
    of_http2 = {fault for fault in faults if fault.__module__ == "pytest_httpserve.scripting.faults.http2"}
    assert of_http2
    assert of_http2 | {pytest_httpserve.faults.NoPong} <= tried


@pytest.mark.parametrize("table", page.TRIED)
def test_the_page_has_a_column_of_each_client_with_all_entries(table: str) -> None:
    known, entries = page.TRIED[table]
    columns = page.columns(table)
    assert {heading.split()[0] for heading in columns} == {client.name for client in known}
    assert [[*column] for column in columns.values()] == [[entry.name for entry in entries]] * len(columns)
    assert page.told(table) == page.clients(table, columns)


def _tried(table: str, only: str) -> list[ParameterSet]:
    return [
        pytest.param(client, table, only, id=f"{table}-{client.name}", marks=_needs(client))
        for client in page.TRIED[table][0]
    ]


def _needs(client: Known) -> list[pytest.MarkDecorator]:
    return [pytest.mark.needs("os.killpg", *filter(None, [client.needs]))]


@pytest.mark.same_everywhere
@reports_versions
@pytest.mark.parametrize(
    ("client", "table", "only"),
    [*_tried("clients", "cut_body,expired"), *_tried("http2-clients", "http2_goaway")],
)
def test_a_client_does_what_the_page_says(client: Known, table: str, only: str) -> None:
    columns = page.columns(table)
    # Of a version that is not there, the newest that is says what to expect.
    like = [heading for heading in columns if heading.split()[0] == client.name]
    expected = columns[client.heading if client.heading in like else like[-1]]
    made = page.column(client, "--timeout", "60", "--only", only)
    differences = [
        f"{name}: {cell}, not {expected[name]}" for name, cell in made.items() if cell != expected.get(name, cell)
    ]
    compare_with_known(client.heading, client.heading in like, differences)
