"""Subclasses of SimpleHTTPRequestHandler have the last word on what is sent."""

from __future__ import annotations

import functools
import io
import unittest.mock
from collections.abc import Callable
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import pytest

from pytest_httpserve.server import FileOptions, HTTPServer, SimpleHTTPRequestHandler

if TYPE_CHECKING:
    from tests.server.conftest import Answer, Client, Serve

    Ask = Callable[..., Answer]

TEXT = b"0123456789"
RANGE = "Range: bytes=2-4"


class Static(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"


@pytest.fixture
def ask(tmp_path: Path, serve: Serve, connect: Callable[[HTTPServer], Client]) -> Ask:
    """Serves a directory by a handler class, and asks for the file in it."""
    (tmp_path / "a.txt").write_bytes(TEXT)

    def ask(handler: type[Static], *fields: str, method: str = "GET", target: str = "/a.txt") -> Answer:
        server = serve(functools.partial(handler, directory=tmp_path))
        return connect(server).request(method, target, *fields)

    return ask


def names(answer: Answer) -> list[str]:
    return [name for name, _ in answer.headers.fields]


PLAIN = ["Server", "Date", "Content-type", "Content-Length", "Last-Modified"]


class OwnSendHead(Static):
    def send_head(self) -> IO[bytes] | None:
        return super().send_head()


class OwnCopyfile(Static):
    def copyfile(self, source: IO[bytes], outputfile: IO[bytes]) -> None:
        super().copyfile(source, outputfile)


class OwnSendHeader(Static):
    def send_header(self, keyword: str, value: object) -> None:
        super().send_header(keyword, value)


class OwnGet(Static):
    def do_GET(self) -> None:
        if (file := self.send_head()) is not None:
            with file:
                self.wfile.write(file.read())


class OwnFile(Static):
    def do_GET(self) -> None:
        wfile, self.wfile = self.wfile, io.BytesIO()
        super().do_GET()
        written = self.wfile.getvalue()
        self.wfile = wfile
        self.wfile.write(written)


@pytest.mark.parametrize("handler", [OwnSendHead, OwnCopyfile, OwnSendHeader, OwnGet, OwnFile])
def test_an_override_sends_what_http_server_would_send(ask: Ask, handler: type[Static]) -> None:
    answer = ask(handler, RANGE, 'If-None-Match: "x"')

    assert (answer.status, answer.body, names(answer)) == (200, TEXT, PLAIN)


@pytest.mark.parametrize("handler", [OwnSendHead, OwnCopyfile, OwnSendHeader, OwnGet])
def test_its_head_is_that_of_get(ask: Ask, handler: type[Static]) -> None:
    assert names(ask(handler, method="HEAD")) == PLAIN


class Logging(Static):
    def log_message(self, format: str, *args: Any) -> None:
        pass


class Adding(Static):
    def end_headers(self) -> None:
        self.send_header("X-Own", "1")
        super().end_headers()


class Buffered(Static):
    wbufsize = -1


class Passing(Static):
    def do_GET(self) -> None:
        super().do_GET()


@pytest.mark.parametrize("handler", [Static, Logging, Adding, Buffered, Passing])
def test_other_overrides_leave_ranges_alone(ask: Ask, handler: type[Static]) -> None:
    answer = ask(handler, RANGE)

    assert (answer.status, answer.body) == (206, b"234")
    assert "ETag" in answer.headers


@pytest.mark.parametrize("name", ["send_head", "copyfile", "send_header"])
@pytest.mark.parametrize("autospec", [True, False])
def test_a_method_that_is_replaced_late_counts(ask: Ask, name: str, autospec: bool) -> None:
    class Late(Static):
        pass

    method = getattr(Static, name)
    assert ask(Late, RANGE).status == 206
    with pytest.MonkeyPatch.context() as patch:
        wrapped = functools.wraps(method)(lambda *args: method(*args))
        patch.setattr(Late, name, unittest.mock.create_autospec(method, side_effect=method) if autospec else wrapped)
        answer = ask(Late, RANGE)
    assert (answer.status, answer.body) == (200, TEXT)
    assert ask(Late, RANGE).status == 206


def test_a_method_that_is_set_on_the_instance_counts(ask: Ask) -> None:
    class Late(Static):
        def setup(self) -> None:
            super().setup()
            self.copyfile = lambda source, outputfile: outputfile.write(source.read().upper())  # type: ignore[method-assign]

    assert ask(Late, RANGE).body == TEXT


@pytest.mark.parametrize("target", ["/a.txt", "/"])
def test_a_copyfile_may_be_set_while_the_head_is_sent(ask: Ask, target: str) -> None:
    class Late(Static):
        def end_headers(self) -> None:
            self.copyfile = lambda source, outputfile: outputfile.write(b"x" * len(source.read()))  # type: ignore[method-assign]
            super().end_headers()

    answer = ask(Late, target=target)

    assert answer.body == b"x" * int(answer.headers["Content-Length"])


def test_headers_of_ones_own_go_out_once(ask: Ask) -> None:
    class Tagged(Static):
        def end_headers(self) -> None:
            self.send_header("ETag", '"own"')
            self.send_header("Accept-Ranges", "none")
            super().end_headers()

    answer = ask(Tagged)

    assert answer.headers.get_all("ETag") == ['"own"']
    assert answer.headers.get_all("Accept-Ranges") == ["none"]


# Names that are a subclass's own


def test_options_that_are_none_of_ours_mean_nothing(ask: Ask) -> None:
    class Own(Static):
        file_options = {"listing": False}  # type: ignore[assignment]  # noqa: RUF012  as a stranger would write it

    assert ask(Own).body == TEXT


def test_cgi_directories_mean_nothing_to_a_handler_of_files(ask: Ask) -> None:
    class Own(Static):
        cgi_directories = ("/",)

    assert ask(Own).body == TEXT


def test_a_directory_may_be_set_as_a_path(ask: Ask, tmp_path: Path) -> None:
    class Elsewhere(Static):
        file_options = FileOptions(hidden=False)

        def do_GET(self) -> None:
            self.directory = tmp_path / "other"  # type: ignore[assignment]  # as http.server takes it
            super().do_GET()

    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "b.txt").write_bytes(b"b")
    assert ask(Elsewhere, target="/b.txt").body == b"b"
    assert ask(Elsewhere, target="/.b").status == 404


