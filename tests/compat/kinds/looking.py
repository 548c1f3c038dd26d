"""Kind 9, what subclasses look at: spellings, orders, landmarks, and how often something is called."""

import functools
import io
import os
import re

from tests.compat.kinds.bodies import answering
from tests.compat.table import ERROR_PAGES, LISTINGS, SAYS_CLOSE, Kind

kind = Kind(9, "looking")

LONG_LINE = b"GET /" + 70000 * b"a" + b" HTTP/1.1\r\n\r\n"


def recording(http, run, base=None):
    """A handler that notes the headers which it sends, as it is told to."""

    class Recording(base or http.SimpleHTTPRequestHandler):
        def send_header(self, keyword, value):
            run.notes.append(keyword)
            super().send_header(keyword, value)

    return Recording


@kind.case(gives=["Server", "Date", "Content-type", "Content-Length", "Last-Modified"])
def headers_of_a_file(http, run):
    run.file("a.txt", b"content")
    run.connect(run.serve_files(recording(http, run))).get("/a.txt")
    return list(run.notes)


@kind.case(gives=["Server", "Date", "Content-type", "Content-Length"], differs=(LISTINGS,))
def headers_of_a_listing(http, run):
    run.connect(run.serve_files(recording(http, run))).get("/")
    return list(run.notes)


@kind.case(gives=["Server", "Date", "Location", "Content-Length"])
def headers_of_a_redirect(http, run):
    run.file("sub/a.txt", b"content")
    run.connect(run.serve_files(recording(http, run))).get("/sub")
    return list(run.notes)


@kind.case(gives=["Server", "Date", "Connection", "Content-Type", "Content-Length"], differs=(ERROR_PAGES,))
def headers_of_an_error(http, run):
    run.connect(run.serve_files(recording(http, run))).get("/missing")
    return list(run.notes)


@kind.case(gives=["Server", "Date"])
def headers_of_not_modified(http, run):
    run.file("a.txt", b"content")
    client = run.connect(run.serve_files(recording(http, run)))
    client.get("/a.txt", "If-Modified-Since: Tue, 14 Nov 2023 22:13:20 GMT")
    return list(run.notes)


@kind.case(gives=["text/html; charset=utf-8", (200, b"content")])
def a_send_header_that_compares_the_spelling(http, run):
    class Charset(http.SimpleHTTPRequestHandler):
        def send_header(self, keyword, value):
            if keyword == "Content-type" and value == "text/html":
                value += "; charset=utf-8"
            super().send_header(keyword, value)

    run.file("a.html", b"content")
    client = run.connect(run.serve_files(Charset))
    answer = client.get("/a.html")
    return [*client.header("Content-Type"), answer]


@kind.case(
    gives=["HTTP/1.0 200 OK\r\n", "Server: *\r\n", "Date: *\r\n", "X-A: 1\r\n"],
)
def the_buffer_of_headers(http, run):
    # Many programs look for a line there, or take one out.
    class Looking(http.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("X-A", "1")
            run.notes.extend(line.decode() for line in self._headers_buffer)
            self.end_headers()

    run.connect(run.serve(Looking)).get()
    return [re.sub(r"^(Server|Date): [^\r]*", r"\1: *", line) for line in run.notes]


@kind.case(gives=[True, False, (200, b"")])
def a_header_taken_out_of_the_buffer(http, run):
    class Anonymous(http.BaseHTTPRequestHandler):
        def end_headers(self):
            self._headers_buffer = [line for line in self._headers_buffer if not line.startswith(b"Server:")]
            super().end_headers()

        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

    client = run.connect(run.serve(Anonymous))
    answer = client.get()
    return [bool(client.header("Date")), bool(client.header("Server")), answer]


# Listings


@kind.case(gives=[True] * 9, differs=(LISTINGS,))
def the_landmarks_of_a_listing(http, run):
    run.file("a b.txt", b"")
    run.file("sub/c.txt", b"")
    page = run.connect(run.serve_files(http.SimpleHTTPRequestHandler)).get("/").body.decode()
    marks = ("</head>", "<body>", "<ul>", "</ul>", "<li>", "</body>", "Directory listing for /")
    links = ('<a href="a%20b.txt">a b.txt</a>', '<a href="sub/">sub/</a>')
    return [mark in page for mark in (*marks, *links)]


@kind.case(gives=(True, True))
def a_listing_that_is_given_a_style(http, run):
    class Styled(http.SimpleHTTPRequestHandler):
        def list_directory(self, path):
            file = super().list_directory(path)
            self.styled = file.read().replace(b"</head>", b"<style>a{}</style></head>")
            return io.BytesIO(self.styled)

        def send_header(self, keyword, value):
            if keyword != "Content-Length":
                super().send_header(keyword, value)

        def log_message(self, *args):
            pass

    run.file("a.txt", b"")
    client = run.connect(run.serve_files(Styled))
    body = client.get("/").body
    client.forget()  # the page is the newest Python's
    return b"<style>a{}</style></head>" in body, body.count(b"<li>") == 1


@kind.case(gives=["/a.txt", "/sub/"])
def the_links_of_a_listing(http, run):
    run.file("a.txt", b"")
    run.file("sub/b.txt", b"")
    client = run.connect(run.serve_files(http.SimpleHTTPRequestHandler))
    body = client.get("/").body.decode()
    client.forget()
    return ["/" + link for link in re.findall(r'<li><a href="([^"]*)">', body)]


# Errors


def two_parameters(http, run):
    class Short(http.SimpleHTTPRequestHandler):
        def send_error(self, code, message=None):
            run.notes.append(int(code))
            self.request_version = "HTTP/1.1"
            self.send_response(code)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args):
            pass

    return Short


