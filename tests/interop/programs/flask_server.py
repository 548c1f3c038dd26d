"""Flask's development server: werkzeug's, whose handler has a ``handle_one_request``-free way of its own to answer."""

from __future__ import annotations

import re

import simple_websocket

from tests.interop.programs.program import Program, Site
from tests.interop.programs.visit import Visit

APPLICATION = """
from flask import Flask, Response, abort, redirect, request, send_from_directory
from flask_sock import Sock

app = Flask(__name__)
sock = Sock(app)

@app.get("/")
def index():
    return "hello"

@app.post("/echo")
def echo():
    return request.get_data()

@app.post("/unread")
def unread():
    return "not read"

@app.post("/upload")
def upload():
    return {name: len(file.read()) for name, file in request.files.items()}

@app.get("/stream")
def stream():
    return Response(f"{number}\\n" for number in range(5))

@app.get("/moved")
def moved():
    return redirect("/")

@app.get("/fails")
def fails():
    raise RuntimeError("on purpose")

@app.get("/breaks")
def breaks():
    def parts():
        yield "begun"
        raise RuntimeError("on purpose, later")
    return Response(parts())

@app.get("/nothing")
def nothing():
    return "", 204

@app.get("/environment")
def environment():
    names = ("SERVER_PROTOCOL", "REQUEST_METHOD", "PATH_INFO", "QUERY_STRING", "HTTP_X_ONE", "REMOTE_ADDR",
        "RAW_URI", "wsgi.multithread", "wsgi.input_terminated", "CONTENT_LENGTH")
    return {name: request.environ.get(name) for name in names}

@app.get("/file/<path:name>")
def file(name):
    return send_from_directory(".", name)

@sock.route("/words")
def words(ws):
    while True:
        ws.send(ws.receive().upper())
"""


def prepare(site: Site) -> list[str]:
    site.write("application.py", APPLICATION)
    site.write("a.txt", "content of a")
    return ["-m", "flask", "--app", "application", "run", "--port", "0", "--no-reload", "--no-debugger"]


def chunked(*parts: bytes) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (*parts, b""))


def talk(visit: Visit) -> None:
    with visit.connection() as kept:
        kept.request("GET", "/")
        kept.request("HEAD", "/")
        kept.request("POST", "/echo", "a body")
        kept.request("POST", "/echo", "x" * 100_000)
        kept.request("GET", "/environment?a=b%20c", X_One="1")
    visit.request("POST", "/echo", chunked(b"hello", b" world"), Transfer_Encoding="chunked")
    visit.request("POST", "/echo", chunked(b"x" * 70_000, b"y" * 70_000), Transfer_Encoding="chunked")
    visit.request("POST", "/unread", "never read")
    visit.request("GET", "/stream")
    visit.request("GET", "/moved")
    visit.request("GET", "/fails")
    visit.request("GET", "/breaks")
    visit.printed(re.compile("RuntimeError: on purpose, later"))
    visit.request("GET", "/nothing")
    visit.request("GET", "/none")
    visit.request("DELETE", "/")
    visit.request("GET", "/file/a.txt")
    visit.request("GET", "/file/a.txt", Range="bytes=3-6")
    visit.curl("-F", "one=@a.txt", "-F", "two=@application.py", visit.url("/upload"))
    for version in ("--http1.0", "--http1.1"):
        visit.curl(version, "-H", "Expect: 100-continue", "-d", "a", visit.url("/echo"))
    first, second = b"GET / HTTP/1.1\r\nHost: test\r\n\r\n", b"GET /nothing HTTP/1.1\r\nHost: test\r\n"
    visit.raw("pipelined", first + second + b"Connection: close\r\n\r\n")
    visit.raw("unread, pipelined", b"POST /unread HTTP/1.1\r\nHost: test\r\nContent-Length: 31\r\n\r\n" + first)
    talk_by_websocket(visit)


def talk_by_websocket(visit: Visit) -> None:
    client = simple_websocket.Client(visit.url("/words").replace("http", "ws"))
    try:
        for word in ("one", "two", "x" * 70_000):
            client.send(word)
            visit.note("heard", client.receive(timeout=10))
    finally:
        client.close()


PROGRAM = Program("flask", prepare, talk)
