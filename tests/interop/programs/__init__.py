"""Public programs that subclass the classes of ``http.server``: how each is started, and what its client does.

Each runs as it is published, once over ``http.server`` and once over ours; ``test_programs.py`` compares what was seen.
"""

import sys

from tests.interop.programs import (
    bottle_server,
    calls,
    django_server,
    flask_server,
    git_server,
    metrics,
    paste_server,
    previews,
    proxies,
    receivers,
    static_app,
    uploads,
    webdav,
)
from tests.interop.programs.program import Program

__all__ = ["PROGRAMS"]

PROGRAMS: tuple[Program, ...] = (
    bottle_server.PROGRAM,
    calls.JSON_RPC,
    calls.ROBOT_SERVER,
    calls.SECURE_SERVER,
    django_server.PROGRAM,
    flask_server.PROGRAM,
    git_server.PROGRAM,
    metrics.HANDLER,
    metrics.STARTED_SERVER,
    paste_server.POOLED,
    paste_server.THREADED,
    previews.MKDOCS,
    previews.PDOC,
    previews.PELICAN,
    previews.RANGES,
    proxies.PROXY3,
    proxies.PROXYSPY,
    receivers.GOOGLE_AUTH,
    receivers.MSAL_RECEIVER,
    uploads.PROGRAM,
    webdav.PROGRAM,
)

if sys.version_info < (3, 15):  # it is not published for later ones
    PROGRAMS += (static_app.PROGRAM,)
