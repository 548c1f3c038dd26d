"""The same requests to nginx and to us: docs/nginx.md explains every difference, and no other is there.

Ours is compared with what nginx answered once, by version; and the nginx that is here, with what it answered then.
"""

from __future__ import annotations

import functools
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from pytest_httpserve.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from tests.versions import compare_with_known, reports_versions
from tests.versions import nginx as nginx_version

from .beside_nginx import Address, Outcomes, ask, build_site, kept, kept_versions
from .conversation import compare
from .nginx_server import Nginx
from .requests_sent import GROUPS

PAGE = Path(__file__).parents[2] / "docs" / "nginx.md"
PAGE_VERSION, LATER_VERSION = "1.22", "1.30"
ANY_ERROR = "any that both answer with the same error"

Texts = tuple[str, str]


class Strict(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    strict = True

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is logged."""


class Lenient(Strict):
    strict = False


class Server(ThreadingHTTPServer):
    """Ours; a request that makes a handler fail is remembered."""

    failed = False

    def handle_error(self, request: object, client_address: object) -> None:
        self.failed = True
        super().handle_error(request, client_address)  # type: ignore[arg-type]  # as it came


@functools.cache
def rows(cells: int) -> dict[str, Texts]:
    """The requests in the page's tables with so many cells in a row, and the two texts beside each of them."""
    found: dict[str, Texts] = {}
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        row = [cell.strip() for cell in line.strip("|").split(" | ")]
        if line.startswith("| `") and len(row) == cells:
            found |= dict.fromkeys(re.findall("`([^`]+)`", row[0]), (row[1], row[2]))
            why = row[3] if cells == 4 else None
            assert why is None or re.search(r"RFC \d+ section|As above", why), f"no section of an RFC is in {line}"
    return found


def explanations() -> dict[str, Texts]:
    """Every request that the page explains, and what nginx and we make of it."""
    return rows(4)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What both serve."""
    root = tmp_path_factory.mktemp("site") / "root"
    build_site(root)
    return root


@pytest.fixture(scope="module")
def serve(site: Path) -> Iterator[Callable[[type[Strict]], Address]]:
    """Serves the site with a handler class of ours."""
    with ExitStack() as stack:

        def serve(handler: type[Strict]) -> Address:
            server = stack.enter_context(Server(("127.0.0.1", 0), functools.partial(handler, directory=site)))
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            stack.callback(lambda: pytest.fail("a handler of ours failed") if server.failed else None)
            stack.callback(thread.join)
            stack.callback(server.shutdown)
            return "127.0.0.1", server.server_port

        yield serve


@pytest.fixture(scope="module")
def nginx(site: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Address]]:
    """Serves the site with nginx."""
    with ExitStack() as stack:

        @functools.cache
        def serve() -> Address:
            server = Nginx(site, tmp_path_factory.mktemp("nginx"))
            stack.callback(server.stop)
            return server.host, server.port

        yield serve


def surprises(names: Iterable[str], ours: Outcomes) -> list[str]:
    """The requests of which the page says something else than what is, or nothing where there is a difference."""
    nginx = kept(PAGE_VERSION)
    return list(filter(None, (surprise(name, *compare(nginx[name], ours[name])) for name in names)))


def surprise(name: str, nginx: str, ours: str) -> str | None:
    explained = explanations().get(name)
    here = f"nginx: {nginx}; ours: {ours}"
    if explained is not None:
        told = f"nginx: {explained[0]}; ours: {explained[1]}"
        return None if told == here else f"`{name}`: {here}; explained is {told}"
    is_general = re.fullmatch(r"4\d\d, open", nginx) and ours == nginx.replace("open", "closed")
    return None if nginx == ours or is_general else f"`{name}`: {here}; not explained"


@pytest.mark.parametrize("group", GROUPS)
def test_every_difference_from_nginx_is_explained(serve: Callable[[type[Strict]], Address], group: str) -> None:
    ours = ask(serve(Strict), GROUPS[group])
    found = surprises(ours, ours)
    assert not found, f"{PAGE.name} is not what is:\n" + "\n".join(found)


@pytest.mark.needs("nginx")
@reports_versions
@pytest.mark.parametrize("group", GROUPS)
def test_nginx_answers_as_it_did(nginx: Callable[[], Address], group: str) -> None:
    version = nginx_version()
    versions = kept_versions()
    before = kept(version if version in versions else versions[-1])
    now = ask(nginx(), GROUPS[group])
    texts = {name: compare(before[name], outcome) for name, outcome in now.items() if before[name] != outcome}
    differences = [f"`{name}`: before: {was}; now: {is_now}" for name, (was, is_now) in texts.items()]
    compare_with_known(f"nginx {version}", version in versions, differences)


def test_an_error_of_ours_ends_its_connection_and_one_of_nginx_does_not(
    serve: Callable[[type[Strict]], Address],
) -> None:
    """The page's first row, which is the only one that stands for more than the requests it names."""
    lost = "target: /nothing"
    assert explanations()[ANY_ERROR] == ("the error, open", "the error, closed")
    (case,) = (case for case in GROUPS["targets"] if case.name == lost)
    ours = ask(serve(Strict), [case])
    assert compare(kept(PAGE_VERSION)[lost], ours[lost]) == ("404, open", "404, closed")


def test_a_lenient_handler_would_surprise(serve: Callable[[type[Strict]], Address]) -> None:
    ours = ask(serve(Lenient), GROUPS["request lines"])
    found = surprises(ours, ours)
    assert any("line end: LF everywhere" in line for line in found), found


def test_the_page_names_requests_that_are_sent() -> None:
    names = Counter(case.name for cases in GROUPS.values() for case in cases)
    assert [name for name, count in names.items() if count > 1] == []
    assert explanations().keys() - names.keys() == {ANY_ERROR}


@pytest.mark.parametrize("version", kept_versions())
def test_answers_are_kept_for_every_request(version: str) -> None:
    assert kept(version).keys() == {case.name for cases in GROUPS.values() for case in cases}


def test_the_page_says_what_a_later_nginx_does_otherwise() -> None:
    before, later = kept(PAGE_VERSION), kept(LATER_VERSION)
    assert rows(3) == {name: compare(before[name], later[name]) for name in before if before[name] != later[name]}
