"""Kind 10, late changes: what is patched or set on a class or an instance counts from then on."""

import functools
import threading
import unittest.mock

from tests.compat.kinds.bodies import answering
from tests.compat.table import SILENT, VALIDATORS, Kind

kind = Kind(10, "late-changes")


# Patches of a class, between two requests of a connection


def patched(http, run, name, replacement, look, base=False):
    """What ``look`` sees of three answers of one connection: before, within, and after a patch."""
    handler = answering(http)
    client = run.connect(run.serve(handler))
    seen = []

    def ask():
        client.get()
        client.forget()  # patches change what differs from module to module, too
        seen.append(look(client, run))

    ask()
    with unittest.mock.patch.object(http.BaseHTTPRequestHandler if base else handler, name, replacement):
        ask()
    ask()
    return seen


def date(client, run):
    return client.header("Date") == ["then"]


def server(client, run):
    return client.header("Server") == ["mine"]


def extra(client, run):
    return client.header("X-Extra")


def log(client, run):
    return len(run.notes)


def constant(value):
    return lambda self, *args: value


for base in (False, True):
    where = "a_base_class" if base else "a_class"

    @kind.case(gives=[False, True, False], name=f"date_time_string_of_{where}")
    def date_time_string(http, run, base=base):
        return patched(http, run, "date_time_string", constant("then"), date, base)

    @kind.case(gives=[False, True, False], name=f"version_string_of_{where}")
    def version_string(http, run, base=base):
        return patched(http, run, "version_string", constant("mine"), server, base)

    @kind.case(gives=[0, 1, 1], name=f"log_request_of_{where}")
    def log_request(http, run, base=base):
        def replacement(self, code="-", size="-"):
            run.notes.append(code)

        return patched(http, run, "log_request", replacement, log, base)

    @kind.case(gives=[0, 1, 1], name=f"log_message_of_{where}")
    def log_message(http, run, base=base):
        def replacement(self, format, *args):
            run.notes.append(format)

        return patched(http, run, "log_message", replacement, log, base)

    @kind.case(gives=[[], ["1", "1", "1"], []], name=f"send_header_of_{where}")
    def send_header(http, run, base=base):
        original = http.BaseHTTPRequestHandler.send_header

        def replacement(self, keyword, value):
            original(self, keyword, value)
            original(self, "X-Extra", "1")

        return patched(http, run, "send_header", replacement, extra, base)

    @kind.case(gives=[[], ["1"], []], name=f"end_headers_of_{where}")
    def end_headers(http, run, base=base):
        original = http.BaseHTTPRequestHandler.end_headers

        def replacement(self):
            self.send_header("X-Extra", "1")
            original(self)

        return patched(http, run, "end_headers", replacement, extra, base)

    @kind.case(gives=[0, 1, 1], name=f"parse_request_of_{where}")
    def parse_request(http, run, base=base):
        original = http.BaseHTTPRequestHandler.parse_request

        def replacement(self):
            good = original(self)
            run.notes.append(self.path)
            return good

        # The handler waits for its next request while the patch is made, and parses it by the patch.
        return patched(http, run, "parse_request", replacement, log, base)

    @kind.case(gives=[[], ["1"], []], name=f"send_response_of_{where}")
    def send_response(http, run, base=base):
        original = http.BaseHTTPRequestHandler.send_response

        def replacement(self, code, message=None):
            original(self, code, message)
            self.send_header("X-Extra", "1")

        return patched(http, run, "send_response", replacement, extra, base)


@kind.case(gives=[(200, b"/"), (200, b"patched"), (200, b"/")])
def a_method_for_requests(http, run):
    handler = answering(http)
    client = run.connect(run.serve(handler))
    answers = [client.get()]
    with unittest.mock.patch.object(handler, "do_GET", lambda self: self.answer(b"patched")):
        answers.append(client.get())
    answers.append(client.get())
    return answers


@kind.case(gives=[1, 1])
def a_mock_with_autospec(http, run):
    handler = answering(http)
    client = run.connect(run.serve(handler))
    client.get()
    with unittest.mock.patch.object(handler, "log_request", autospec=True) as logged:
        client.get()
    client.get()
    return [logged.call_count, int(logged.call_args.args[1] == 200)]


