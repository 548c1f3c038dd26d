"""Find out which kind of application a test mounts."""

from __future__ import annotations

import functools
import inspect
import socketserver
from typing import TYPE_CHECKING

from pytest_httpserve.errors import UsageError
from pytest_httpserve.scripting.mounts.handlers import HandlerMount
from pytest_httpserve.scripting.mounts.wsgi import WSGIMount

if TYPE_CHECKING:
    from pytest_httpserve.scripting.mounts.mount import Mount


def application_mount(prefix: str, application: object) -> Mount:
    """The mount for a handler class (or a functools.partial of one), an ASGI application, or else a WSGI application.

    Raises UsageError for anything else.
    """
    if not callable(application):
        raise UsageError(f"mount() takes a handler class, a WSGI or an ASGI application, not {application!r}")
    inner = application.func if isinstance(application, functools.partial) else application
    if isinstance(inner, type) and issubclass(inner, socketserver.BaseRequestHandler):
        return HandlerMount(prefix, application)
    if any(map(inspect.iscoroutinefunction, (inner, type(inner).__call__))):
        from pytest_httpserve.scripting.mounts.asgi import ASGIMount

        return ASGIMount(prefix, application)
    return WSGIMount(prefix, application)