for status, why, request in (
    (404, "missing", b"GET /missing HTTP/1.1\r\nHost: test\r\n\r\n"),
    (501, "method", b"BREW / HTTP/1.1\r\nHost: test\r\n\r\n"),
    (400, "words", b"GET / nonsense HTTP/1.1\r\n\r\n"),
    (400, "version", b"GET / HTTP/one\r\n\r\n"),
    (505, "future", b"GET / HTTP/2.0\r\n\r\n"),
    (414, "line", LONG_LINE),
):

    @kind.case(gives=(status, [status]), name=f"send_error_with_two_parameters_{status}_{why}")
    def short_error(http, run, request=request):
        client = run.connect(run.serve_files(two_parameters(http, run)))
        client.send(request)
        answer = client.answer()
        return answer.status, list(run.notes)


for why, request in (
    ("line", b"GET / HTTP/1.1\r\nHost: test\r\nX-A: " + 70000 * b"a" + b"\r\n\r\n"),
    ("fields", b"GET / HTTP/1.1\r\nHost: test\r\n" + 200 * b"X-A: a\r\n" + b"\r\n"),
):

    @kind.case(
        gives=(0, []),
        ours=(431, [431]),
        reason="An override with two parameters is enough for every status; http.server gives it a third for this one.",
        name=f"send_error_with_two_parameters_431_{why}",
    )
    def shorter_error(http, run, request=request):
        client = run.connect(run.serve_files(two_parameters(http, run)))
        client.send(request)
        answer = client.answer()
        return answer.status, list(run.notes)


@kind.case(
    gives=((200, b"outside"), []),
    ours=((403, b""), [403]),
    reason="A link that leads out of the directory is not followed; the override is not given a third parameter.",
)
def send_error_with_two_parameters_for_a_link_that_leads_out(http, run):
    outside = run.file("outside", b"outside")
    os.makedirs(run.folder / "inside")
    os.symlink(outside, run.folder / "inside" / "link")
    server = run.serve(functools.partial(two_parameters(http, run), directory=str(run.folder / "inside")))
    return run.connect(server).get("/link"), list(run.notes)


@kind.case(gives=(404, b'{"code": 404, "message": "File not found"}'))
def an_error_as_json(http, run):
    class Json(http.SimpleHTTPRequestHandler):
        error_message_format = '{"code": %(code)d, "message": "%(message)s"}'
        error_content_type = "application/json"

    client = run.connect(run.serve_files(Json))
    answer = client.get("/missing")
    assert client.header("Content-Type") == ["application/json"]
    return answer


