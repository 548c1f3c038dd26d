"""Kind 8, overrides that change what is sent: ranges, validators and coded files step back for them."""

import functools
import gzip
import io
import os
import re
import shutil

from tests.compat.table import COMPLAINT, ERROR_PAGES, LISTINGS, NOT_MODIFIED, VALIDATORS, Kind

kind = Kind(8, "overrides")

TEXT = b"0123456789"
PAGE = b"<html><body>page</body></html>"
SCRIPT = b"<script>reload()</script>"

RANGES = "Ranges are answered where nobody has overridden what is sent (RFC 9110, section 14)."


def of_files(http):
    class Files(http.SimpleHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

    return Files


def asking(run, handler, *requests):
    """What one connection is answered, with a file of digits and a page there."""
    run.file("a.txt", TEXT)
    run.file("page.html", PAGE)
    client = run.connect(run.serve_files(handler))
    return [client.request(method, target, *headers) for method, target, *headers in requests]


# As it is


@kind.case(gives=[(200, TEXT), (200, b""), (200, PAGE)], differs=(VALIDATORS,))
def files_without_an_override(http, run):
    return asking(run, of_files(http), ("GET", "/a.txt"), ("HEAD", "/a.txt"), ("GET", "/page.html"))


@kind.case(gives=[(200, TEXT), (200, TEXT)], differs=(VALIDATORS,))
def modified_since_then(http, run):
    dates = ("Tue, 14 Nov 2023 22:13:19 GMT", "yesterday")
    return asking(run, of_files(http), *(("GET", "/a.txt", f"If-Modified-Since: {date}") for date in dates))


@kind.case(gives=[(304, b""), (304, b"")], differs=(NOT_MODIFIED,))
def not_modified_since_then(http, run):
    dates = ("Tue, 14 Nov 2023 22:13:20 GMT", "Tue, 14 Nov 2023 22:13:21 -0000")
    return asking(run, of_files(http), *(("GET", "/a.txt", f"If-Modified-Since: {date}") for date in dates))


@kind.case(gives=[(200, TEXT)], ours=[(206, b"234")], reason=RANGES)
def a_range_without_an_override(http, run):
    return asking(run, of_files(http), ("GET", "/a.txt", "Range: bytes=2-4"))


@kind.case(gives=[(301, b""), (301, b"")])
def a_directory_without_its_slash(http, run):
    run.file("sub/a.txt", TEXT)
    return asking(run, of_files(http), ("GET", "/sub"), ("GET", "/sub?query"))


@kind.case(
    gives=(200, b"outside"),
    ours=(403, b""),
    reason="A link that leads out of the directory is not followed unless follow_outside says so.",
)
def a_link_that_leads_out(http, run):
    class Files(of_files(http)):
        error_message_format = ""

    outside = run.file("outside/secret", b"outside")
    os.makedirs(run.folder / "inside")
    os.symlink(outside, run.folder / "inside" / "link")
    server = run.serve(functools.partial(Files, directory=str(run.folder / "inside")))
    return run.connect(server).get("/link")


@kind.case(gives=[(200, TEXT)], differs=(VALIDATORS,))
def a_compressed_file_beside_it(http, run):
    run.file("a.txt.gz", gzip.compress(TEXT))
    return asking(run, of_files(http), ("GET", "/a.txt", "Accept-Encoding: gzip"))


@kind.case(gives=[(404, b""), (404, b"")], differs=(ERROR_PAGES,))
def what_is_not_there(http, run):
    return [(answer.status, b"") for answer in (one(http, run, "/missing"), one(http, run, "/a.txt/"))]


def one(http, run, target):
    return asking(run, of_files(http), ("GET", target))[0]


# What send_head returns


@kind.case(gives=["a.txt", True, b"01", b"234", b"23456789", b"89", True, "rb"])
def what_send_head_returns_is_a_file(http, run):
    class Looking(of_files(http)):
        def do_GET(self):
            with self.send_head() as file:
                seen = [os.path.basename(file.name), os.fstat(file.fileno()).st_size == len(TEXT), file.read(2)]
                seen.append(file.peek(3)[:3])
                seen.append(file.read1(100))
                file.seek(-2, os.SEEK_END)
                seen += [file.read(), file.tell() == len(TEXT), file.mode]
                run.notes.extend(seen)
                file.seek(0)
                shutil.copyfileobj(file, self.wfile)

    asking(run, Looking, ("GET", "/a.txt"))
    return list(run.notes)


@kind.case(gives=[(True, True, True), [b"01234\n", b"56789\n"], b"01234"])
def what_send_head_returns_is_read_like_any_file(http, run):
    class Lines(of_files(http)):
        def do_GET(self):
            file = self.send_head()
            run.notes.append((file.readable(), file.seekable(), not file.closed))
            run.notes.append(list(file))
            file.seek(0)
            buffer = bytearray(5)
            file.readinto(buffer)
            run.notes.append(bytes(buffer))
            self.wfile.write(b"01234\n56789\n")
            file.close()

    run.file("lines.txt", b"01234\n56789\n")
    asking(run, Lines, ("GET", "/lines.txt"))
    return list(run.notes)


@kind.case(gives=[(200, TEXT), (200, TEXT), (200, TEXT), (200, b"")])
def a_do_get_that_copies_by_itself(http, run):
    class Copying(of_files(http)):
        def do_GET(self):
            file = self.send_head()
            if file:
                shutil.copyfileobj(file, self.wfile)
                file.close()

    ranged = ("GET", "/a.txt", "Range: bytes=2-4")
    return asking(run, Copying, ("GET", "/a.txt"), ("GET", "/a.txt"), ranged, ("HEAD", "/a.txt"))


@kind.case(gives=[(True, True)], differs=(LISTINGS,))
def what_send_head_returns_for_a_listing(http, run):
    class Looking(of_files(http)):
        def do_GET(self):
            file = self.send_head()
            run.notes.append((b"Directory listing for /" in file.getvalue(), file.seek(0) == 0))
            self.copyfile(file, self.wfile)

    asking(run, Looking, ("GET", "/"))
    return list(run.notes)


# Overrides of send_head


def with_ranges(http):
    """Ranges as programs add them, on top of send_head()."""

    class Ranges(of_files(http)):
        span = None

        def send_head(self):
            self.span = None
            match = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
            if match:
                self.span = int(match[1]), int(match[2])
            return super().send_head()

        def send_response(self, code, message=None):
            super().send_response(206 if self.span and code == 200 else code, message)

        def send_header(self, keyword, value):
            if self.span and keyword.lower() == "content-length":
                first, last = self.span
                super().send_header("Content-Range", f"bytes {first}-{last}/{value}")
                value = str(last - first + 1)
            super().send_header(keyword, value)

        def copyfile(self, source, outputfile):
            if self.span:
                first, last = self.span
                source.seek(first)
                outputfile.write(source.read(last - first + 1))
            else:
                super().copyfile(source, outputfile)

    return Ranges


@kind.case(gives=([(206, b"234")], ["bytes 2-4/10"], ["3"]))
def ranges_of_ones_own_over_send_head(http, run):
    run.file("a.txt", TEXT)
    client = run.connect(run.serve_files(with_ranges(http)))
    answers = [client.get("/a.txt", "Range: bytes=2-4")]
    return answers, client.header("Content-Range"), client.header("Content-Length")


@kind.case(gives=[(200, TEXT), (206, b"0"), (200, TEXT)])
def ranges_of_ones_own_and_none(http, run):
    return asking(run, with_ranges(http), ("GET", "/a.txt"), ("GET", "/a.txt", "Range: bytes=0-0"), ("GET", "/a.txt"))


@kind.case(gives=[(206, b"234"), (200, TEXT)])
def ranges_by_a_send_head_of_ones_own(http, run):
    class Own(of_files(http)):
        def send_head(self):
            if "Range" not in self.headers:
                return super().send_head()
            first, last = map(int, self.headers["Range"].removeprefix("bytes=").split("-"))
            with open(self.translate_path(self.path), "rb") as file:
                file.seek(first)
                data = file.read(last - first + 1)
            self.send_response(206)
            self.send_header("Content-type", self.guess_type(self.path))
            self.send_header("Content-Range", f"bytes {first}-{last}/{len(TEXT)}")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            return io.BytesIO(data)

    return asking(run, Own, ("GET", "/a.txt", "Range: bytes=2-4"), ("GET", "/a.txt"))


def inserting(http):
    """A preview of a site that has pages reload themselves: their content is another than the file's."""

    class Preview(of_files(http)):
        def do_GET(self):
            wfile, self.wfile = self.wfile, io.BytesIO()
            super().do_GET()
            head, _, body = self.wfile.getvalue().partition(b"\r\n\r\n")
            self.wfile = wfile
            body = body.replace(b"</body>", SCRIPT + b"</body>")
            head = re.sub(rb"Content-Length: \d+", b"Content-Length: %d" % len(body), head)
            self.wfile.write(head + b"\r\n\r\n" + body)

    return Preview


INSERTED = PAGE.replace(b"</body>", SCRIPT + b"</body>")


@kind.case(gives=[(200, INSERTED), (200, INSERTED)])
def a_script_inserted_by_way_of_bytesio(http, run):
    return asking(run, inserting(http), ("GET", "/page.html"), ("GET", "/page.html", "Range: bytes=0-5"))


def inserting_in_send_head(http):
    class Preview(of_files(http)):
        def send_head(self):
            if not self.path.endswith(".html"):
                return super().send_head()
            with open(self.translate_path(self.path), "rb") as file:
                body = file.read().replace(b"</body>", SCRIPT + b"</body>")
            self.send_response(200)
            self.send_header("Content-type", "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            return io.BytesIO(body)

    return Preview


@kind.case(gives=[(200, INSERTED), (200, INSERTED), (200, TEXT)])
def a_script_inserted_in_send_head_and_a_range(http, run):
    return asking(
        run,
        inserting_in_send_head(http),
        ("GET", "/page.html"),
        ("GET", "/page.html", "Range: bytes=0-5"),
        ("GET", "/a.txt", "Range: bytes=0-5"),
    )


@kind.case(gives=[(200, INSERTED), (200, INSERTED)])
def a_script_inserted_in_copyfile_and_a_range(http, run):
    class Preview(of_files(http)):
        def send_header(self, keyword, value):
            if keyword.lower() == "content-length":
                value = str(int(value) + len(SCRIPT))
            super().send_header(keyword, value)

        def copyfile(self, source, outputfile):
            outputfile.write(source.read().replace(b"</body>", SCRIPT + b"</body>"))

    return asking(run, Preview, ("GET", "/page.html"), ("GET", "/page.html", "Range: bytes=0-5"))


@kind.case(gives=[(200, INSERTED), (200, INSERTED)])
def a_script_inserted_by_a_wfile_of_ones_own(http, run):
    class Inserting:
        def __init__(self, wfile):
            self.wfile = wfile

        def write(self, data):
            return self.wfile.write(data.replace(b"</body>", SCRIPT + b"</body>"))

        def __getattr__(self, name):
            return getattr(self.wfile, name)

    class Preview(of_files(http)):
        protocol_version = "HTTP/1.0"

        def do_GET(self):
            self.wfile = Inserting(self.wfile)
            super().do_GET()

        def end_headers(self):
            self._headers_buffer = [line for line in self._headers_buffer if not line.startswith(b"Content-Length")]
            super().end_headers()

    server = run.serve_files(Preview)
    run.file("page.html", PAGE)
    return [run.connect(server).get("/page.html", *ask) for ask in ((), ("Range: bytes=0-5",))]


@kind.case(gives=[(200, TEXT), (200, TEXT)])
def a_send_head_that_is_wrapped(http, run):
    class Traced(of_files(http)):
        pass

    def traced(method):
        @functools.wraps(method)
        def call(self):
            run.notes.append(self.path)
            return method(self)

        return call

    Traced.send_head = traced(http.SimpleHTTPRequestHandler.send_head)
    answers = asking(run, Traced, ("GET", "/a.txt"), ("GET", "/a.txt", "Range: bytes=2-4"))
    assert list(run.notes) == ["/a.txt", "/a.txt"]
    return answers


@kind.case(gives=[(200, TEXT), (200, PAGE)], differs=(VALIDATORS,))
def a_do_get_that_sends_another_file(http, run):
    class Fallback(of_files(http)):
        def do_GET(self):
            if not os.path.exists(self.translate_path(self.path)):
                self.path = "/page.html"
            super().do_GET()

    return asking(run, Fallback, ("GET", "/a.txt"), ("GET", "/no/such/route"))


# Overrides of copyfile


@kind.case(gives=(b"0123456789and more", "closed"), differs=(COMPLAINT,))
def a_copyfile_of_more_than_announced(http, run):
    class More(http.SimpleHTTPRequestHandler):
        def copyfile(self, source, outputfile):
            super().copyfile(source, outputfile)
            outputfile.write(b"and more")

    run.file("a.txt", TEXT)
    client = run.connect(run.serve_files(More))
    client.send(b"GET /a.txt HTTP/1.0\r\n\r\n")
    client.until(b"\r\n\r\n")
    return client.until_closed(), client.ending


@kind.case(gives=(b"01234", "closed"), differs=(COMPLAINT,))
def a_copyfile_of_less_than_announced(http, run):
    class Less(http.SimpleHTTPRequestHandler):
        def copyfile(self, source, outputfile):
            outputfile.write(source.read(5))

    run.file("a.txt", TEXT)
    client = run.connect(run.serve_files(Less))
    client.send(b"GET /a.txt HTTP/1.0\r\n\r\n")
    client.until(b"\r\n\r\n")
    return client.until_closed(), client.ending


@kind.case(gives=[(200, TEXT), (200, TEXT)])
def a_copyfile_with_a_range_asked_for(http, run):
    class Throttled(of_files(http)):
        def copyfile(self, source, outputfile):
            while data := source.read(3):
                outputfile.write(data)

    return asking(run, Throttled, ("GET", "/a.txt"), ("GET", "/a.txt", "Range: bytes=2-4"))


@kind.case(gives=[(200, TEXT)])
def a_copyfile_that_sends_by_the_socket(http, run):
    class BySocket(of_files(http)):
        def copyfile(self, source, outputfile):
            outputfile.flush()
            self.connection.sendfile(source)

    return asking(run, BySocket, ("GET", "/a.txt"))


# Overrides of headers


@kind.case(gives=([200, 404, 301, 304], ["*"] * 4), differs=(VALIDATORS, NOT_MODIFIED, ERROR_PAGES))
def an_end_headers_that_adds_one(http, run):
    class Cors(of_files(http)):
        def end_headers(self):
            self.send_header("Access-Control-Allow-Origin", "*")
            super().end_headers()

    run.file("a.txt", TEXT)
    run.file("sub/b.txt", TEXT)
    server, statuses, allowed = run.serve_files(Cors), [], []
    for target, *headers in (
        ("/a.txt",),
        ("/missing",),
        ("/sub",),
        ("/a.txt", "If-Modified-Since: Tue, 14 Nov 2023 22:13:20 GMT"),
    ):
        client = run.connect(server)
        statuses.append(client.get(target, *headers).status)
        allowed += client.header("Access-Control-Allow-Origin")
    return statuses, allowed


@kind.case(gives=([(200, TEXT), (200, TEXT)], [], ["no-store"]))
def a_send_header_that_drops_last_modified(http, run):
    class Uncached(of_files(http)):
        def send_header(self, keyword, value):
            if keyword.lower() not in ("last-modified", "etag"):
                super().send_header(keyword, value)

        def end_headers(self):
            self.send_header("Cache-Control", "no-store")
            super().end_headers()

    run.file("a.txt", TEXT)
    client = run.connect(run.serve_files(Uncached))
    answers = [client.get("/a.txt"), client.get("/a.txt", 'If-None-Match: "x"')]
    return answers, client.header("Last-Modified"), client.header("Cache-Control")


@kind.case(gives=([(200, TEXT)], ['"own"']), differs=(VALIDATORS,))
def an_etag_of_ones_own(http, run):
    class Tagged(of_files(http)):
        def end_headers(self):
            self.send_header("ETag", '"own"')
            super().end_headers()

    run.file("a.txt", TEXT)
    client = run.connect(run.serve_files(Tagged))
    return [client.get("/a.txt")], client.header("ETag")


@kind.case(
    gives=([(200, TEXT)], ["none"]),
    ours=([(206, TEXT[:2])], ["none"]),
    reason="who says so in end_headers says it when the range has been chosen; the header that goes out is theirs",
)
def accept_ranges_of_ones_own(http, run):
    class Unranged(of_files(http)):
        def end_headers(self):
            self.send_header("Accept-Ranges", "none")
            super().end_headers()

    run.file("a.txt", TEXT)
    client = run.connect(run.serve_files(Unranged))
    return [client.get("/a.txt", "Range: bytes=0-1")], client.header("Accept-Ranges")


@kind.case(gives=["text/x-own", "application/x-foo"], differs=(VALIDATORS,))
def types_of_ones_own(http, run):
    class Typed(of_files(http)):
        extensions_map = {**http.SimpleHTTPRequestHandler.extensions_map, ".foo": "application/x-foo"}

        def guess_type(self, path):
            return "text/x-own" if path.endswith(".txt") else super().guess_type(path)

    run.file("a.txt", TEXT)
    run.file("a.foo", TEXT)
    client, types = run.connect(run.serve_files(Typed)), []
    for target in ("/a.txt", "/a.foo"):
        client.get(target)
        types += client.header("Content-Type")
    return types


@kind.case(gives=[(200, TEXT)], differs=(VALIDATORS,))
def a_translate_path_of_ones_own(http, run):
    class Mapped(of_files(http)):
        def translate_path(self, path):
            return str(run.folder / "elsewhere" / "a.txt")

    run.file("elsewhere/a.txt", TEXT)
    os.makedirs(run.folder / "root")
    server = run.serve(functools.partial(Mapped, directory=str(run.folder / "root")))
    return [run.connect(server).get("/anything")]


@kind.case(gives=[(200, b"own listing"), (200, TEXT)], differs=(VALIDATORS,))
def a_list_directory_of_ones_own(http, run):
    class Listing(of_files(http)):
        def list_directory(self, path):
            body = b"own listing"
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            return io.BytesIO(body)

    return asking(run, Listing, ("GET", "/"), ("GET", "/a.txt"))


@kind.case(gives=[(404, b"not listed")])
def a_list_directory_that_refuses(http, run):
    class Unlisted(of_files(http)):
        error_message_format = "%(message)s"

        def list_directory(self, path):
            self.send_error(404, "not listed")

    return asking(run, Unlisted, ("GET", "/"))


@kind.case(gives=[(200, TEXT)], differs=(VALIDATORS,), since=(3, 12))
def index_pages_of_ones_own(http, run):
    class Indexed(of_files(http)):
        index_pages = ["a.txt"]

    return asking(run, Indexed, ("GET", "/"))


@kind.case(gives=([(200, gzip.compress(TEXT, mtime=0))], ["gzip"], [str(len(gzip.compress(TEXT, mtime=0)))]))
def a_body_compressed_on_its_way(http, run):
    class Compressing(of_files(http)):
        def send_head(self):
            with open(self.translate_path(self.path), "rb") as file:
                data = gzip.compress(file.read(), mtime=0)
            self.send_response(200)
            self.send_header("Content-Encoding", "gzip")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            return io.BytesIO(data)

    run.file("a.txt", TEXT)
    client = run.connect(run.serve_files(Compressing))
    return [client.get("/a.txt")], client.header("Content-Encoding"), client.header("Content-Length")
