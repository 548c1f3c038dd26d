"""A drop-in for ``http.server``: ``from pytest_httpserve.server import ThreadingHTTPServer``."""

from typing import TYPE_CHECKING

from pytest_httpserve.server.base import BaseHTTPRequestHandler
from pytest_httpserve.server.cgi import CGIHTTPRequestHandler

# Names without documentation that the tests of http.server use, and others may.
from pytest_httpserve.server.cgi_paths import _url_collapse_path as _url_collapse_path
from pytest_httpserve.server.cgi_paths import executable as executable
from pytest_httpserve.server.cgi_process import nobody_uid as nobody_uid
from pytest_httpserve.server.servers import HTTPServer, HTTPSServer, ThreadingHTTPServer, ThreadingHTTPSServer
from pytest_httpserve.server.static import SimpleHTTPRequestHandler

__all__ = [
    "BaseHTTPRequestHandler",
    "CGIHTTPRequestHandler",
    "HTTPSServer",
    "HTTPServer",
    "SimpleHTTPRequestHandler",
    "ThreadingHTTPSServer",
    "ThreadingHTTPServer",
    "test",
]

if TYPE_CHECKING:
    from pytest_httpserve.server.cli import test as test


def __getattr__(name: str) -> object:
    # The command line's module brings argparse along, and most users of this package have no use for either.
    if name != "test":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from pytest_httpserve.server.cli import test

    return test