@kind.case(gives=[(404, b""), (204, b""), (304, b"")])
def errors_without_a_body(http, run):
    class Failing(http.BaseHTTPRequestHandler):
        def do_HEAD(self):
            self.send_error(404)

        def do_GET(self):
            self.send_error(int(self.path[1:]))

    server = run.serve(Failing)
    client = run.connect(server)
    answers = [client.request("HEAD")]
    client.forget()  # of no page, there is the length
    return [*answers, *(run.connect(server).get(f"/{code}") for code in (204, 304))]


@kind.case(gives=[("code 404, message File not found",), ("code 501, message Unsupported method ('BREW')",)])
def what_log_error_is_given(http, run):
    class Logging(http.SimpleHTTPRequestHandler):
        error_message_format = ""

        def log_error(self, format, *args):
            run.notes.append((format % args,))

    server = run.serve_files(Logging)
    run.connect(server).get("/missing")
    run.connect(server).request("BREW")
    return list(run.notes)


@kind.case(gives=["404 Gone fishing", "<b>nothing</b> here"])
def a_message_and_an_explanation(http, run):
    class Explaining(http.BaseHTTPRequestHandler):
        error_message_format = "%(explain)s"

        def do_GET(self):
            self.send_error(404, "Gone fishing", explain="<b>nothing</b> here")

    client = run.connect(run.serve(Explaining))
    body = client.get().body.decode().replace("&lt;", "<").replace("&gt;", ">")
    return [client.line.partition(" ")[2], body]


# Calls


@kind.case(gives=[(200, "-"), (404, "-"), (304, "-"), (301, "-"), (501, "-"), (400, "-")])
def one_log_request_for_each_response(http, run):
    class Counting(http.SimpleHTTPRequestHandler):
        error_message_format = ""

        def log_request(self, code="-", size="-"):
            run.notes.append((int(code), size))

        def log_error(self, *args):
            pass

    run.file("a.txt", b"content")
    run.file("sub/b.txt", b"content")
    server = run.serve_files(Counting)
    for method, target, *headers in (
        ("GET", "/a.txt"),
        ("GET", "/missing"),
        ("GET", "/a.txt", "If-Modified-Since: Tue, 14 Nov 2023 22:13:20 GMT"),
        ("GET", "/sub"),
        ("BREW", "/"),
    ):
        client = run.connect(server)
        client.request(method, target, *headers)
        client.forget()
    client = run.connect(server)
    client.send(b"GET / HTTP/one\r\n\r\n")
    client.until_closed()
    client.forget()
    return list(run.notes)


@kind.case(gives=[('"%s" %s %s', ("GET /a HTTP/1.1", "200", "-")), ('"%s" %s %s', ("GET /b HTTP/1.1", "200", "-"))])
def what_log_message_is_given(http, run):
    class Logging(answering(http)):
        def log_message(self, format, *args):
            run.notes.append((format, args))

    client = run.connect(run.serve(Logging))
    client.get("/a"), client.get("/b")
    return list(run.notes)


@kind.case(gives=["send_response 200 None", "send_response_only 200 None", "end_headers", "flush_headers"])
def the_calls_of_an_answer(http, run):
    class Calls(answering(http)):
        def send_response(self, code, message=None):
            run.notes.append(f"send_response {int(code)} {message}")
            super().send_response(code, message)

        def send_response_only(self, code, message=None):
            run.notes.append(f"send_response_only {int(code)} {message}")
            super().send_response_only(code, message)

        def end_headers(self):
            run.notes.append("end_headers")
            super().end_headers()

        def flush_headers(self):
            run.notes.append("flush_headers")
            super().flush_headers()

    run.connect(run.serve(Calls)).get()
    return list(run.notes)


@kind.case(gives=["send_response 404 File not found", "send_response_only 404 File not found"])
def the_calls_of_an_error(http, run):
    class Calls(http.SimpleHTTPRequestHandler):
        error_message_format = ""

        def send_response(self, code, message=None):
            run.notes.append(f"send_response {int(code)} {message}")
            super().send_response(code, message)

        def send_response_only(self, code, message=None):
            run.notes.append(f"send_response_only {int(code)} {message}")
            super().send_response_only(code, message)

    run.connect(run.serve_files(Calls)).get("/missing")
    return list(run.notes)


