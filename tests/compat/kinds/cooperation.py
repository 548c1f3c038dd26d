"""Kind 6, cooperation: mixins, handlers that are never initialised, and methods called on objects without a request."""

import abc
import functools
import io
import logging
import unittest.mock

from tests.compat.kinds.bodies import answering
from tests.compat.table import SAYS_CLOSE, VALIDATORS, Kind

kind = Kind(6, "cooperation")


# Mixins


@kind.case(gives=[(200, b"hello"), "never called"])
def a_mixin_behind_with_an_init_of_its_own(http, run):
    class Mixin:
        greeting = b"hello"

        def __init__(self):
            run.notes.append("called")

    class Handler(answering(http), Mixin):
        def do_GET(self):
            self.answer(self.greeting)

    return [run.connect(run.serve(Handler)).get(), *(run.notes or ["never called"])]


@kind.case(gives=(200, b"hello"))
def a_mixin_behind_with_arguments_of_its_own(http, run):
    class Mixin:
        def __init__(self, *, store):
            self.store = store

    class Handler(answering(http), Mixin):
        def do_GET(self):
            self.answer(b"hello")

    return run.connect(run.serve(Handler)).get()


@kind.case(gives=(200, b"hello"))
def a_mixin_behind_that_takes_an_argument_first(http, run):
    class Mixin:
        def __init__(self, name):
            self.name = name

    class Handler(http.SimpleHTTPRequestHandler, Mixin):
        def __init__(self, *args, **kwargs):
            Mixin.__init__(self, "hello")
            super().__init__(*args, **kwargs)

        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", "5")
            self.end_headers()
            self.wfile.write(self.name.encode())

    return run.connect(run.serve(Handler)).get()


@kind.case(gives=[(200, b"before"), (200, b"before")])
def a_mixin_before_that_passes_on(http, run):
    class Mixin:
        def __init__(self, *args, **kwargs):
            self.word = b"before"
            super().__init__(*args, **kwargs)

        def do_GET(self):
            self.answer(self.word)

    class Handler(Mixin, answering(http)):
        pass

    client = run.connect(run.serve(Handler))
    return [client.get(), client.get()]


@kind.case(gives=["/a"])
def a_mixin_that_logs(http, run):
    class LogsByLogging:
        def log_message(self, format, *args):
            logging.getLogger("compat").debug(format, *args)
            run.notes.append(args[0].split()[1])

    class Handler(LogsByLogging, answering(http)):
        pass

    run.connect(run.serve(Handler)).get("/a")
    return run.notes.wait_for(1)


@kind.case(gives=(200, b"abstract"))
def an_abstract_handler(http, run):
    class Handler(answering(http), abc.ABC):
        @abc.abstractmethod
        def body(self):
            """The body."""

        def do_GET(self):
            self.answer(self.body())

    class Concrete(Handler):
        def body(self):
            return b"abstract"

    return run.connect(run.serve(Concrete)).get()


@kind.case(gives=["Registered"])
def a_mixin_that_registers_subclasses(http, run):
    class Registry:
        def __init_subclass__(cls, name=None, **kwargs):
            super().__init_subclass__(**kwargs)
            run.notes.append(name)

    class Handler(answering(http), Registry, name="Registered"):
        pass

    run.connect(run.serve(Handler)).get()
    return list(run.notes)


@kind.case(gives=["called", (200, b"/")])
def a_server_with_a_mixin(http, run):
    class Mixin:
        def __init__(self, *args, store, **kwargs):
            super().__init__(*args, **kwargs)
            self.store = store

    class Server(Mixin, http.ThreadingHTTPServer):
        pass

    server = Server(("127.0.0.1", 0), answering(http), store=["called"])
    return [*server.store, run.connect(run.serve(None, server)).get()]


@kind.case(gives=(200, b"/"))
def a_server_with_a_mixin_behind(http, run):
    class Mixin:
        def __init__(self, store):
            self.store = store

    class Server(http.ThreadingHTTPServer, Mixin):
        pass

    return run.connect(run.serve(answering(http), Server)).get()


@kind.case(gives=[(200, b"lambda"), (200, b"partial")])
def factories_of_handlers(http, run):
    class Handler(answering(http)):
        def __init__(self, word, *args):
            self.word = word
            super().__init__(*args)

        def do_GET(self):
            self.answer(self.word)

    by_lambda = run.serve(lambda *args: Handler(b"lambda", *args))
    by_partial = run.serve(functools.partial(Handler, b"partial"))
    return [run.connect(server).get() for server in (by_lambda, by_partial)]


