"""docs/check.md has the entries of the catalogue."""

from tests.check import page


def test_the_page_has_each_entry_as_the_catalogue_has_it() -> None:
    assert page.told() == page.catalogue(), "python -m tests.check.page writes it anew"
