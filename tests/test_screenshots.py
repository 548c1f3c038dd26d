"""The pictures of docs/trace.md: they can be made anew, from the page as it is now."""

import struct
from pathlib import Path

import pytest

from docs.screenshots import PICTURES, SIZE, take

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.same_everywhere]

NAMES = ["trace.png", "trace_dark.png"]


def size(picture: Path) -> tuple[int, int]:
    """Width and height of a PNG."""
    content = picture.read_bytes()
    assert content[:8] == b"\x89PNG\r\n\x1a\n" and content[12:16] == b"IHDR"
    width, height = struct.unpack_from(">II", content, 16)
    return width, height


def test_the_pictures_are_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    take(tmp_path)

    assert sorted(picture.name for picture in tmp_path.iterdir()) == NAMES
    light, dark = (tmp_path / name for name in NAMES)
    assert size(light) == size(dark) == SIZE
    # A page that shows nothing, or no list, is less than half as large.
    assert min(light.stat().st_size, dark.stat().st_size) > (PICTURES / NAMES[0]).stat().st_size / 2


def test_those_of_the_documentation_have_the_same_size() -> None:
    assert sorted(picture.name for picture in PICTURES.iterdir()) == NAMES
    assert {size(PICTURES / name) for name in NAMES} == {SIZE}
