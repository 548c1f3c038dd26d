"""Colours in the log of a handler, as Python 3.15 has them."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import types
from collections.abc import Callable

import pytest

from pytest_httpserve.server import BaseHTTPRequestHandler
from pytest_httpserve.server.colours import takes_colours

GREY, RED, GREEN, YELLOW, CYAN, BRIGHT_CYAN = (f"\x1b[{code}m" for code in (90, 31, 32, 33, 36, 96))
RESET = "\x1b[0m"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Logging(BaseHTTPRequestHandler):
    client_address = ("192.0.2.1", 4711)

    def __init__(self) -> None:
        """Without a connection."""

    def log_date_time_string(self) -> str:
        return "now"


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Logging], object]], str]:
    """What a handler writes to a terminal."""

    def logged(act: Callable[[Logging], object]) -> str:
        terminal = Terminal()
        monkeypatch.setattr(sys, "stderr", terminal)
        monkeypatch.setenv("TERM", "xterm")
        act(Logging())
        return terminal.getvalue()

    return logged


Logged = Callable[[Callable[[Logging], object]], str]
ORIGIN = f"{GREY}192.0.2.1 - - [now]{RESET} "


@pytest.mark.parametrize(
    ("status", "colour"), [(200, GREEN), (302, BRIGHT_CYAN), (404, YELLOW), (500, RED)], ids=lambda one: str(one)
)
def test_a_request(logged: Logged, status: int, colour: str) -> None:
    def act(handler: Logging) -> None:
        handler.requestline = "GET /a HTTP/1.1"
        handler.log_request(status, 12)

    line = f'"GET {CYAN}/a{RESET} HTTP/1.1" {colour}{status}{RESET} {GREY}12{RESET}\n'
    assert logged(act) == ORIGIN + line


@pytest.mark.parametrize("requestline", ["", "GET /old", 'GET /" 200 - "x HTTP/1.1', "-"])
def test_a_request_of_another_form(logged: Logged, requestline: str) -> None:
    def act(handler: Logging) -> None:
        handler.requestline = requestline
        handler.log_request(200)

    assert f"{GREEN}200{RESET} {GREY}-{RESET}\n" in logged(act)


def test_an_interim_status_has_no_colour(logged: Logged) -> None:
    assert '"" 100 ' in logged(lambda handler: handler.log_request(100))
    assert '"" - ' in logged(lambda handler: handler.log_request())


def test_an_error(logged: Logged) -> None:
    line = f"{YELLOW}code 404, message \\x1b[31mgone{RESET}\n"
    assert logged(lambda handler: handler.log_error("code %d, message %s", 404, "\x1b[31mgone")) == ORIGIN + line


def test_another_message(logged: Logged) -> None:
    assert logged(lambda handler: handler.log_message("%s is %d", "it", 7)) == f"{ORIGIN}it is 7\n"


def test_an_override_of_log_message_sees_no_colours(logged: Logged) -> None:
    seen: list[tuple[object, ...]] = []

    class Overriding(Logging):
        def log_message(self, format: str, *args: object) -> None:
            seen.append((format, *args))

    def act(handler: Logging) -> None:
        Overriding().log_error("went %s", "wrong")

    assert logged(act) == ""
    assert seen == [("went %s", "wrong")]


@pytest.mark.parametrize(
    ("stream", "environment", "taken"),
    [
        (Terminal, {"TERM": "xterm"}, True),
        (Terminal, {"TERM": "dumb"}, False),
        (Terminal, {"TERM": "xterm", "NO_COLOR": "1"}, False),
        (Terminal, {"TERM": "xterm", "NO_COLOR": "1", "FORCE_COLOR": "1"}, False),
        (Terminal, {"TERM": "xterm", "PYTHON_COLORS": "0"}, False),
        (io.StringIO, {"TERM": "xterm"}, False),
        (io.StringIO, {"TERM": "dumb", "FORCE_COLOR": "1"}, True),
        (io.StringIO, {"FORCE_COLOR": "", "NO_COLOR": ""}, False),
        (io.StringIO, {"PYTHON_COLORS": "1", "NO_COLOR": "1"}, True),
        (io.StringIO, {"PYTHON_COLORS": "0", "FORCE_COLOR": "1"}, False),
        (io.StringIO, {"PYTHON_COLORS": "yes", "FORCE_COLOR": "1"}, True),
    ],
)
def test_who_wants_colours(
    monkeypatch: pytest.MonkeyPatch, stream: type[io.StringIO], environment: dict[str, str], taken: bool
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert takes_colours(stream()) is taken


def test_a_stream_that_was_closed_takes_none() -> None:
    assert not takes_colours(None)


def test_a_log_needs_nothing_but_write(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []
    monkeypatch.setattr(sys, "stderr", types.SimpleNamespace(write=written.append))
    Logging().log_message("hello")

    assert written == ["192.0.2.1 - - [now] hello\n"]


def test_python_run_without_its_variables_leaves_out_its_own() -> None:
    program = (
        "from pytest_httpserve.server.colours import takes_colours; import io; print(takes_colours(io.StringIO()))"
    )
    paths = f"import sys; sys.path[:] = {sys.path!r};"
    environment = {**os.environ, "PYTHON_COLORS": "1"}
    done = subprocess.run(
        [sys.executable, "-E", "-c", paths + program],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout == "False\n"
