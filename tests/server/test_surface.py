"""Every name of the running interpreter's http.server is ours, with the signature that it has in Python 3.15."""

from __future__ import annotations

import http.server
import inspect
import subprocess
import sys
import types
import warnings
from collections.abc import Callable
from typing import Any

import pytest

from pytest_httpserve import server

# Names that belong to http.server alone, and why.
APART = {
    "_colorize": "a private module of Python 3.13 and later; colours.py has ours",
    "_colorize_request": "takes a theme of that module",
    "_MIN_READ_BUF_SIZE": "how much run_cgi reads at once where it has no fork",
}
CLASSES = [name for name, value in vars(http.server).items() if isinstance(value, type) and name != "HTTPStatus"]
FUNCTIONS = [name for name, value in vars(http.server).items() if isinstance(value, types.FunctionType)]


def names_of(thing: object) -> list[str]:
    return [name for name in dir(thing) if name not in APART and not (name.startswith("__") and name.endswith("__"))]


@pytest.mark.parametrize("name", [*names_of(http.server), "__version__"])
def test_a_name_of_the_module(name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        theirs, ours = getattr(http.server, name), getattr(server, name)

    if isinstance(theirs, types.ModuleType | str) and name not in ("DEFAULT_ERROR_MESSAGE",):
        assert ours == theirs


# What Python 3.15 has, which is here on every Python, and what strangers take from older ones.
@pytest.mark.parametrize(
    "name", ["HTTPSServer", "ThreadingHTTPSServer", "_main", "_make_server", "_get_best_family", "_url_collapse_path"]
)
def test_a_name_that_some_pythons_have(name: str) -> None:
    assert hasattr(server, name)


def test_the_modules_come_with_their_parts() -> None:
    program = (
        "from pytest_httpserve import server as s; s.email.utils, s.http.client, s.urllib.parse, s.http.HTTPStatus"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_a_name_that_http_server_has_not_is_an_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = server.nothing


def test_the_version_will_go_when_that_of_http_server_does() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert server.__version__ == "0.6"

    said = [(str(one.message).partition(" and ")[0], one.filename) for one in caught]
    assert said == ([("'__version__' is deprecated", __file__)] if sys.version_info >= (3, 15) else [])


@pytest.mark.parametrize("class_name", CLASSES)
def test_a_class_has_every_name_of_its_model(class_name: str) -> None:
    theirs, ours = getattr(http.server, class_name), getattr(server, class_name)

    assert [name for name in names_of(theirs) if not hasattr(ours, name)] == []


@pytest.mark.parametrize(
    ("class_name", "names"),
    [
        ("BaseHTTPRequestHandler", ["_control_char_table"]),
        ("SimpleHTTPRequestHandler", ["_encodings_map_default", "_send_extra_response_headers"]),
        ("HTTPSServer", ["_create_context"]),
    ],
)
def test_a_class_has_the_private_names_that_some_pythons_have(class_name: str, names: list[str]) -> None:
    assert [name for name in names if not hasattr(getattr(server, class_name), name)] == []


def parameters(function: Callable[..., object]) -> list[tuple[str, object, object]]:
    found = inspect.signature(function, eval_str=False).parameters.values()
    return [(one.name, one.kind, one.default) for one in found]


def differing(theirs: Callable[..., object], ours: Callable[..., object]) -> str | None:
    """How two signatures differ: from Python 3.15 on in any way, before that in parameters that ours has not."""
    wanted, given = parameters(theirs), parameters(ours)
    if sys.version_info < (3, 15):
        kinds = {name: kind for name, kind, _ in given}
        return next((name for name, kind, _ in wanted if kinds.get(name) != kind), None)
    names, defaults = [one[:2] for one in wanted], [one[2] for one in wanted]
    if names != [one[:2] for one in given]:
        return f"{given}, not {wanted}"
    # A class among the defaults is ours in the place of theirs.
    ours_by_theirs = {getattr(http.server, name): getattr(server, name) for name in CLASSES}
    expected = [ours_by_theirs.get(one, one) if isinstance(one, type) else one for one in defaults]
    return None if expected == [one[2] for one in given] else f"defaults {given}, not {wanted}"


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_has_the_signature_of_its_model(name: str) -> None:
    if name != "__getattr__":  # the module's own
        assert differing(getattr(http.server, name), getattr(server, name)) is None


@pytest.mark.parametrize("class_name", CLASSES)
def test_methods_have_the_signatures_of_their_models(class_name: str) -> None:
    theirs, ours = getattr(http.server, class_name), getattr(server, class_name)
    methods = [name for name, value in vars(theirs).items() if isinstance(value, types.FunctionType)]

    found = {name: differing(getattr(theirs, name), getattr(ours, name)) for name in methods if name not in APART}
    assert {name: difference for name, difference in found.items() if difference} == {}


def test_a_header_may_be_an_extra_one() -> None:
    handler: Any = server.BaseHTTPRequestHandler.__new__(server.BaseHTTPRequestHandler)
    handler.request_version = "HTTP/1.1"
    handler.send_header("X-A", "1", _is_extra=True)

    assert handler._headers_buffer == [b"X-A: 1\r\n"]


def test_extra_headers_go_out_once_whatever_was_sent_before() -> None:
    """For code that has its own ``send_head``, made after that of Python 3.15."""
    handler: Any = server.SimpleHTTPRequestHandler.__new__(server.SimpleHTTPRequestHandler)
    handler.request_version = "HTTP/1.1"
    handler.extra_response_headers = [("Set-Cookie", "a=1"), ("set-cookie", "b=2"), ("Content-Type", "x/y")]
    handler.send_header("Content-type", "text/plain")
    handler._send_extra_response_headers()

    assert handler._headers_buffer == [b"Content-type: text/plain\r\n", b"Set-Cookie: a=1\r\n", b"set-cookie: b=2\r\n"]
