"""CGI directories under a prefix."""

from __future__ import annotations

import os
import urllib.parse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from pytest_httpserve.arguments import check_timeout
from pytest_httpserve.errors import ScriptError, UsageError
from pytest_httpserve.scripting.mounts.fronted import Fronted, fronted
from pytest_httpserve.scripting.mounts.mount import DirectoryMount, check_prefix, find_directory
from pytest_httpserve.server.cgi import CGI_TIMEOUT
from pytest_httpserve.server.cgi.handler import CGIHTTPRequestHandler, info_of
from pytest_httpserve.server.cgi.paths import collapsed
from pytest_httpserve.server.cgi.process import make_poll
from pytest_httpserve.server.cgi.run import Run, Site, answer_failure
from pytest_httpserve.server.cgi.script import CGIScript
from pytest_httpserve.server.files.paths import file_beneath
from pytest_httpserve.server.files.roots import Root

if TYPE_CHECKING:
    from pytest_httpserve.scripting.answers.asked import Asked


@dataclass(frozen=True, slots=True)
class CGIMount(DirectoryMount):
    """A directory of CGI scripts. ``env`` are variables for them, ``timeout`` is in seconds."""

    has_scripts: ClassVar[bool] = True
    env: Mapping[str, str]
    timeout: float

    def describe(self) -> str:
        """Say what is mounted there, for a message."""
        return f"the CGI scripts of {self.directory} run"

    def serve(self, asked: Asked, below: str) -> None:
        """Run the script that ``below`` names, whatever the method: the script decides which ones it allows."""
        asked.invite_body()
        handler = fronted(asked, _FrontedScripts)
        prefix = urllib.parse.unquote(self.prefix, errors="surrogateescape") + "/"
        path = collapsed(self.prefix + below)
        if path.startswith(prefix):
            self._run(handler, path[len(prefix) :].lstrip("/"))
        else:
            handler.send_error(HTTPStatus.NOT_FOUND, explain="The path leads out of the CGI directory")
        asked.stream.lasts = not handler.close_connection

    def _run(self, handler: _FrontedScripts, name: str) -> None:
        handler.cgi_info = info_of(handler.path, "", name)
        site = Site(
            Root(self.directory),
            partial(file_beneath, self.directory),
            self.prefix,
            self.env,
            self.timeout,
            as_nobody=False,
            in_place=True,
        )
        Run(handler, site, _Told(handler), handler.asked.redirects).run()


class _FrontedScripts(Fronted, CGIHTTPRequestHandler):
    """The handler from which a script gets its request, and to which it writes its response."""


class _Told:
    """Records in the journal what happens to a script."""

    def __init__(self, handler: _FrontedScripts) -> None:
        self._handler = handler

    def log(self, script: CGIScript, text: str) -> None:
        self._handler.log_error("%s: %s", script.name, text)
        self._handler.asked.note(f"{script.name}: {text}")

    def log_later(self, script: CGIScript, text: str) -> None:
        self._handler.log_error("%s: %s", script.name, text)

    def failed(self, script: CGIScript, error: ScriptError) -> None:
        """Record the failure before the client gets its response. A stop of the server is not a failure."""
        self.log(script, str(error))
        if error.status != HTTPStatus.SERVICE_UNAVAILABLE:
            said = f"; it wrote to stderr:\n{error.stderr.rstrip()}" if error.stderr else ""
            self._handler.asked.fail(f"the CGI script {script.file} failed: {error}{said}\n")
        answer_failure(self._handler, error)

    def redirected(self, count: int) -> None:
        handler, asked = self._handler, self._handler.asked
        asked.stream.lasts = not handler.close_connection
        asked.redirected(handler.command or "", handler.path, count)
        handler.close_connection = not asked.stream.lasts


def cgi_mount(
    path: str | os.PathLike[str],
    *,
    roots: Sequence[Path],
    at: str = "/cgi-bin",
    env: Mapping[str, str] | None = None,
    timeout: float = CGI_TIMEOUT,
) -> CGIMount:
    """Check the arguments of ``serve_cgi``, and make a mount.

    ``path`` is looked for in each of ``roots``. Raises UsageError, with the value and the paths tried, and
    UnsupportedError where scripts cannot be run.
    """
    make_poll()
    if not isinstance(path, str | os.PathLike):
        raise UsageError(f"serve_cgi takes the path of a directory first, not {path!r}")
    directory = find_directory(Path(path), roots, "serve_cgi")
    prefix = check_prefix(at, "serve_cgi(at=)")
    seconds = check_timeout("serve_cgi(timeout=)", timeout)
    return CGIMount(prefix, str(directory), _check_env(env), seconds)


def _check_env(env: Mapping[str, str] | None) -> Mapping[str, str]:
    if env is None:
        return {}
    if not isinstance(env, Mapping):
        raise UsageError(f"serve_cgi(env=) must be a mapping of variables to their values, not {env!r}")
    for name, value in env.items():
        if not isinstance(name, str) or not name or "=" in name or "\0" in name:
            raise UsageError(f"serve_cgi(env=) must have names such as GIT_PROJECT_ROOT, not {name!r}")
        if not isinstance(value, str) or "\0" in value:
            raise UsageError(f"serve_cgi(env=) gives {name} a str, not {value!r}")
    return dict(env)
