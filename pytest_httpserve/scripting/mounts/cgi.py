"""CGI directories behind a prefix."""

from __future__ import annotations

import os
import urllib.parse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_httpserve.arguments import check_timeout
from pytest_httpserve.errors import UsageError
from pytest_httpserve.scripting.mounts.static import DirectoryMount, check_prefix, find_directory
from pytest_httpserve.server.cgi import CGI_TIMEOUT
from pytest_httpserve.server.cgi.handler import info_of
from pytest_httpserve.server.cgi.paths import collapsed
from pytest_httpserve.server.cgi.process import make_poll
from pytest_httpserve.server.cgi.run import Site
from pytest_httpserve.server.files.paths import file_beneath
from pytest_httpserve.server.files.roots import Root

if TYPE_CHECKING:
    from pytest_httpserve.scripting.handler import ScriptedHandler


@dataclass(frozen=True, slots=True)
class CGIMount(DirectoryMount):
    """A directory of CGI scripts; ``env`` are variables of their own, ``timeout`` is in seconds."""

    env: Mapping[str, str]
    timeout: float

    def describe(self) -> str:
        """What stands there, for a message."""
        return f"the CGI scripts of {self.directory} run"

    def serve(self, handler: ScriptedHandler, below: str) -> None:
        """Run the script that ``below`` names, whatever the method: that is the script's business."""
        handler.invite_body()
        prefix = urllib.parse.unquote(self.prefix, errors="surrogateescape") + "/"
        path = collapsed(self.prefix + below)
        if not path.startswith(prefix):
            handler.send_error(HTTPStatus.NOT_FOUND, explain="The path leads out of the CGI directory")
            return
        handler.cgi_info = info_of(handler.path, "", path[len(prefix) :].lstrip("/"))
        handler.run_script(
            Site(
                Root(self.directory),
                partial(file_beneath, self.directory),
                self.prefix,
                self.env,
                self.timeout,
                as_nobody=False,
                in_place=True,
            )
        )


def cgi_mount(
    path: str | os.PathLike[str],
    *,
    roots: Sequence[Path],
    at: str = "/cgi-bin",
    env: Mapping[str, str] | None = None,
    timeout: float = CGI_TIMEOUT,
) -> CGIMount:
    """Check what ``serve_cgi`` was given, and make a mount of it.

    ``path`` is looked for in each of ``roots``. Raises UsageError, with the value and what was tried, and
    UnsupportedError where no script can be run.
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
        raise UsageError(f"serve_cgi(env=) is a mapping of variables to their values, not {env!r}")
    for name, value in env.items():
        if not isinstance(name, str) or not name or "=" in name or "\0" in name:
            raise UsageError(f"serve_cgi(env=) has names such as GIT_PROJECT_ROOT, not {name!r}")
        if not isinstance(value, str) or "\0" in value:
            raise UsageError(f"serve_cgi(env=) gives {name} a str, not {value!r}")
    return dict(env)
