"""Long paths: resolving them, running scripts by them, matching them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_httpserve.scripting.record.request import Request
from pytest_httpserve.scripting.routing.contents import Named
from pytest_httpserve.scripting.routing.paths import PathPattern
from pytest_httpserve.scripting.routing.routes import Routes
from pytest_httpserve.server.cgi.handler import CGIHTTPRequestHandler
from pytest_httpserve.server.files.paths import file_beneath, names_below
from pytest_httpserve.server.files.roots import Root
from pytest_httpserve.wire.headers import Headers
from pytest_httpserve.wire.target import canonical_path, target_of

pytestmark = pytest.mark.same_everywhere  # what is counted is the same on every Python

Measure = Callable[[Callable[[], object]], int]

KILOBYTE = 1024
LONG = {
    "names": "/a",
    "directories": "/d",
    "slashes": "/",
    "dots": "/.",
    "upwards": "/d/..",
    "encoded": "/%61",
    "bytes": "/%ff",
    "links": "/through",
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Has a link at each level, as deep as the system lets it be."""
    (tmp_path / "d").mkdir()
    (tmp_path / "d/d").symlink_to(".")
    (tmp_path / "through").symlink_to(".")
    return tmp_path


def look(root: Path, target: str) -> None:
    path = file_beneath(str(root), target)
    served = Root(str(root))
    for way in (served.open, served.status, served.entries, served.shows, served.fallback_for):
        with contextlib.suppress(OSError):
            way(path)


@pytest.mark.parametrize("unit", LONG.values(), ids=LONG)
def test_a_path_is_resolved_in_one_pass(root: Path, unit: str, calls: Measure) -> None:
    """4, 8, 16 and 32 kB of names cost 0.7, 2.8, 12.8 and 92 s."""
    short, long = (calls(lambda: look(root, unit * (size * KILOBYTE // len(unit)))) for size in (4, 32))  # noqa: B023

    assert long <= 10 * short


@pytest.mark.parametrize("unit", LONG.values(), ids=LONG)
def test_the_memory_of_a_path_is_some_times_its_length(root: Path, unit: str, most_bytes: Measure) -> None:
    size = 32 * KILOBYTE

    assert most_bytes(lambda: look(root, unit * (size // len(unit)))) <= 200 * size


def test_long_paths_are_not_remembered(root: Path, bytes_kept: Measure) -> None:
    """A cache that counts its entries alone kept hundreds of MiB."""

    def look_at_many() -> None:
        for index in range(300):
            target = f"/{index}" + "/a" * (16 * KILOBYTE)
            look(root, target)
            assert target_of(target).canonical
            names_below(str(root), str(root) + target)

    assert bytes_kept(look_at_many) <= 1 << 20


def test_short_paths_are(root: Path, calls: Measure) -> None:
    first = calls(lambda: file_beneath(str(root), "/a/b/c"))

    assert calls(lambda: file_beneath(str(root), "/a/b/c")) < first


def test_a_script_is_found_in_one_pass() -> None:
    compared = 0

    class Directories(list[str]):
        def __contains__(self, directory: object) -> bool:
            nonlocal compared
            compared += len(str(directory))
            return False

        def __iter__(self):  # type: ignore[no-untyped-def]
            return iter(["/cgi-bin"])

    handler = CGIHTTPRequestHandler.__new__(CGIHTTPRequestHandler)
    handler.__dict__["cgi_directories"] = Directories()
    handler.__dict__["path"] = "/a" * (16 * KILOBYTE)  # 16,384 directories, of up to 32 kB

    assert not handler.is_cgi()
    assert compared <= 32 * KILOBYTE


TEMPLATES = ["/{a}-{b}-{c}/x", "/{a}-{b}-{c}-{d}-{e}x", "/{a:path}/{b:path}/{c:path}!", "/{a:int}{b:int}{c:int}x"]


@pytest.mark.parametrize("template", TEMPLATES)
@pytest.mark.parametrize("unit", ["-", "/", "1", "a-", "-a/", "1-"])
def test_a_template_is_matched_in_a_bounded_number_of_steps(template: str, unit: str, calls: Measure) -> None:
    """An expression is one call, however many steps it takes: of 64,000 dashes, it would not come back."""
    pattern = PathPattern(template)
    short, long = (canonical_path("/" + unit * (size // len(unit))) for size in (1_000, 64_000))

    pattern.match(short)
    assert calls(lambda: pattern.match(long)) <= 2 * calls(lambda: pattern.match(short))


@pytest.mark.parametrize("template", ["/{a}/{b}/{c}", "/{a}.json", "/{a:int}/{b:float}x", "/{rest:path}/raw"])
def test_a_template_that_can_be_matched_in_one_way_is_an_expression(template: str, calls: Measure) -> None:
    pattern = PathPattern(template)

    assert calls(lambda: pattern.match("/" + "a" * 64_000)) <= 6


def test_what_is_found_for_a_long_path_is_not_remembered(bytes_kept: Measure) -> None:
    routes = Routes()

    def look_at_many() -> None:
        for index in range(100):
            assert not routes.candidates(f"/{index}" + "/a" * (16 * KILOBYTE)).routes

    assert bytes_kept(look_at_many) <= 1 << 20


def test_a_query_is_parsed_once_for_all_routes(calls: Measure) -> None:
    """30 routes and 8,000 parameters took half a second."""
    routes = [Named("query", {"name": f"{index}"}) for index in range(30)]

    def match(count: int) -> None:
        request = Request("GET", "/a?" + "&".join(["a=1"] * 2_000), Headers(), (1, 1), ("127.0.0.1", 1))
        assert not any(route.matches(request) for route in routes[:count])

    assert calls(lambda: match(30)) <= 2 * calls(lambda: match(1))
