"""What a server needs is imported where it is asked for, and not by its threads.

pytest rewrites the asserts of a plugin's modules when they are imported, and Python 3.11 fails ("AST constructor
recursion depth mismatch") if two threads do so at the same time.
"""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import pytest_httpserve

PACKAGE = Path(pytest_httpserve.__file__).parent

WATCH = """
import http.client, socket, ssl, sys, threading, urllib.error, urllib.request

class Watch:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name.startswith("pytest_httpserve") and threading.current_thread() is not threading.main_thread():
            print(name)

sys.meta_path.insert(0, Watch)

def get(url, **options):
    try:
        with urllib.request.urlopen(url, context=ssl._create_unverified_context(), timeout=5, **options) as answer:
            answer.read()
    except (OSError, http.client.HTTPException):
        pass

from pytest_httpserve import HTTPServe, Response
from pytest_httpserve.faults import Reset
with HTTPServe() as first:  # what is looked at here comes on top of this
    first.on("GET", "/").respond(text="hello")
    get(first.url_for("/"))
"""

PROGRAMS = {
    "fault of a connection": """
        with HTTPServe() as server:
            server.on("GET", "/").respond(text="hello")
            server.fault(Reset())
            get(server.url_for("/"))
    """,
    "fault of an answer": """
        with HTTPServe() as server:
            server.on("GET", "/").respond(text="hello", fault=Reset(after=2))
            get(server.url_for("/"))
    """,
    "delay in a handler": """
        with HTTPServe() as server:
            server.on("GET", "/").handle(lambda request: Response(200, delay=0.001))
            get(server.url_for("/"))
    """,
    "gate": """
        with HTTPServe() as server:
            gate = server.on("GET", "/").respond(text="hello").hold()
            client = threading.Thread(target=get, args=[server.url_for("/")])
            sys.meta_path.remove(Watch)  # the client's own
            client.start()
            sys.meta_path.insert(0, Watch)
            gate.arrived()
            gate.fail()
            client.join()
    """,
    "form in a handler": """
        with HTTPServe() as server:
            server.on("POST", "/").handle(lambda request: str(request.files))
            request = urllib.request.Request(server.url_for("/"), method="POST")
            request.add_header("Content-Type", "multipart/form-data; boundary=b")
            get(request, data=b"--b--")
    """,
    "directory": """
        with HTTPServe() as server:
            server.serve_dir(".")
            get(server.url_for("/"))
            get(server.url_for("/test_architecture.py"))
    """,
    "CGI": """
        with HTTPServe() as server:
            server.serve_cgi(".", at="/cgi")
            get(server.url_for("/cgi/lifeline.py"))
    """,
    "handler class": """
        from http.server import BaseHTTPRequestHandler
        with HTTPServe() as server:
            server.mount("/", BaseHTTPRequestHandler)
            get(server.url_for("/"))
    """,
    "WSGI": """
        with HTTPServe() as server:
            server.mount("/", lambda environ, start_response: start_response("200 OK", []) and [b"hello"])
            get(server.url_for("/"))
    """,
    "limit": """
        with HTTPServe() as server:
            server.on("GET", "/").respond(text="hello")
            server.limit(per_second=1)
            get(server.url_for("/"))
            get(server.url_for("/"))
    """,
    "TLS": """
        with HTTPServe(tls=True) as server:
            server.on("GET", "/").respond(text="hello")
            get(server.url_for("/"))
            get(server.url_for("/").replace("https", "http"))
    """,
    "TLS fault": """
        with HTTPServe(tls="handshake_reset") as server:
            get(server.url_for("/"))
    """,
    "HTTPSServer": """
        import trustme
        from pytest_httpserve.server import SimpleHTTPRequestHandler, ThreadingHTTPSServer
        with trustme.CA().issue_cert("127.0.0.1").private_key_and_cert_chain_pem.tempfile() as path:
            server = ThreadingHTTPSServer(("127.0.0.1", 0), SimpleHTTPRequestHandler, certfile=path)
        threading.Thread(target=server.serve_forever).start()
        get(f"https://127.0.0.1:{server.server_port}/")
        get(f"http://127.0.0.1:{server.server_port}/")
        server.shutdown()
        server.server_close()
    """,
}


@pytest.mark.parametrize("program", PROGRAMS)
def test_no_thread_of_a_server_imports_ours(program: str) -> None:
    path = os.pathsep.join(filter(None, [str(PACKAGE.parent), os.environ.get("PYTHONPATH")]))
    ended = subprocess.run(
        [sys.executable, "-c", WATCH + textwrap.dedent(PROGRAMS[program])],
        cwd=Path(__file__).parent, env={**os.environ, "PYTHONPATH": path}, stdout=subprocess.PIPE, text=True,
        timeout=60, check=True,
    )  # fmt: skip
    assert ended.stdout.split() == []
