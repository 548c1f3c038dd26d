"""A drop-in for ``http.server``: ``from pytest_httpserve.server import ThreadingHTTPServer``."""

from http import HTTPStatus as HTTPStatus
from typing import TYPE_CHECKING

from pytest_httpserve.server.base import BaseHTTPRequestHandler

# Undocumented names that the tests of http.server use, and other code may.
from pytest_httpserve.server.error_page import DEFAULT_ERROR_CONTENT_TYPE as DEFAULT_ERROR_CONTENT_TYPE
from pytest_httpserve.server.error_page import DEFAULT_ERROR_MESSAGE as DEFAULT_ERROR_MESSAGE
from pytest_httpserve.server.servers import HTTPServer, HTTPSServer, ThreadingHTTPServer, ThreadingHTTPSServer

__all__ = [
    "BaseHTTPRequestHandler",
    "CGIHTTPRequestHandler",
    "FileOptions",
    "HTTPSServer",
    "HTTPServer",
    "SimpleHTTPRequestHandler",
    "ThreadingHTTPSServer",
    "ThreadingHTTPServer",
    "test",
]

nobody: int | None = None  # http.server caches the result of nobody_uid here

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_httpserve.server.cgi.handler import CGIHTTPRequestHandler
    from pytest_httpserve.server.cgi.paths import _url_collapse_path as _url_collapse_path
    from pytest_httpserve.server.cgi.paths import executable as executable
    from pytest_httpserve.server.cgi.process import nobody_uid as nobody_uid
    from pytest_httpserve.server.cli.trial import _get_best_family as _get_best_family
    from pytest_httpserve.server.cli.trial import _make_server as _make_server
    from pytest_httpserve.server.cli.trial import test as test
    from pytest_httpserve.server.files.handler import SimpleHTTPRequestHandler
    from pytest_httpserve.server.files.roots import FileOptions

# Names loaded on first use: many users of this package need neither files and scripts, nor the command line and its
# argparse, nor the modules that http.server happens to import and other code takes from it.
_ROOMS = {
    "CGIHTTPRequestHandler": "cgi.handler",
    "FileOptions": "files.roots",
    "SimpleHTTPRequestHandler": "files.handler",
    "_url_collapse_path": "cgi.paths",
    "executable": "cgi.paths",
    "nobody_uid": "cgi.process",
}
_OF_TRIAL = ("_get_best_family", "_make_server", "test")
_MODULES = {
    "copy": "copy",
    "datetime": "datetime",
    "email": "email.utils",
    "html": "html",
    "http": "http.client",
    "io": "io",
    "itertools": "itertools",
    "mimetypes": "mimetypes",
    "os": "os",
    "posixpath": "posixpath",
    "select": "select",
    "shutil": "shutil",
    "socket": "socket",
    "socketserver": "socketserver",
    "sys": "sys",
    "time": "time",
    "urllib": "urllib.parse",
}


def __getattr__(name: str) -> object:
    if name in _ROOMS:
        from importlib import import_module

        value = globals()[name] = getattr(import_module(f"{__name__}.{_ROOMS[name]}"), name)
        return value
    if name in _OF_TRIAL:
        from pytest_httpserve.server.cli import trial

        return getattr(trial, name)
    if name in _MODULES:
        return __import__(_MODULES[name])
    if name == "__version__":
        return _version()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_ROOMS})


def _main(args: "Sequence[str] | None" = None) -> None:
    """Serve a directory as the arguments (default: the process's) say, with ``test`` or whatever has replaced it."""
    import sys

    from pytest_httpserve.server.cli import trial

    trial.main(args, sys.modules[__name__].test)


def _version() -> str:
    """The version of ``http.server``, unchanged for decades and now deprecated there."""
    import sys
    import warnings

    if sys.version_info >= (3, 15):
        said = "'__version__' is deprecated and slated for removal in Python 3.20"
        warnings.warn(said, DeprecationWarning, stacklevel=3)
    return "0.6"
