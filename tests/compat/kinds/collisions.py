"""Kind 7, collisions: names that programs give to what is theirs."""

from tests.compat.kinds.bodies import answering
from tests.compat.table import VALIDATORS, Kind

kind = Kind(7, "collisions")

# Those that programs were seen to have, then some that are as likely.
METHODS = (
    "_serve",
    "_fail",
    "_reader",
    "_note",
    "_open",
    "_redirect",
    "_hold",
    "_take_head",
    "answer_request",
    "stream",
)

# Attributes of a handler of files, as its class sets them.
ATTRIBUTES: dict[str, object] = {
    "limits": {"upload": 5},
    "response_headers": [("X-A", "1")],
    "fallback": "index.html",
    "cors": ["*"],
    "hidden": {".git"},
    "_status": "idle",
    "_connection": None,
    "_fields": (),
    "_version": "1.0",
    "_rests": "never",
}

# Attributes of a server, as its __init__ sets them.
OF_SERVERS: dict[str, object] = {
    "connections": [],
    "_loop": None,
    "_workers": [],
    "_closing": True,
    "_listening": "yes",
    "_wake": "up",
    "_stop_asked": True,
    "_handler_class": None,
    "loop": None,
    "grace": "none",
}


for name in METHODS:

    @kind.case(gives=[(200, b"own /a"), (200, b"own /b")], name=f"a_method_called_{name}")
    def method(http, run, name=name):
        def own(self, path):
            return b"own " + path.encode()

        class Handler(answering(http)):
            def do_GET(self):
                self.answer(getattr(self, name)(self.path))

        setattr(Handler, name, own)
        client = run.connect(run.serve(Handler))
        return [client.get("/a"), client.get("/b")]

    @kind.case(
        gives=[(200, b"content"), 404], name=f"a_method_of_a_handler_of_files_called_{name}", differs=(VALIDATORS,)
    )
    def files_method(http, run, name=name):
        def own(self, path):
            raise AssertionError(f"{name} is for the subclass alone")

        class Handler(http.SimpleHTTPRequestHandler):
            error_message_format = "%(code)d"

        setattr(Handler, name, own)
        run.file("a.txt", b"content")
        server = run.serve_files(Handler)
        return [run.connect(server).get("/a.txt"), run.connect(server).get("/missing").status]


for name, value in ATTRIBUTES.items():

    @kind.case(gives=[(200, b"content"), (200, b"content"), [value] * 2], name=f"an_attribute_called_{name}")
    def attribute(http, run, name=name, value=value):
        class Handler(http.SimpleHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            # So that what is sent is what http.server sends.
            def send_header(self, keyword, value):
                super().send_header(keyword, value)

            def do_GET(self):
                run.notes.append(getattr(self, name))
                super().do_GET()

        setattr(Handler, name, value)
        run.file("a.txt", b"content")
        client = run.connect(run.serve_files(Handler))
        return [client.get("/a.txt"), client.get("/a.txt"), list(run.notes)]


for name, value in OF_SERVERS.items():

    @kind.case(gives=[(200, b"/a"), (200, b"/b"), value], name=f"an_attribute_of_a_server_called_{name}")
    def server_attribute(http, run, name=name, value=value):
        class Server(http.ThreadingHTTPServer):
            def __init__(self, *args):
                super().__init__(*args)
                setattr(self, name, value)

        server = run.serve(answering(http), Server)
        client = run.connect(server)
        answers = [client.get("/a"), client.get("/b")]
        client.leave()
        server.shutdown()
        return [*answers, getattr(server, name)]


for name in ("_serve", "_loop", "_workers", "_closing", "track", "attach"):

    @kind.case(gives=[(200, b"own /a"), (200, b"own /b"), True], name=f"a_method_of_a_server_called_{name}")
    def server_method(http, run, name=name):
        def own(self, path):
            return b"own " + path.encode()

        class Server(http.ThreadingHTTPServer):
            pass

        class Handler(answering(http)):
            def do_GET(self):
                self.answer(getattr(self.server, name)(self.path))

        setattr(Server, name, own)
        server = run.serve(Handler, Server)
        client = run.connect(server)
        answers = [client.get("/a"), client.get("/b")]
        client.leave()
        server.shutdown()
        server.serving.join(5)
        return [*answers, not server.serving.is_alive()]


@kind.case(gives=["open", "closed"])
def a_server_that_lists_its_connections(http, run):
    class Server(http.ThreadingHTTPServer):
        def __init__(self, *args):
            self.connections = []
            super().__init__(*args)

        def finish_request(self, request, client_address):
            self.connections.append(request)
            try:
                super().finish_request(request, client_address)
            finally:
                self.connections.remove(request)
                run.notes.append("closed")

    server = run.serve(answering(http), Server)
    client = run.connect(server)
    client.get()
    seen = "open" if len(server.connections) == 1 else f"{len(server.connections)} connections"
    client.leave()
    return [seen, *run.notes.wait_for(1)]


@kind.case(gives=(200, b"1, 2, 3"))
def a_handler_of_the_same_name(http, run):
    class BaseHTTPRequestHandler(http.BaseHTTPRequestHandler):
        __private = [1, 2, 3]

        def do_GET(self):
            body = ", ".join(map(str, self.__private)).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return run.connect(run.serve(BaseHTTPRequestHandler)).get()