# Objects without a request


class Memory:
    """A connection that is held in memory, as programs make one to run a handler without a server."""

    def __init__(self, data):
        self.data, self.sent = data, b""

    def makefile(self, *args, **kwargs):
        return io.BytesIO(self.data)

    def sendall(self, data):
        self.sent += data


@kind.case(gives=(b"HTTP/1.1 200 OK", b"/in-memory"))
def a_request_object_in_memory(http, run):
    request = Memory(b"GET /in-memory HTTP/1.1\r\nHost: test\r\n\r\n")
    answering(http)(request, ("127.0.0.1", 1), unittest.mock.Mock())
    return request.sent.split(b"\r\n")[0], request.sent.rpartition(b"\r\n\r\n")[2]


@kind.case(gives=("POST", "/a?b", "HTTP/1.1", "test", b"body", None))
def a_handler_that_parses_text(http, run):
    class Parsed(http.BaseHTTPRequestHandler):
        error_code = None

        def __init__(self, text):
            self.rfile = io.BytesIO(text)
            self.raw_requestline = self.rfile.readline()
            self.parse_request()

        def send_error(self, code, message):
            self.error_code = code

    parsed = Parsed(b"POST /a?b HTTP/1.1\r\nHost: test\r\n\r\nbody")
    version, host = parsed.request_version, parsed.headers["host"]
    return parsed.command, parsed.path, version, host, parsed.rfile.read(), parsed.error_code


@kind.case(gives=(400, False))
def a_handler_that_parses_nonsense(http, run):
    class Parsed(http.BaseHTTPRequestHandler):
        def __init__(self, text):
            self.rfile = io.BytesIO(text)
            self.raw_requestline = self.rfile.readline()
            self.good = self.parse_request()

        def send_error(self, code, message):
            self.error_code = code

    parsed = Parsed(b"GET / HTTP/x.y\r\n\r\n")
    return parsed.error_code, parsed.good


@kind.case(gives=b"HTTP/1.0 201 Made\r\nX-A: 1\r\n\r\nbody")
def an_answer_of_an_object_that_was_never_initialised(http, run):
    class Handler(http.BaseHTTPRequestHandler):
        def __init__(self):
            self.wfile, self.request_version = io.BytesIO(), "HTTP/1.1"

    handler = Handler()
    handler.send_response_only(201, "Made")
    handler.send_header("X-A", "1")
    handler.end_headers()
    handler.wfile.write(b"body")
    return handler.wfile.getvalue()


@kind.case(gives=[b"HTTP/1.0 404 Nothing here", b"Content-Type: text/html;charset=utf-8"])
def an_error_of_an_object_that_was_never_initialised(http, run):
    handler = http.BaseHTTPRequestHandler.__new__(http.BaseHTTPRequestHandler)
    handler.wfile, handler.request_version, handler.command = io.BytesIO(), "HTTP/1.1", "GET"
    handler.requestline, handler.client_address = "GET / HTTP/1.1", ("127.0.0.1", 1)
    handler.send_error(404, "Nothing here")
    head = handler.wfile.getvalue().partition(b"\r\n\r\n")[0].split(b"\r\n")
    return [head[0], *(line for line in head if line.startswith(b"Content-Type"))]


@kind.case(gives=[(200, b"/one"), (200, b"/two")])
def handle_one_request_over_files_in_memory(http, run):
    class Handler(answering(http)):
        def __init__(self, data):
            self.rfile, self.wfile = io.BytesIO(data), io.BytesIO()
            self.client_address, self.close_connection = ("127.0.0.1", 1), True

    handler = Handler(b"GET /one HTTP/1.1\r\nHost: test\r\n\r\nGET /two HTTP/1.1\r\nHost: test\r\n\r\n")
    answers = []
    for _ in range(2):
        handler.handle_one_request()
        status, _, body = handler.wfile.getvalue().partition(b"\r\n")
        answers.append((int(status.split()[1]), body.rpartition(b"\r\n\r\n")[2]))
        handler.wfile = io.BytesIO()
    return answers


def unparsed(http, run, **attributes):
    """A handler of files as tests and tools make one: without a connection, with what is needed set by hand."""
    handler = http.SimpleHTTPRequestHandler.__new__(http.SimpleHTTPRequestHandler)
    handler.directory = str(run.folder)
    handler.extra_response_headers = None  # http.server asks for it since Python 3.15
    vars(handler).update(attributes)
    return handler


