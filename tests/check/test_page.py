"""docs/check.md has the entries of the catalogue, and what well-known clients make of them."""

from __future__ import annotations

import pytest

from pytest_httpserve.check.catalogue import CATALOGUE
from tests.check import page
from tests.check.known import CLIENTS, Known
from tests.versions import compare_with_known, reports_versions


def test_the_page_has_each_entry_as_the_catalogue_has_it() -> None:
    assert page.told("catalogue") == page.catalogue(), "python -m tests.check.page writes it anew"


def test_the_page_has_a_column_of_each_client_with_all_entries() -> None:
    columns = page.columns()
    assert {heading.split()[0] for heading in columns} == {client.name for client in CLIENTS}
    assert [[*column] for column in columns.values()] == [[entry.name for entry in CATALOGUE]] * len(columns)
    assert page.told("clients") == page.clients(columns)


def _needs(client: Known) -> list[pytest.MarkDecorator]:
    return [pytest.mark.needs("os.killpg", *filter(None, [client.needs]))]


@pytest.mark.same_everywhere
@reports_versions
@pytest.mark.parametrize("client", [pytest.param(one, id=one.name, marks=_needs(one)) for one in CLIENTS])
def test_a_client_does_what_the_page_says(client: Known) -> None:
    columns = page.columns()
    # Of a version that is not there, the newest that is says what to expect.
    like = [heading for heading in columns if heading.split()[0] == client.name]
    expected = columns[client.heading if client.heading in like else like[-1]]
    made = page.column(client, "--timeout", "60", "--only", "cut_body,expired")
    differences = [f"{name}: {cell}, not {expected[name]}" for name, cell in made.items() if cell != expected[name]]
    compare_with_known(client.heading, client.heading in like, differences)
