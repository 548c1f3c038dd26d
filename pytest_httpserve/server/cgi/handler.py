"""CGIHTTPRequestHandler: programs in a directory that answer requests (RFC 3875)."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, ClassVar

from pytest_httpserve.errors import ScriptError
from pytest_httpserve.server import running
from pytest_httpserve.server.cgi import CGI_TIMEOUT
from pytest_httpserve.server.cgi.paths import collapsed, executable
from pytest_httpserve.server.cgi.run import Run, Site, answer_failure
from pytest_httpserve.server.cgi.script import CGIScript
from pytest_httpserve.server.files.handler import SimpleHTTPRequestHandler, root_of
from pytest_httpserve.server.files.paths import encoded
from pytest_httpserve.wire.grammar import DEFAULT_LIMITS, Limits
from pytest_httpserve.wire.target import target_of

# The name of the class's private attribute, as seen from outside.
_REDIRECTS = "_CGIHTTPRequestHandler__redirects"


class CGIHTTPRequestHandler(SimpleHTTPRequestHandler):
    """Serves files like SimpleHTTPRequestHandler, and runs those in ``cgi_directories`` for their output.

    A script may keep the server waiting for ``cgi_timeout`` seconds (None for no limit), then it is killed. It gets the
    server's environment, the variables of RFC 3875, and ``cgi_env``. If the server runs as root, scripts run as the
    user nobody, unless ``cgi_as_nobody`` is False. They run in the server's working directory or, with
    ``cgi_in_place``, in the script's own directory, as RFC 3875 requires.

    A file in a CGI directory is run or refused, and never sent.
    """

    cgi_directories: ClassVar[list[str]] = ["/cgi-bin", "/htbin"]
    cgi_timeout: float | None = CGI_TIMEOUT
    cgi_env: Mapping[str, str] = MappingProxyType({})
    cgi_as_nobody: bool = True
    cgi_in_place: bool = False
    # Only the disk ever holds a whole body, and only the bytes that came: so a body may be announced with any length.
    limits: ClassVar[Limits] = dataclasses.replace(DEFAULT_LIMITS, body=10**20 - 1)
    # As in http.server: without fork, files have no executable bit, and Python runs the scripts that are in Python.
    have_fork: bool = hasattr(os, "fork")

    cgi_info: tuple[str, str]

    __redirects = 0  # how many have led to the current path

    def _SimpleHTTPRequestHandler__scripts(self) -> tuple[tuple[str, bool], ...]:
        # As in is_cgi, "/" means the files in the root alone.
        return tuple((self.translate_path(encoded(one)), one != "/") for one in self.cgi_directories)

    def do_GET(self) -> None:
        """Run the script if there is one, otherwise answer like SimpleHTTPRequestHandler."""
        if _is_script(self):
            self.run_cgi()
        else:
            super().do_GET()

    def do_HEAD(self) -> None:
        """Answer like GET, without a body."""
        if _is_script(self):
            self.run_cgi()
        else:
            super().do_HEAD()

    def do_POST(self) -> None:
        """Run a script; 501 for any other path."""
        if self.is_cgi():
            self.run_cgi()
        else:
            self.send_error(HTTPStatus.NOT_IMPLEMENTED, "Can only POST to CGI scripts")

    # The result is that of SimpleHTTPRequestHandler.send_head; after a script, None, since its whole output was sent.
    def send_head(self) -> Any:
        """Run the script if there is one, otherwise answer like SimpleHTTPRequestHandler."""
        return self.run_cgi() if self.is_cgi() else super().send_head()

    # Which script

    def is_cgi(self) -> bool:
        """Whether ``path`` is in one of ``cgi_directories``.

        If so, sets ``cgi_info`` to that directory and to the rest of the path after its slash, both percent-encoded,
        with the query. ``run_cgi`` splits the rest into subdirectories, the script and its path info.
        """
        path = collapsed(target_of(self.path).path)
        longest = max(map(len, self.cgi_directories), default=0)
        slash = path.find("/", 1)
        while 0 < slash <= longest:
            if path[:slash] in self.cgi_directories:
                self.cgi_info = info_of(self.path, path[:slash], path[slash + 1 :])
                return True
            slash = path.find("/", slash + 1)
        return False

    def is_executable(self, path: str) -> bool:
        """Whether the file ``path`` may be executed."""
        return executable(path)

    def is_python(self, path: str) -> bool:
        """Whether the name of the file ``path`` is a Python script's."""
        return os.path.splitext(path)[1].lower() in (".py", ".pyw")

    def run_cgi(self) -> None:
        """Run the script that ``cgi_info`` names, and send its output as it comes."""
        Run(self, _site_of(self), _Told(self), self.__redirects).run()


def _is_script(handler: CGIHTTPRequestHandler) -> bool:
    """Whether to run a script; not before an override of ``send_head``, which may call ours."""
    return running.is_ours(handler, "send_head") and handler.is_cgi()


class _Told:
    """Tells a handler about its scripts, and logs their stderr as errors."""

    def __init__(self, handler: CGIHTTPRequestHandler) -> None:
        self._handler = handler

    def log(self, script: CGIScript, text: str) -> None:
        self._handler.log_error("%s: %s", script.name, text)

    log_later = log

    def failed(self, script: CGIScript, error: ScriptError) -> None:
        self.log(script, str(error))
        answer_failure(self._handler, error)

    def redirected(self, count: int) -> None:
        attributes = vars(self._handler)
        attributes[_REDIRECTS] = count
        try:
            running.answer(self._handler, running.http1_of(self._handler).connection)
        finally:
            attributes[_REDIRECTS] = count - 1
            if count == 1:  # an attribute left behind would look like a subclass's own state
                del attributes[_REDIRECTS]


def _site_of(handler: CGIHTTPRequestHandler) -> Site:
    return Site(
        root_of(handler),
        handler.translate_path,
        "",
        handler.cgi_env,
        handler.cgi_timeout,
        handler.cgi_as_nobody,
        handler.cgi_in_place,
    )


def info_of(target: str, directory: str, rest: str) -> tuple[str, str]:
    """``cgi_info`` for these parts of a decoded path, with the query of the target."""
    return encoded(directory), encoded(rest) + target_of(target).query_with_mark
