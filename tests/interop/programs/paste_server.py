"""Paste's server: WSGI on a handler of its own, in a pool of threads of its own, over kept connections."""

from __future__ import annotations

import re

from tests.interop.programs.program import Program, Site
from tests.interop.programs.visit import Visit

APPLICATION = """
from paste import httpserver

def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/fails":
        raise RuntimeError("on purpose")
    body = environ["wsgi.input"].read() if path == "/echo" else path.encode()
    fields = [("Content-Type", "text/plain"), ("X-Protocol", environ["SERVER_PROTOCOL"])]
    if path != "/unknown":
        fields.append(("Content-Length", str(len(body))))
    start_response("200 OK", fields)
    return [body]

httpserver.serve(application, host="127.0.0.1", port=0, protocol_version="HTTP/1.1", daemon_threads=True, %s)
"""


def pooled(site: Site) -> list[str]:
    return [str(site.write("program.py", APPLICATION % "use_threadpool=True, threadpool_workers=5"))]


def threaded(site: Site) -> list[str]:
    return [str(site.write("program.py", APPLICATION % "use_threadpool=False"))]


def talk(visit: Visit) -> None:
    with visit.connection() as kept:
        kept.request("GET", "/one")
        kept.request("GET", "/two")
        kept.request("POST", "/echo", "a body")
        kept.request("POST", "/echo", "x" * 300_000)
        kept.request("GET", "/unknown")
        kept.request("DELETE", "/four")
    visit.request("HEAD", "/three")
    visit.request("GET", "/fails")
    visit.printed(re.compile("RuntimeError: on purpose"))
    visit.raw(
        "asks first",
        b"POST /echo HTTP/1.1\r\nHost: test\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n",
        b"askedGET /next HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n",
    )
    visit.raw("unread", b"POST /one HTTP/1.1\r\nHost: test\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc")
    visit.raw(
        "pipelined", b"GET /a HTTP/1.1\r\nHost: test\r\n\r\nGET /b HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"
    )


POOLED = Program("Paste-pool", pooled, talk)
THREADED = Program("Paste-threads", threaded, talk)