@kind.case(gives=["/a b/c", "/c", "/", "/a/", "/x"])
def translate_path_without_a_request(http, run):
    handler = unparsed(http, run)
    paths = ["/a%20b/c?query", "/b/../c#fragment", "/", "/a/", "/../../x"]
    return [handler.translate_path(path).removeprefix(str(run.folder)) for path in paths]


@kind.case(gives=["text/plain", "application/gzip", "application/octet-stream"])
def guess_type_without_a_request(http, run):
    handler = unparsed(http, run)
    return [handler.guess_type(name) for name in ("a.txt", "a.tar.gz", "a")]


for what, headers in (("a_dict", {}), ("a_list", []), ("a_mock", None)):

    @kind.case(gives=(b"content", "HTTP/1.0 200 OK", True), name=f"send_head_with_headers_that_are_{what}")
    def send_head(http, run, headers=headers):
        run.file("a.txt", b"content")
        handler = unparsed(
            http,
            run,
            path="/a.txt",
            command="GET",
            request_version="HTTP/1.1",
            requestline="GET /a.txt HTTP/1.1",
            client_address=("127.0.0.1", 1),
            wfile=io.BytesIO(),
            headers=unittest.mock.MagicMock() if headers is None else headers,
        )
        with handler.send_head() as file:
            body = file.read()
        head = handler.wfile.getvalue().decode().split("\r\n")
        return body, head[0], "Content-Length: 7" in head


@kind.case(gives=(True, True))
def list_directory_without_a_request(http, run):
    run.file("a.txt", b"content")
    handler = unparsed(
        http,
        run,
        path="/",
        command="GET",
        request_version="HTTP/1.1",
        requestline="GET / HTTP/1.1",
        client_address=("127.0.0.1", 1),
        wfile=io.BytesIO(),
    )
    page = handler.list_directory(str(run.folder)).read()
    return b"Directory listing for /" in page, b'<a href="a.txt">a.txt</a>' in page


@kind.case(gives='127.0.0.1 - - [now] "GET /" 200 -\n')
def log_request_without_a_request(http, run):
    import contextlib

    handler = http.BaseHTTPRequestHandler.__new__(http.BaseHTTPRequestHandler)
    handler.client_address, handler.requestline = ("127.0.0.1", 1), "GET /"
    handler.log_date_time_string = lambda: "now"
    with contextlib.redirect_stderr(io.StringIO()) as log:
        handler.log_request(200)
    return log.getvalue()


@kind.case(gives=(200, b"content"), differs=(VALIDATORS,))
def a_directory_given_to_init(http, run):
    class Handler(http.SimpleHTTPRequestHandler):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, directory=str(run.folder), **kwargs)

    run.file("a.txt", b"content")
    return run.connect(run.serve(Handler)).get("/a.txt")


@kind.case(gives=[(200, b"wsgi /app"), (200, b"wsgi /app")])
def the_handler_of_wsgiref_over_these_classes(http, run):
    import wsgiref.simple_server

    theirs = vars(wsgiref.simple_server.WSGIRequestHandler)

    class Handler(http.BaseHTTPRequestHandler):
        get_environ, get_stderr, handle = (theirs[name] for name in ("get_environ", "get_stderr", "handle"))

    class Server(http.ThreadingHTTPServer):
        def server_bind(self):
            super().server_bind()
            self.base_environ = {
                "SERVER_NAME": "localhost",
                "GATEWAY_INTERFACE": "CGI/1.1",
                "SERVER_PORT": str(self.server_address[1]),
                "REMOTE_HOST": "",
                "CONTENT_LENGTH": "",
                "SCRIPT_NAME": "",
            }

        def get_app(self):
            def app(environ, start_response):
                start_response("200 OK", [("Content-Type", "text/plain")])
                return [b"wsgi " + environ["PATH_INFO"].encode()]

            return app

    server = run.serve(Handler, Server)
    return [run.connect(server).get("/app") for _ in range(2)]


@kind.case(gives=(200, b"answer"), differs=(SAYS_CLOSE,))
def a_handler_that_says_nothing_of_length(http, run):
    class Handler(http.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"answer")
            self.close_connection = True

    return run.connect(run.serve(Handler)).get()