class TwoParameters(Static):
    def send_error(self, code: int, message: str | None = None) -> None:  # type: ignore[override]  # seen in programs
        self.send_response(code, message)
        self.send_header("Content-Length", "0")
        self.end_headers()


def test_an_error_is_explained_to_who_has_room_for_it_alone(ask: Ask, tmp_path: Path) -> None:
    class Unlisted(TwoParameters):
        file_options = FileOptions(listing=False)

    assert ask(Unlisted, target="/").status == 403
    (tmp_path / "link").symlink_to(tmp_path.parent)
    assert ask(TwoParameters, target="/link").status == 403


class Forwarding:
    """Wraps a method and passes all questions on to it, as decorators of libraries do."""

    def __init__(self, wrapped: Callable[..., object]) -> None:
        self.wrapped = wrapped
        self.calls = 0

    def __getattr__(self, name: str) -> Any:  # whatever the method has
        return getattr(self.wrapped, name)

    def __get__(self, handler: object, owner: type) -> Callable[..., object]:
        if handler is None:
            return self
        bound = Forwarding(functools.partial(self, handler))
        bound.__dict__["__code__"] = self.wrapped.__code__
        return bound

    def __call__(self, *arguments: object) -> object:
        self.calls += 1
        return self.wrapped(*arguments)


def test_a_wrapper_that_forwards_the_code_of_ours_is_called(ask: Ask) -> None:
    wrapper = Forwarding(SimpleHTTPRequestHandler.send_header)
    handler = type("Wrapped", (Static,), {"send_header": wrapper})

    assert ask(handler).status == 200
    assert wrapper.calls == len(PLAIN)