@kind.case(gives=["text/x-patched", "text/plain"], differs=(VALIDATORS,))
def guess_type_of_a_class(http, run):
    run.file("a.txt", b"content")
    server, types = run.serve_files(http.SimpleHTTPRequestHandler), []
    with unittest.mock.patch.object(http.SimpleHTTPRequestHandler, "guess_type", lambda self, path: "text/x-patched"):
        client = run.connect(server)
        client.get("/a.txt")
        types += client.header("Content-Type")
    client = run.connect(server)
    client.get("/a.txt")
    return [*types, *client.header("Content-Type")]


@kind.case(gives=[(200, b"content"), (200, b"CONTENT"), (200, b"content")])
def copyfile_of_a_class(http, run):
    class Files(http.SimpleHTTPRequestHandler):
        def send_header(self, keyword, value):
            super().send_header(keyword, value)

    run.file("a.txt", b"content")
    server = run.serve_files(Files)
    answers = [run.connect(server).get("/a.txt")]
    with unittest.mock.patch.object(Files, "copyfile", lambda self, source, out: out.write(source.read().upper())):
        answers.append(run.connect(server).get("/a.txt"))
    return [*answers, run.connect(server).get("/a.txt")]


@kind.case(gives=[(200, b"old"), (200, b"new"), (200, b"old")])
def send_head_of_a_class(http, run):
    import io

    class Files(http.SimpleHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def send_head(self):
            return self.sent(b"old")

        def sent(self, body):
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            return io.BytesIO(body)

    client = run.connect(run.serve_files(Files))
    answers = [client.get()]
    with unittest.mock.patch.object(Files, "send_head", lambda self: self.sent(b"new")):
        answers.append(client.get())
    return [*answers, client.get()]


# Patches of an instance


@kind.case(gives=[["then"], True])
def date_time_string_of_an_instance(http, run):
    class Patching(answering(http)):
        def do_GET(self):
            with unittest.mock.patch.object(self, "date_time_string", return_value="then"):
                super().do_GET()

    client = run.connect(run.serve(Patching))
    client.get()
    return [client.header("Date"), "date_time_string" not in vars(Patching)]


@kind.case(gives=["Server", "Date", "Content-Length"])
def send_header_of_an_instance(http, run):
    class Patching(answering(http)):
        def do_GET(self):
            with unittest.mock.patch.object(self, "send_header", wraps=self.send_header) as sent:
                super().do_GET()
            run.notes.extend(call.args[0] for call in sent.call_args_list)

    run.connect(run.serve(Patching)).get()
    return run.notes.wait_for(3)


@kind.case(gives=["/a", "/b"])
def log_message_of_an_instance_from_its_setup_on(http, run):
    class Patching(answering(http)):
        def setup(self):
            super().setup()
            self.log_message = lambda format, *args: run.notes.append(args[0].split()[1])

    client = run.connect(run.serve(Patching))
    client.get("/a"), client.get("/b")
    return list(run.notes)


@kind.case(gives=[(200, b"/first"), (200, b"changed"), (200, b"changed")])
def do_get_of_an_instance(http, run):
    class Changing(answering(http)):
        def do_GET(self):
            super().do_GET()
            self.do_GET = lambda: self.answer(b"changed")

    client = run.connect(run.serve(Changing))
    return [client.get("/first"), client.get(), client.get()]


@kind.case(gives=[1, 2])
def parse_request_of_an_instance(http, run):
    class Changing(answering(http)):
        def do_GET(self):
            super().do_GET()
            if "parse_request" not in vars(self):
                original = self.parse_request

                def parse():
                    run.notes.append(len(run.notes) + 1)
                    return original()

                self.parse_request = parse

    client = run.connect(run.serve(Changing))
    for _ in range(3):
        client.get()
    return run.notes.wait_for(2)


# Attributes


@kind.case(gives=["HTTP/1.0", "HTTP/1.1"])
def protocol_version_set_late(http, run):
    class Handler(http.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

    server, versions = run.serve(Handler), []
    for version in ("HTTP/1.0", "HTTP/1.1"):
        Handler.protocol_version = version
        client = run.connect(server)
        client.get()
        versions.append(client.line.split()[0])
    return versions


@kind.case(gives=["HTTP/1.1 200 OK", [(200, b"/a"), (200, b"/b")]])
def protocol_version_as_a_property(http, run):
    class Handler(answering(http)):
        @property
        def protocol_version(self):
            return self.server.speaks

    server = run.serve(Handler)
    server.speaks = "HTTP/1.1"
    client = run.connect(server)
    answers = [client.get("/a"), client.get("/b")]
    return [client.line, answers]


@kind.case(gives=[(200, b"/a"), b"", "closed"], differs=(SILENT,))
def timeout_as_a_property(http, run):
    class Handler(answering(http)):
        @property
        def timeout(self):
            return self.server.patience

    class Server(http.ThreadingHTTPServer):
        patience = 0.5

    client = run.connect(run.serve(Handler, Server))
    return [client.get("/a"), client.until_closed(), client.ending]


@kind.case(gives=[(200, b"/a"), b"", "closed"], differs=(SILENT,))
def timeout_of_a_class_set_late(http, run):
    handler = answering(http)
    server = run.serve(handler)
    handler.timeout = 0.5
    client = run.connect(server)
    return [client.get("/a"), client.until_closed(), client.ending]


@kind.case(gives=[["first"], ["second second"]])
def server_version_set_late(http, run):
    handler = answering(http)
    handler.server_version, handler.sys_version = "first", ""
    client, seen = run.connect(run.serve(handler)), []
    client.get()
    seen.append([value.rstrip() for value in client.header("Server")])
    handler.server_version, handler.sys_version = "second", "second"
    client.get()
    return [*seen, client.header("Server")]


@kind.case(gives=[(501, b""), (200, b"put")])
def a_method_added_late(http, run):
    handler = answering(http)
    handler.error_message_format = ""
    server = run.serve(handler)
    answers = [run.connect(server).request("PUT")]
    handler.do_PUT = lambda self: self.answer(b"put")
    return [*answers, run.connect(server).request("PUT")]


@kind.case(gives=[(200, b"GET"), (200, b"BREW"), (200, b"PROPFIND")])
def methods_by_getattr(http, run):
    class CatchAll(http.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def __getattr__(self, name):
            if name.startswith("do_"):
                return functools.partial(self.answer, name[3:].encode())
            raise AttributeError(name)

        def answer(self, body):
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    client = run.connect(run.serve(CatchAll))
    return [client.request(method) for method in ("GET", "BREW", "PROPFIND")]


@kind.case(gives=[(200, b"/old"), (200, b"replaced")])
def a_handler_class_that_is_replaced(http, run):
    class Replacing(answering(http)):
        def do_GET(self):
            self.answer(b"replaced")

    server = run.serve(answering(http))
    answers = [run.connect(server).get("/old")]
    server.RequestHandlerClass = Replacing
    return [*answers, run.connect(server).get("/new")]


@kind.case(gives=[(200, b"/"), (0, b""), 1])
def verify_request_of_a_running_server(http, run):
    server = run.serve(answering(http))
    answers = [run.connect(server).get()]
    server.verify_request = lambda request, client_address: bool(run.notes.append("asked"))
    answers.append(run.connect(server).get())
    return [*answers, len(run.notes)]


@kind.case(gives=["OSError"])
def handle_error_of_a_running_server(http, run):
    import sys

    class Failing(answering(http)):
        def do_GET(self):
            self.answer(b"")
            raise OSError("on purpose")

    server = run.serve(Failing)
    server.handle_error = lambda request, client_address: run.notes.append(sys.exc_info()[0].__name__)
    client = run.connect(server)
    client.get()
    client.until_closed()
    return run.notes.wait_for(1)


@kind.case(gives=["Thu, 01 Jan 1970 00:00:00 GMT"])
def the_time_of_the_module(http, run):
    import time

    client = run.connect(run.serve(answering(http)))
    client.get()
    with unittest.mock.patch.object(time, "time", return_value=0.0):
        client.get()
    return client.header("Date")


@kind.case(gives=[(200, b"/a"), True])
def a_slow_patch_in_another_thread(http, run):
    # A patch that is made while a request is answered.
    class Waiting(answering(http)):
        def do_GET(self):
            began.set()
            patch.wait(5)
            super().do_GET()

    began, patch = threading.Event(), threading.Event()
    client = run.connect(run.serve(Waiting))
    client.send(b"GET /a HTTP/1.1\r\nHost: test\r\n\r\n")
    began.wait(5)
    with unittest.mock.patch.object(Waiting, "version_string", lambda self: "mine"):
        patch.set()
        answer = client.answer()
    return [answer, client.header("Server") == ["mine"]]
