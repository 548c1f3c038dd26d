"""The same requests to nginx and to us: docs/nginx.md explains every difference, and no other is there."""

from __future__ import annotations

import functools
import os
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from pytest_httpserve.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

from .conversation import PROBE_BODY, compare, converse
from .nginx_server import Nginx
from .requests_sent import GROUPS, MODIFIED, Case

PAGE = Path(__file__).parents[2] / "docs" / "nginx.md"
ANY_ERROR = "any that both answer with the same error"

FILES = {
    "index.html": "<p>the root",
    "letters.txt": "abcdefghijklmnopqrstuvwxyz",
    "empty.txt": "",
    "page.html": "<p>page",
    "probe.txt": PROBE_BODY.decode(),
    "hidden.txt": "the hidden request was served",
    ".hidden": "dot",
    "a+b.txt": "plus",
    "a%b.txt": "percent",
    "with space.txt": "space",
    "with dir/one.txt": "one",
    "ü.txt": "umlaut",
    "semi;colon.txt": "semicolon",
    "colon:x.txt": "colon",
    "back\\slash.txt": "backslash",
    "dir/index.html": "<p>an index page",
    "dir?/one.txt": "one",
    "list/one.txt": "one",
    "list/two & <b>.txt": "two",
    "deep/er/file.txt": "deep",
}
LINKS = {
    "link.txt": "letters.txt",
    "link-dir": "list",
    "link-out.txt": "../secret.txt",
    "link-out": "..",
    "link-loop": "link-loop",
}

Address = tuple[str, int]
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


def explanations() -> dict[str, Texts]:
    """Every request that the page explains, and what nginx and we make of it."""
    found: dict[str, Texts] = {}
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if line.startswith("| `"):
            requests, nginx, ours, why = line.strip("|").split(" | ")
            assert re.search(r"RFC \d+ section|As above", why), f"no section of an RFC gives the reason in {line}"
            found |= dict.fromkeys(re.findall("`([^`]+)`", requests), (nginx.strip(), ours.strip()))
    return found


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What both serve."""
    root = tmp_path_factory.mktemp("site") / "root"
    for name, text in FILES.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    (root / "bytes").write_bytes(bytes(range(256)) * 1000)
    (root.parent / "secret.txt").write_text("secret")
    os.mkfifo(root / "pipe")
    for path in root.rglob("*"):
        os.utime(path, (MODIFIED, MODIFIED))
    for name, where in LINKS.items():
        (root / name).symlink_to(where)
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


def etag_of(address: Address) -> bytes:
    outcome = converse(address, b"GET /letters.txt HTTP/1.1\r\nHost: test\r\n\r\n", ("GET",), ends=False)
    return outcome.answers[0].headers["ETag"].encode()


def ask_both(cases: list[Case], nginx: Address, ours: Address) -> dict[str, Texts]:
    """What each makes of every request."""
    texts = {}
    tags = {address: etag_of(address) for address in (nginx, ours)}
    for case in cases:
        outcomes = [
            converse(address, case.data_for(tags[address]), case.methods, ends=case.ends) for address in (nginx, ours)
        ]
        texts[case.name] = compare(*outcomes)
    return texts


def surprises(texts: dict[str, Texts]) -> list[str]:
    """The requests of which the page says something else than what is, or nothing where there is a difference."""
    explained = explanations()
    found = []
    for name, (nginx, ours) in texts.items():
        is_general = re.fullmatch(r"4\d\d, open", nginx) and ours == nginx.replace("open", "closed")
        here = f"nginx: {nginx}; ours: {ours}"
        if name in explained and explained[name] != (nginx, ours):
            found.append(f"`{name}`: {here}; explained is nginx: {explained[name][0]}; ours: {explained[name][1]}")
        elif name not in explained and nginx != ours and not is_general:
            found.append(f"`{name}`: {here}; not explained")
    return found


@pytest.mark.needs("nginx")
@pytest.mark.parametrize("group", GROUPS)
def test_every_difference_from_nginx_is_explained(
    nginx: Callable[[], Address], serve: Callable[[type[Strict]], Address], group: str
) -> None:
    found = surprises(ask_both(GROUPS[group], nginx(), serve(Strict)))
    assert not found, f"{PAGE.name} is not what is:\n" + "\n".join(found)


@pytest.mark.needs("nginx")
def test_an_error_of_ours_ends_its_connection_and_one_of_nginx_does_not(
    nginx: Callable[[], Address], serve: Callable[[type[Strict]], Address]
) -> None:
    """The page's first row, which is the only one that stands for more than the requests it names."""
    lost = Case("lost", b"GET /nothing HTTP/1.1\r\nHost: test\r\n\r\n")
    assert explanations()[ANY_ERROR] == ("the error, open", "the error, closed")
    assert ask_both([lost], nginx(), serve(Strict)) == {"lost": ("404, open", "404, closed")}


@pytest.mark.needs("nginx")
def test_a_lenient_handler_would_surprise(
    nginx: Callable[[], Address], serve: Callable[[type[Strict]], Address]
) -> None:
    found = surprises(ask_both(GROUPS["request lines"], nginx(), serve(Lenient)))
    assert any("line end: LF everywhere" in line for line in found), found


def test_the_page_names_requests_that_are_sent() -> None:
    names = Counter(case.name for cases in GROUPS.values() for case in cases)
    assert [name for name, count in names.items() if count > 1] == []
    assert explanations().keys() - names.keys() == {ANY_ERROR}
