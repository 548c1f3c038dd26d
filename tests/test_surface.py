"""The public surface is what ``tests/surface.txt`` says: whoever changes it changes that, too."""

from tests import surface


def test_the_surface_is_the_one_that_was_written_down() -> None:
    assert surface.text() == surface.FILE.read_text(encoding="utf-8"), "python -m tests.surface writes it anew"
