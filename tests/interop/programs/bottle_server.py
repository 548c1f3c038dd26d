"""bottle: a microframework whose default server is wsgiref's, with a handler of its own."""

from __future__ import annotations

from tests.interop.programs.flask_server import chunked
from tests.interop.programs.program import Program, Site
from tests.interop.programs.visit import Visit

APPLICATION = """
import os
from bottle import default_app, get, post, request, response, static_file

@get("/")
def index():
    return "hello"

@post("/echo")
def echo():
    return request.body.read()

@post("/form")
def form():
    return dict(request.forms) | {name: len(file.file.read()) for name, file in request.files.items()}

@get("/stream")
def stream():
    yield "one "
    yield "two"

@get("/cookie")
def cookie():
    response.set_cookie("a", "b")
    response.add_header("Set-Cookie", "c=d")
    return request.get_cookie("e") or "none"

@get("/file/<name>")
def file(name):
    return static_file(name, root=os.getcwd())

app = default_app()
"""


def prepare(site: Site) -> list[str]:
    site.write("application.py", APPLICATION)
    site.write("a.txt", "content of a")
    return ["-m", "bottle", "--server", "wsgiref", "--bind", "127.0.0.1:0", "application:app"]


def talk(visit: Visit) -> None:
    visit.request("GET", "/")
    visit.request("HEAD", "/")
    visit.request("POST", "/echo", "a body")
    visit.request("POST", "/echo", "x" * 300_000)
    visit.request("POST", "/echo", chunked(b"hello", b" world"), Transfer_Encoding="chunked")
    visit.request("POST", "/echo", chunked(b"x" * 300_000), Transfer_Encoding="chunked")
    visit.request("GET", "/stream")
    visit.request("GET", "/cookie", Cookie="e=f")
    visit.request("GET", "/file/a.txt")
    visit.request("GET", "/file/a.txt", Range="bytes=3-6")
    visit.request("GET", "/file/a.txt", If_Modified_Since="Tue, 14 Nov 2023 22:13:20 GMT")
    visit.request("GET", "/none")
    visit.request("DELETE", "/")
    visit.curl("-F", "file=@a.txt", "-F", "name=value", visit.url("/form"))
    visit.raw("pipelined", b"GET / HTTP/1.1\r\nHost: test\r\n\r\n" * 2)


PROGRAM = Program("bottle", prepare, talk)
