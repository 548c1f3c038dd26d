"""Kind 1, bodies: rfile has what is on the wire, and what is left unread never becomes the next request."""

import email.parser
import io
import json
import urllib.parse

from tests.compat.table import Kind

kind = Kind(1, "bodies")

CHUNKED = b"POST /up HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n"
HELLO = b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"
NEXT = b"GET /next HTTP/1.1\r\nHost: test\r\n\r\n"
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: test\r\n\r\n"
BIG = bytes(range(256)) * 4096  # 1 MiB

NEVER_A_REQUEST = "What a handler leaves unread is not taken for the next request."


def answering(http):
    class Answering(http.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            self.answer(self.path.encode())

        def do_HOLD(self):
            # Keeps its thread busy, whichever that is, until the test has had other requests served.
            self.server.held.set()
            self.server.release.wait(5)
            self.answer(b"held")

        def answer(self, body):
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Answering


def chunk_reader(http):
    class Upload(answering(http)):
        def do_POST(self):
            body = b""
            while True:
                size = int(self.rfile.readline().strip(), 16)
                body += self.rfile.read(size)
                self.rfile.readline()
                if size == 0:
                    break
            self.answer(body)

    return Upload


@kind.case(gives=(200, b"hello world"))
def chunks_decoded_by_the_handler(http, run):
    client = run.connect(run.serve(chunk_reader(http)))
    client.send(CHUNKED + HELLO)
    return client.answer()


@kind.case(gives=[(200, b"hello world"), (200, b"hello world"), (200, b"/next")])
def chunked_uploads_one_behind_the_other(http, run):
    client = run.connect(run.serve(chunk_reader(http)))
    client.send(CHUNKED + HELLO + CHUNKED + HELLO + NEXT)
    return [client.answer() for _ in range(3)]


@kind.case(gives=[(200, b"hello world"), (200, b"/next")])
def chunks_that_come_in_pieces(http, run):
    client = run.connect(run.serve(chunk_reader(http)))
    for byte in CHUNKED + HELLO:
        client.send(bytes([byte]))
    return [client.answer(), client.get("/next")]


@kind.case(gives=[(200, BIG), (200, b"/next")])
def a_chunked_body_of_1_mib(http, run):
    client = run.connect(run.serve(chunk_reader(http)))
    client.send(CHUNKED)
    for place in range(0, len(BIG), 65536):
        client.send(b"10000\r\n" + BIG[place : place + 65536] + b"\r\n")
    client.send(b"0\r\n\r\n")
    return [client.answer(), client.get("/next")]


@kind.case(gives=(200, b"hello world"))
def a_raw_stream_that_takes_the_chunks_off(http, run):
    # The development server of a web framework gives its applications such a stream.
    class Dechunked(io.RawIOBase):
        def __init__(self, rfile):
            self.rfile, self.left, self.done = rfile, 0, False

        def readable(self):
            return True

        def readinto(self, buffer):
            if self.done:
                return 0
            if not self.left:
                self.left = int(self.rfile.readline(), 16)
                if not self.left:
                    self.done = True
                    assert self.rfile.readline() in (b"\r\n", b"\n")
                    return 0
            data = self.rfile.read(min(self.left, len(buffer)))
            buffer[: len(data)] = data
            self.left -= len(data)
            if not self.left:
                assert self.rfile.readline() in (b"\r\n", b"\n")
            return len(data)

    class Framework(answering(http)):
        def do_POST(self):
            stream = self.rfile
            if self.headers.get("Transfer-Encoding", "").strip().lower() == "chunked":
                stream = io.BufferedReader(Dechunked(stream))
            self.answer(stream.read())

    client = run.connect(run.serve(Framework))
    client.send(CHUNKED + HELLO)
    return client.answer()


@kind.case(gives=(200, b'["5;name=value\\r\\n", "hello\\r\\n", "0\\r\\n", "X-Trailer: t\\r\\n", "\\r\\n"]'))
def extensions_and_trailers_as_the_handler_reads_them(http, run):
    class Lines(answering(http)):
        def do_POST(self):
            lines = []
            while line := self.rfile.readline().decode():
                lines.append(line)
                if line == "\r\n":
                    break
            self.answer(json.dumps(lines).encode())

    client = run.connect(run.serve(Lines))
    client.send(CHUNKED + b"5;name=value\r\nhello\r\n0\r\nX-Trailer: t\r\n\r\n")
    return client.answer()


@kind.case(gives=[(200, HELLO), (200, b"/next")])
def a_proxy_hands_the_chunks_on_as_they_are(http, run):
    class Proxy(answering(http)):
        def do_POST(self):
            body = b""
            while not body.endswith(b"0\r\n\r\n") and (line := self.rfile.readline()):
                body += line
            self.answer(body)

    client = run.connect(run.serve(Proxy))
    client.send(CHUNKED + HELLO)
    return [client.answer(), client.get("/next")]


@kind.case(gives=(200, HELLO))
def a_read_of_so_many_bytes_is_of_the_wire(http, run):
    class Counting(answering(http)):
        def do_PUT(self):
            self.answer(self.rfile.read(len(HELLO)))

    client = run.connect(run.serve(Counting))
    client.send(CHUNKED.replace(b"POST", b"PUT") + HELLO)
    return client.answer()


@kind.case(gives=(200, b'["chunked", null, "POST"]'))
def headers_say_chunked_and_no_length(http, run):
    class Said(answering(http)):
        def do_POST(self):
            self.rfile.read(len(HELLO))
            said = [self.headers["Transfer-Encoding"], self.headers["Content-Length"], self.command]
            self.answer(json.dumps(said).encode())

    client = run.connect(run.serve(Said))
    client.send(CHUNKED + HELLO)
    return client.answer()


def ignoring(http, run):
    class Ignoring(answering(http)):
        def do_GET(self):
            run.notes.append(self.path)
            super().do_GET()

        def do_POST(self):
            run.notes.append(self.path)
            self.answer(b"ignored")

        def log_message(self, *args):
            pass

    return Ignoring


@kind.case(gives=["/up", "/smuggled", "/next"], ours=["/up", "/next"], reason=NEVER_A_REQUEST)
def a_body_with_a_length_that_nobody_reads(http, run):
    client = run.connect(run.serve(ignoring(http, run)))
    client.request("POST", "/up", body=SMUGGLED)
    client.send(NEXT)
    client.rest()
    return run.notes.wait_for(2)


@kind.case(gives=["/up"], ours=["/up", "/next"], reason=NEVER_A_REQUEST)
def a_chunked_body_that_nobody_reads(http, run):
    client = run.connect(run.serve(ignoring(http, run)))
    client.send(CHUNKED + b"%x\r\n%b\r\n0\r\n\r\n" % (len(SMUGGLED), SMUGGLED) + NEXT)
    client.rest()
    return list(run.notes)


@kind.case(gives=["5"], ours=["5", "/next"], reason=NEVER_A_REQUEST)
def a_chunked_body_that_is_read_in_part(http, run):
    class Part(ignoring(http, run)):
        def do_POST(self):
            run.notes.append(self.rfile.readline().decode().strip())
            self.answer(b"enough")

    client = run.connect(run.serve(Part))
    client.send(CHUNKED + HELLO + NEXT)
    client.rest()
    return list(run.notes)


@kind.case(gives=["hel"], ours=["hel", "/next"], reason=NEVER_A_REQUEST)
def a_body_with_a_length_that_is_read_in_part(http, run):
    class Part(ignoring(http, run)):
        def do_POST(self):
            run.notes.append(self.rfile.read(3).decode())
            self.answer(b"enough")

    client = run.connect(run.serve(Part))
    client.request("POST", "/up", body=b"hello world")
    client.send(NEXT)
    client.rest()
    return list(run.notes)


@kind.case(gives=[(200, b"hello world"), (200, b"/next")])
def the_last_chunk_is_read_but_not_its_blank_line(http, run):
    # http.server overlooks the blank line, as it stands before a request.
    class Short(answering(http)):
        def do_POST(self):
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.read(2)
            self.rfile.readline()
            self.answer(body)

    client = run.connect(run.serve(Short))
    client.send(CHUNKED + HELLO)
    return [client.answer(), client.get("/next")]


@kind.case(
    gives=(200, b"all of it"),
    ours=(200, b""),
    reason="a request without a length has no body (RFC 9112 section 6.3), and reading it waits for nobody",
)
def a_body_with_no_length_ends_where_the_client_ends(http, run):
    class Old(answering(http)):
        protocol_version = "HTTP/1.0"

        def do_POST(self):
            self.answer(self.rfile.read())

    client = run.connect(run.serve(Old))
    client.send(b"POST / HTTP/1.0\r\n\r\nall of it")
    client.half_close()
    return client.answer()


@kind.case(gives=(200, b""))
def no_length_is_no_body(http, run):
    class Careful(answering(http)):
        def do_POST(self):
            self.answer(self.rfile.read(int(self.headers.get("Content-Length", 0))))

    return run.connect(run.serve(Careful)).request("POST")


@kind.case(gives=(200, b"hello"))
def read_without_a_size_ends_with_the_client(http, run):
    class All(answering(http)):
        def do_POST(self):
            self.answer(self.rfile.read())

    client = run.connect(run.serve(All))
    client.send(b"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n\r\nhello")
    client.half_close()
    return client.answer()


@kind.case(gives=[(200, b"continued"), (200, b"/next")])
def a_client_that_waits_for_100(http, run):
    class Reading(answering(http)):
        def do_PUT(self):
            self.answer(self.rfile.read(int(self.headers["Content-Length"])))

    client = run.connect(run.serve(Reading))
    client.send(b"PUT / HTTP/1.1\r\nHost: test\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n")
    assert client.until(b"\r\n\r\n").startswith(b"HTTP/1.1 100 ")
    client.send(b"continued")
    return [client.answer(), client.get("/next")]


@kind.case(
    gives=[(417, b""), (200, b"/next")],
    ours=[(417, b""), (0, b"")],
    reason="The body may still come (RFC 9110, section 10.1.1), so nothing that follows is taken for a request.",
)
def an_expectation_that_the_handler_declines(http, run):
    class Declining(answering(http)):
        def handle_expect_100(self):
            self.send_response(417)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return False

    client = run.connect(run.serve(Declining))
    client.send(b"PUT / HTTP/1.1\r\nHost: test\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n")
    return [client.answer(), client.get("/next")]


@kind.case(gives=(200, b"h-he-llo"))
def peek_and_read1_and_readinto(http, run):
    class Peeking(answering(http)):
        def do_POST(self):
            buffer = bytearray(3)
            first = self.rfile.peek(1)[:1]
            head = self.rfile.read1(2)
            self.rfile.readinto(buffer)
            self.answer(b"-".join([first, head, bytes(buffer)]))

    return run.connect(run.serve(Peeking)).request("POST", body=b"hello")


@kind.case(gives=(200, b"one|two|three"))
def lines_of_a_body(http, run):
    class Lines(answering(http)):
        def do_POST(self):
            lines, left = [], int(self.headers["Content-Length"])
            while left > 0:
                line = self.rfile.readline(left)
                left -= len(line)
                lines.append(line.strip())
            self.answer(b"|".join(lines))

    return run.connect(run.serve(Lines)).request("POST", body=b"one\ntwo\r\nthree")


@kind.case(gives=[(200, b"GET with a body"), (200, b"DELETE with a body")])
def a_body_of_any_method(http, run):
    class Any(answering(http)):
        def do_GET(self):
            self.answer(self.command.encode() + self.rfile.read(int(self.headers["Content-Length"])))

        do_DELETE = do_GET

    client = run.connect(run.serve(Any))
    return [client.request(method, body=b" with a body") for method in ("GET", "DELETE")]


@kind.case(gives=(200, b'{"name": ["Ada"], "note": ["a b"]}'))
def a_form(http, run):
    class Form(answering(http)):
        def do_POST(self):
            text = self.rfile.read(int(self.headers["content-length"])).decode()
            self.answer(json.dumps(urllib.parse.parse_qs(text)).encode())

    kind_of_body = "Content-Type: application/x-www-form-urlencoded"
    return run.connect(run.serve(Form)).request("POST", "/", kind_of_body, body=b"name=Ada&note=a+b")


@kind.case(gives=(200, b"a.txt: content"))
def an_upload_that_the_email_package_parses(http, run):
    class Upload(answering(http)):
        def do_POST(self):
            head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
            body = self.rfile.read(int(self.headers["Content-Length"]))
            part = email.parser.BytesParser().parsebytes(head + body).get_payload()[0]
            self.answer(f"{part.get_filename()}: ".encode() + part.get_payload(decode=True))

    body = b'--x\r\nContent-Disposition: form-data; name="f"; filename="a.txt"\r\n\r\ncontent\r\n--x--\r\n'
    return run.connect(run.serve(Upload)).request(
        "POST", "/", "Content-Type: multipart/form-data; boundary=x", body=body
    )


@kind.case(gives=(200, b"1048576"))
def a_body_that_is_counted_down(http, run):
    class Down(answering(http)):
        def do_PUT(self):
            left, taken = int(self.headers["Content-Length"]), 0
            while left:
                data = self.rfile.read(min(left, 65536))
                if not data:
                    break
                left -= len(data)
                taken += len(data)
            self.answer(str(taken).encode())

    return run.connect(run.serve(Down)).request("PUT", body=BIG)