@kind.case(gives=["setup", "handle", "handle_one_request", "parse_request", "do_GET", "handle_one_request", "finish"])
def the_calls_of_a_connection(http, run):
    class Calls(answering(http)):
        pass

    def noting(name):
        def method(self, *args):
            run.notes.append(name)
            return getattr(super(Calls, self), name)(*args)

        return method

    for name in ("setup", "handle", "handle_one_request", "parse_request", "do_GET", "finish"):
        setattr(Calls, name, noting(name))
    client = run.connect(run.serve(Calls))
    client.get()
    client.leave()
    return run.notes.wait_for(7)


# Attributes


def seen_by(http, run, look, *requests, version="HTTP/1.1"):
    """What a handler sees in its do_GET, for each of these requests over a connection of its own."""

    class Looking(answering(http)):
        protocol_version = version

        def do_GET(self):
            run.notes.append(look(self))
            super().do_GET()

    server = run.serve(Looking)
    for request in requests or [b"GET /a?b=c HTTP/1.1\r\nHost: test\r\nX-Many: 1\r\nX-Many: 2\r\n\r\n"]:
        client = run.connect(server)
        client.send(request)
        client.answer()
    return run.notes.wait_for(max(len(requests), 1))


@kind.case(gives=[("GET", "/a?b=c", "HTTP/1.1", "GET /a?b=c HTTP/1.1", b"GET /a?b=c HTTP/1.1\r\n")])
def the_request_line(http, run):
    return seen_by(http, run, lambda h: (h.command, h.path, h.request_version, h.requestline, h.raw_requestline))


@kind.case(gives=[([("Host", "test"), ("X-Many", "1"), ("X-Many", "2")], ["1", "2"], "test", None, 3)])
def the_headers(http, run):
    return seen_by(
        http,
        run,
        lambda h: (
            h.headers.items(),
            h.headers.get_all("x-many"),
            h.headers["HOST"],
            h.headers.get("X-None"),
            len(h.headers),
        ),
    )


@kind.case(gives=["Host: test\nX-Many: 1\nX-Many: 2\n\n"])
def the_headers_as_text(http, run):
    return seen_by(http, run, lambda h: str(h.headers))


@kind.case(gives=[(True, ["Host"])])
def headers_that_a_handler_changes(http, run):
    def look(handler):
        del handler.headers["X-Many"]
        return "X-Many" not in handler.headers, handler.headers.keys()

    return seen_by(http, run, look)


@kind.case(gives=[False, True, False, True], differs=(SAYS_CLOSE,))
def close_connection_as_a_handler_sees_it(http, run):
    return seen_by(
        http,
        run,
        lambda h: h.close_connection,
        b"GET / HTTP/1.1\r\nHost: test\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: test\r\nConnection: keep-alive\r\n\r\n",
        b"GET / HTTP/1.0\r\nHost: test\r\n\r\n",
    )


@kind.case(gives=[(True, "127.0.0.1", "127.0.0.1", True)])
def the_client_and_the_server(http, run):
    return seen_by(
        http,
        run,
        lambda h: (
            isinstance(h.client_address, tuple),
            h.client_address[0],
            h.address_string(),
            h.server.server_port == h.server.server_address[1],
        ),
    )


@kind.case(
    gives=[
        [
            "client_address",
            "close_connection",
            "command",
            "connection",
            "headers",
            "path",
            "raw_requestline",
            "request",
            "request_version",
            "requestline",
            "rfile",
            "server",
            "wfile",
        ]
    ]
)
def the_attributes_of_an_instance(http, run):
    # Programs copy them, compare them, or show them.
    def look(handler):
        handler.headers
        return sorted(name for name in vars(handler) if not name.startswith("_"))

    return seen_by(http, run, look)


@kind.case(gives=["Thu, 01 Jan 1970 00:00:00 GMT", True, True, True, ("Not Found", True)])
def strings_that_a_handler_makes(http, run):
    handler = http.BaseHTTPRequestHandler.__new__(http.BaseHTTPRequestHandler)
    short, long = handler.responses[404]
    return [
        handler.date_time_string(0),
        handler.version_string() == handler.server_version + " " + handler.sys_version,
        bool(re.fullmatch(r"\d\d/[A-Z][a-z]{2}/\d{4} \d\d:\d\d:\d\d", handler.log_date_time_string())),
        handler.weekdayname[0] == "Mon" and handler.monthname[:2] == [None, "Jan"],
        (short, bool(long)),
    ]
