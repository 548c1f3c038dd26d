"""Kind 2, tunnels and swapped files: what a handler does with its socket itself, in the order in which it does it."""

import base64
import hashlib
import io
import select
import socket
import subprocess
import sys
import threading

from tests.compat.kinds.bodies import answering
from tests.compat.table import SAYS_CLOSE, Kind

kind = Kind(2, "tunnels")

CONNECT = b"CONNECT localhost:443 HTTP/1.1\r\nHost: localhost:443\r\n\r\n"
UPGRADE = (
    b"GET /chat HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
SWITCHING = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
FRAME = b"\x81\x85\x00\x00\x00\x00hello"  # a text of five bytes, masked with zeros


# CONNECT


def upstream(run):
    """A server that is no HTTP server: it gives back in capitals what it is given, and ends with its client."""
    listener = socket.create_server(("127.0.0.1", 0))
    run._stack.callback(listener.close)

    def talk():
        peer, _ = listener.accept()
        with peer:
            while data := peer.recv(65536):
                peer.sendall(data.upper())

    threading.Thread(target=talk, daemon=True).start()
    return listener.getsockname()


def relaying(http, run, say_established):
    class Proxy(http.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_CONNECT(self):
            with socket.create_connection(address, 5) as peer:
                say_established(self)
                self.relay(peer)
            self.close_connection = True

        def relay(self, peer):
            both = [self.connection, peer]
            while True:
                ready, _, broken = select.select(both, [], both, 5)
                if broken or not ready:
                    return
                for one in ready:
                    data = one.recv(8192)
                    if not data:
                        return
                    (peer if one is self.connection else self.connection).sendall(data)

    address = upstream(run)
    client = run.connect(run.serve(Proxy))
    client.send(CONNECT)
    answer = client.answer("CONNECT")
    client.send(b"first ")
    heard = [client.exactly(6)]
    client.send(b"second")
    heard.append(client.exactly(6))
    return answer.status, heard, client.rest()


@kind.case(gives=(200, [b"FIRST ", b"SECOND"], b""))
def a_tunnel_answered_by_send_response(http, run):
    def say_established(handler):
        handler.send_response(200, "Connection Established")
        handler.end_headers()

    return relaying(http, run, say_established)


@kind.case(gives=(200, [b"FIRST ", b"SECOND"], b""))
def a_tunnel_answered_by_hand(http, run):
    def say_established(handler):
        handler.wfile.write(b"HTTP/1.1 200 Connection established\r\nProxy-agent: test\r\n\r\n")

    return relaying(http, run, say_established)


@kind.case(gives=(200, [b"FIRST ", b"SECOND"], b""))
def a_tunnel_answered_by_sendall(http, run):
    def say_established(handler):
        handler.request.sendall(b"HTTP/1.1 200 OK\r\n\r\n")

    return relaying(http, run, say_established)


def intercepting(http, run, say_established, version="HTTP/1.1", rbufsize=-1):
    """A proxy that looks into TLS: it answers CONNECT, shakes hands as the server, and reads on from new files."""

    class Interceptor(http.BaseHTTPRequestHandler):
        protocol_version = version

        def do_CONNECT(self):
            run.notes.append("CONNECT " + self.path)
            say_established(self)
            self.connection = run.server_context().wrap_socket(self.connection, server_side=True)
            self.rfile = self.connection.makefile("rb", rbufsize)
            self.wfile = self.connection.makefile("wb", self.wbufsize)
            self.close_connection = 0

        def do_GET(self):
            run.notes.append("GET " + self.path)
            self.send_response(200)
            self.send_header("Content-Length", "6")
            self.end_headers()
            self.wfile.write(b"secret")
            self.close_connection = self.headers.get("Connection") == "close"

        def do_POST(self):
            run.notes.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
            self.do_GET()

    client = run.connect(run.serve(Interceptor))
    client.send(CONNECT)
    client.answer("CONNECT")
    client.wrap(run.client_context())
    answers = [
        client.get("/first"),
        client.request("POST", "/second", body=b"posted"),
        client.get("/third", "Connection: close"),
    ]
    return answers, list(run.notes)


INTERCEPTED = (
    [(200, b"secret")] * 3,
    ["CONNECT localhost:443", "GET /first", "posted", "GET /second", "GET /third"],
)


@kind.case(gives=INTERCEPTED, differs=(SAYS_CLOSE,))
def an_intercepting_proxy(http, run):
    def say_established(handler):
        handler.send_response(200, "Connection Established")
        handler.end_headers()

    return intercepting(http, run, say_established)


@kind.case(gives=INTERCEPTED, differs=(SAYS_CLOSE,))
def an_intercepting_proxy_that_answers_by_hand(http, run):
    def say_established(handler):
        handler.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")

    return intercepting(http, run, say_established)


@kind.case(gives=INTERCEPTED)
def an_intercepting_proxy_of_http_1_0(http, run):
    def say_established(handler):
        handler.wfile.write(f"{handler.protocol_version} 200 Connection established\r\n".encode())
        handler.wfile.write(b"\r\n")

    return intercepting(http, run, say_established, version="HTTP/1.0")


@kind.case(gives=INTERCEPTED, differs=(SAYS_CLOSE,))
def an_intercepting_proxy_without_buffers(http, run):
    def say_established(handler):
        handler.send_response(200)
        handler.end_headers()

    return intercepting(http, run, say_established, rbufsize=0)


@kind.case(gives=[(200, b"secret"), (200, b"secret")])
def a_server_whose_listening_socket_is_wrapped(http, run):
    class Secret(answering(http)):
        def do_GET(self):
            self.answer(b"secret")

    server = http.HTTPServer(("127.0.0.1", 0), Secret)
    server.socket = run.server_context().wrap_socket(server.socket, server_side=True)
    client = run.connect(run.serve(Secret, server))
    client.wrap(run.client_context())
    return [client.get(), client.get()]


@kind.case(gives=[(200, b"secret"), (200, b"secret")])
def a_setup_that_wraps_the_request(http, run):
    class Secret(answering(http)):
        def setup(self):
            self.request = run.server_context().wrap_socket(self.request, server_side=True)
            super().setup()

        def do_GET(self):
            self.answer(b"secret")

    client = run.connect(run.serve(Secret))
    client.wrap(run.client_context())
    return [client.get(), client.get()]


@kind.case(gives=[(200, b"first"), (200, b"then")])
def files_made_anew_from_the_connection(http, run):
    class Again(answering(http)):
        def do_GET(self):
            if self.path == "/first":
                self.rfile = self.connection.makefile("rb", -1)
                self.wfile = self.connection.makefile("wb", 0)
            self.answer(self.path[1:].encode())

    client = run.connect(run.serve(Again))
    return [client.get("/first"), client.get("/then")]


# WebSockets by hand


def echoing(http, run, say_switching, receive, early=b""):
    class Chat(http.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            key = self.headers["Sec-WebSocket-Key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
            run.notes.append(base64.b64encode(hashlib.sha1(key.encode()).digest()).decode())
            say_switching(self)
            while frame := receive(self, len(FRAME)):
                self.request.sendall(frame)
            self.close_connection = True

    client = run.connect(run.serve(Chat))
    client.send(UPGRADE + early)
    status = client.answer().status
    heard = []
    for _ in range(2):
        client.send(FRAME[len(early) :] if not heard else FRAME)
        heard.append(client.exactly(len(FRAME)))
    return status, heard, client.rest(), list(run.notes)


ECHOED = (101, [FRAME, FRAME], b"", ["s3pPLMBiTxaQ9kYGzzhZRbK+xOo="])


def by_wfile(handler):
    handler.wfile.write(SWITCHING)


def by_wfile_in_pieces(handler):
    for line in SWITCHING.splitlines(keepends=True):
        handler.wfile.write(line)


def by_sendall(handler):
    handler.request.sendall(SWITCHING)


def by_send_response(handler):
    handler.send_response(101, "Switching Protocols")
    handler.send_header("Upgrade", "websocket")
    handler.send_header("Connection", "Upgrade")
    handler.end_headers()


def from_rfile(handler, size):
    return handler.rfile.read(size)


def from_socket(handler, size):
    return handler.request.recv(size)


for say, receive, early in (
    (by_wfile, from_rfile, b""),
    (by_wfile, from_rfile, FRAME[:4]),
    (by_wfile, from_socket, b""),
    (by_wfile_in_pieces, from_rfile, b""),
    (by_sendall, from_rfile, b""),
    (by_sendall, from_rfile, FRAME),
    (by_sendall, from_socket, b""),
    (by_send_response, from_rfile, FRAME[:4]),
    (by_send_response, from_socket, b""),
):
    moment = f"_with_{len(early)}_early_bytes" if early else ""

    @kind.case(gives=ECHOED, name=f"101_{say.__name__}_and_frames_{receive.__name__}{moment}")
    def websocket(http, run, say=say, receive=receive, early=early):
        return echoing(http, run, say, receive, early)


@kind.case(gives=(101, [b"ping", b"pong"], b""))
def the_handler_talks_first(http, run):
    class Talking(http.BaseHTTPRequestHandler):
        def do_GET(self):
            self.wfile.write(SWITCHING)
            self.wfile.write(b"ping")
            self.wfile.write(self.rfile.read(4).replace(b"i", b"o"))

    client = run.connect(run.serve(Talking))
    client.send(UPGRADE)
    status = client.answer().status
    heard = [client.exactly(4)]
    client.send(heard[0])
    return status, [*heard, client.exactly(4)], client.until_closed()


# Files in the place of wfile


@kind.case(gives=[(200, b"<p>HELLO</p>"), (200, b"<p>HELLO</p>")])
def a_bytesio_that_takes_the_answer(http, run):
    class Rewriting(answering(http)):
        def do_GET(self):
            wfile, self.wfile = self.wfile, io.BytesIO()
            self.answer(b"<p>hello</p>")
            head, _, body = self.wfile.getvalue().partition(b"\r\n\r\n")
            self.wfile = wfile
            self.wfile.write(head + b"\r\n\r\n" + body.replace(b"hello", b"HELLO"))

    client = run.connect(run.serve(Rewriting))
    return [client.get(), client.get()]


@kind.case(gives=[(200, b"page"), (200, b"page")])
def a_bytesio_for_the_body_alone(http, run):
    class Buffering(answering(http)):
        def do_GET(self):
            wfile, self.wfile = self.wfile, io.BytesIO()
            self.wfile.write(b"pa")
            self.wfile.write(b"ge")
            page, self.wfile = self.wfile.getvalue(), wfile
            self.answer(page)

    client = run.connect(run.serve(Buffering))
    return [client.get(), client.get()]


@kind.case(gives=[(200, b"hello"), (200, b"hello")])
def a_buffered_wfile_of_ones_own(http, run):
    class Buffered(answering(http)):
        def do_GET(self):
            self.wfile = self.connection.makefile("wb", 4096)
            self.answer(b"hello")

    client = run.connect(run.serve(Buffered))
    return [client.get(), client.get()]


# Answers by the socket itself


def answers(http, run, write, times=2):
    """``times`` answers of five bytes over one connection, with a head by send_response and a body by ``write``."""

    class Writing(http.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", "5")
            self.end_headers()
            write(self)

    client = run.connect(run.serve(Writing))
    return [client.get() for _ in range(times)]


@kind.case(gives=[(200, b"12345")] * 2)
def a_body_by_every_way_in_turn(http, run):
    def write(handler):
        handler.wfile.write(b"1")
        handler.connection.sendall(b"2")
        handler.wfile.write(b"3")
        handler.request.send(b"4")
        handler.wfile.write(b"5")

    return answers(http, run, write)


@kind.case(gives=[(200, b"hello")] * 2)
def a_body_by_sendall(http, run):
    return answers(http, run, lambda handler: handler.connection.sendall(b"hello"))


@kind.case(gives=[(200, b"hello")] * 2)
def a_body_by_sendfile(http, run):
    def write(handler):
        with open(path, "rb") as file:
            handler.connection.sendfile(file)

    path = run.file("hello", b"hello")
    return answers(http, run, write)


@kind.case(gives=[(200, b"hello")] * 2)
def a_body_by_a_file_of_the_socket(http, run):
    def write(handler):
        with handler.request.makefile("wb") as file:
            file.write(b"hello")

    return answers(http, run, write)


@kind.case(gives=[(200, b"hello")] * 2)
def a_body_by_a_child_process(http, run):
    def write(handler):
        handler.wfile.flush()
        subprocess.run([sys.executable, "-S", "-c", "print(end='hello')"], stdout=handler.wfile, check=True, timeout=5)

    return answers(http, run, write)


@kind.case(gives=[(200, b"hello")] * 2)
def a_whole_answer_by_hand(http, run):
    class ByHand(http.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")

    client = run.connect(run.serve(ByHand))
    return [client.get(), client.get()]


@kind.case(gives=[(200, b"hello")] * 2)
def a_whole_answer_by_sendall(http, run):
    class BySocket(http.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            self.request.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
            self.request.sendall(b"hello")

    client = run.connect(run.serve(BySocket))
    return [client.get(), client.get()]


@kind.case(gives=[(200, b"onetwo"), (200, b"onetwo")])
def chunks_by_hand(http, run):
    class Chunking(http.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for part in (b"one", b"two", b""):
                self.wfile.write(b"%X\r\n%s\r\n" % (len(part), part))

    client = run.connect(run.serve(Chunking))
    return [client.get(), client.get()]


@kind.case(gives=(b"data: 0\n\n", b"data: 1\n\ndata: 2\n\n"), differs=(SAYS_CLOSE,))
def an_event_stream(http, run):
    class Events(http.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.end_headers()
            for number in range(3):
                self.wfile.write(f"data: {number}\n\n".encode())
                self.wfile.flush()
                heard.wait(5)
            self.close_connection = True

    heard = threading.Event()
    client = run.connect(run.serve(Events))
    client.send(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
    client.until(b"\r\n\r\n")
    first = client.until(b"\n\n")
    heard.set()
    return first, client.until_closed()


@kind.case(gives=b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
def an_interim_response(http, run):
    class Interim(http.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            self.send_response_only(102)
            self.end_headers()
            self.send_response_only(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

    client = run.connect(run.serve(Interim))
    client.send(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
    return client.rest()
