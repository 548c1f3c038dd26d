"""No class or instance has a name beyond its model's that a subclass could mean, on the running interpreter.

That nothing is missing, tests/server/test_surface.py holds.
"""

from __future__ import annotations

import http.client
import http.server
import threading
from typing import Any

import pytest

import pytest_httpserve.server

# The one private name that each of our classes may have: nobody gives it to anything else.
PRIVATE = {
    "_BaseHTTPRequestHandler__http1",
    "_CGIHTTPRequestHandler__redirects",
    "_HTTPServer__service",
    "_SimpleHTTPRequestHandler__scripts",
}
# What the classes have, and only the instances of their models: a subclass means the same by it.
OF_INSTANCES = {
    "_BaseServer__shutdown_request", "close_connection", "command", "connection", "headers", "request", "requestline"
}  # fmt: skip

# What our classes have for their users beyond http.server, as docs/engine.md says.
DOCUMENTED = {
    "HTTPServer": {"grace"},
    "BaseHTTPRequestHandler": {"decodes_body", "limits", "strict", "thread_per_connection"},
    "SimpleHTTPRequestHandler": {"do_OPTIONS", "file_options"},
    "CGIHTTPRequestHandler": {"cgi_as_nobody", "cgi_env", "cgi_in_place", "cgi_timeout"},
    "HTTPSServer": {"handshake_timeout"},
}
# Names that newer Pythons have, and ours has on every one.
NEWER = {
    "HTTPServer": {"allow_reuse_port"},
    "HTTPSServer": {"_create_context"},
    "BaseHTTPRequestHandler": {"_colorize_request", "_control_char_table"},
    "SimpleHTTPRequestHandler": {
        "_send_extra_response_headers",
        "default_content_type",
        "extra_response_headers",
        "index_pages",
    },
}
# What Python puts into a class by itself.
AUTOMATIC = {"__annotations__", "__annotations_cache__", "__annotate__", "__annotate_func__", "__firstlineno__"} | {
    "__static_attributes__",
    "__conditional_annotations__",
}

CLASSES = [
    name
    for name in (
        "HTTPServer",
        "ThreadingHTTPServer",
        "HTTPSServer",
        "ThreadingHTTPSServer",
        "BaseHTTPRequestHandler",
        "SimpleHTTPRequestHandler",
        "CGIHTTPRequestHandler",
    )
    if hasattr(http.server, name)
]


def allowed(ours: type, table: dict[str, set[str]]) -> set[str]:
    """The names that a class may have by a table, with those of its bases."""
    return set().union(*(table.get(base.__name__, set()) for base in ours.__mro__))


def model_and_ours(name: str) -> tuple[type, type]:
    return getattr(http.server, name), getattr(pytest_httpserve.server, name)


@pytest.mark.parametrize("name", CLASSES)
def test_a_class_has_no_name_that_a_subclass_could_mean(name: str) -> None:
    theirs, ours = model_and_ours(name)
    extra = set(dir(ours)) - set(dir(theirs)) - AUTOMATIC
    extra -= allowed(ours, DOCUMENTED) | allowed(ours, NEWER) | OF_INSTANCES | PRIVATE
    assert not extra, f"{name} has {', '.join(sorted(extra))} beyond its model"


@pytest.mark.parametrize("name", CLASSES)
def test_what_is_documented_is_there(name: str) -> None:
    ours = getattr(pytest_httpserve.server, name)
    gone = allowed(ours, DOCUMENTED) - set(dir(ours))
    assert not gone, f"{name} has no longer {', '.join(sorted(gone))}"


# Instances


def instances(module: Any, handler_name: str = "SimpleHTTPRequestHandler") -> tuple[set[str], set[str]]:
    """The names of a handler's and of its server's attributes during a request."""
    seen: list[tuple[set[str], set[str]]] = []

    class Looking(getattr(module, handler_name)):  # type: ignore[misc]  # a class of either module
        def do_GET(self) -> None:
            seen.append((set(vars(self)), set(vars(self.server))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    with module.ThreadingHTTPServer(("127.0.0.1", 0), Looking) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=5)
        connection.request("GET", "/")
        assert connection.getresponse().status == 204
        connection.close()
        server.shutdown()
        thread.join(5)
    return seen[0]


@pytest.mark.parametrize("which", [0, 1], ids=["handler", "server"])
def test_an_instance_has_no_attribute_that_a_subclass_could_mean(which: int) -> None:
    # http.server, too, makes _headers_buffer, only later.
    extra = instances(pytest_httpserve.server)[which] - instances(http.server)[which] - {"_headers_buffer"}
    assert not extra - PRIVATE, f"it has {', '.join(sorted(extra - PRIVATE))} beyond its model"


@pytest.mark.parametrize("which", [0, 1], ids=["handler", "server"])
def test_an_instance_has_every_attribute_of_the_models(which: int) -> None:
    ours = instances(pytest_httpserve.server)[which]
    # What comes from a descriptor of the class is there as well, only not in vars().
    classes = pytest_httpserve.server.SimpleHTTPRequestHandler, pytest_httpserve.server.ThreadingHTTPServer
    missing = instances(http.server)[which] - ours - set(dir(classes[which]))
    assert not missing, f"it lacks {', '.join(sorted(missing))}"
