"""What is said to nginx and to ours: requests good and bad, byte for byte, on a connection each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

LAST_MODIFIED = "Sun, 06 Nov 1994 08:49:37 GMT"
MODIFIED = 784_111_777  # the same in seconds
EARLIER, LATER = "Sat, 05 Nov 1994 08:49:37 GMT", "Mon, 07 Nov 1994 08:49:37 GMT"
# These stand for the server's own entity tag of letters.txt, with its quotes and without.
ETAG, BARE_ETAG = b"{etag}", b"{bare}"

SPACES = {"a space": b" ", "a tab": b"\t"}
CONTROLS = {
    "NUL": b"\0",
    "BEL": b"\a",
    "VT": b"\v",
    "FF": b"\f",
    "ESC": b"\x1b",
    "DEL": b"\x7f",
    "a bare CR": b"\r",
}


@dataclass(frozen=True)
class Case:
    """What a client sends, and the methods of the requests in it; with ``ends``, it then ends its side."""

    name: str
    data: bytes
    methods: tuple[str, ...] = ("GET",)
    ends: bool = False

    def data_for(self, etag: bytes) -> bytes:
        """What is sent to a server with this entity tag."""
        return self.data.replace(ETAG, etag).replace(BARE_ETAG, etag.strip(b'"'))


def request(
    name: str, line: bytes, *fields: bytes, host: bytes | None = b"Host: test", body: bytes = b"", method: str = "GET"
) -> Case:
    lines = [line, *([] if host is None else [host]), *fields, b"", b""]
    return Case(name, b"\r\n".join(lines) + body, (method,))


def shown(value: str) -> str:
    """A value as part of a name: printable, and not too long."""
    printable = value.encode("unicode_escape").decode("ascii") if not value.isprintable() else value
    return (printable if len(printable) <= 30 else f"{printable[:30]}...") or "empty"


def target(name: str, value: bytes) -> Case:
    return request(f"target: {name}", b"GET %b HTTP/1.1" % value)


def field(name: str, *fields: bytes, path: bytes = b"/letters.txt") -> Case:
    return request(name, b"GET %b HTTP/1.1" % path, *fields)


def methods() -> Iterator[Case]:
    known = ["GET", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "PROPFIND", "MKCOL", "PURGE"]
    for method in [*known, "HEAD", "get", "Get", "G3T", "G-T", "G.T", "G!T", "M" * 40]:
        yield request(f"method: {shown(method)}", b"%b /letters.txt HTTP/1.1" % method.encode(), method=method)
    for method in ("G(T", "G@T", "G/T", "G\xe9T", '"GET"', ""):
        yield request(f"method: {shown(method)}", b"%b /letters.txt HTTP/1.1" % method.encode("latin-1"))
    yield request("method: HEAD of a directory", b"HEAD /dir/ HTTP/1.1", method="HEAD")
    yield request("method: HEAD of a listing", b"HEAD /list/ HTTP/1.1", method="HEAD")
    yield request("method: HEAD without a slash", b"HEAD /dir HTTP/1.1", method="HEAD")
    yield request("method: HEAD of nothing", b"HEAD /nothing HTTP/1.1", method="HEAD")
    yield request("method: HEAD with a range", b"HEAD /letters.txt HTTP/1.1", b"Range: bytes=0-4", method="HEAD")
    yield request(
        "method: HEAD with a range behind the end", b"HEAD /letters.txt HTTP/1.1", b"Range: bytes=99-", method="HEAD"
    )
    yield request("method: CONNECT", b"CONNECT test:80 HTTP/1.1", method="CONNECT")
    yield request("method: CONNECT to a path", b"CONNECT /letters.txt HTTP/1.1", method="CONNECT")
    yield request("method: OPTIONS *", b"OPTIONS * HTTP/1.1", method="OPTIONS")
    yield request("method: GET *", b"GET * HTTP/1.1")
    yield request("method: POST with a body", b"POST /letters.txt HTTP/1.1", b"Content-Length: 5", body=b"hello")
    yield request("method: POST to a directory", b"POST /dir/ HTTP/1.1", b"Content-Length: 5", body=b"hello")
    yield request("method: POST to nothing", b"POST /nothing HTTP/1.1", b"Content-Length: 5", body=b"hello")


def targets() -> Iterator[Case]:
    for path in ("/", "/letters.txt", "/empty.txt", "/page.html", "/dir/", "/list/", "/deep/er/file.txt", "/nothing",
                 "/nothing/", "/letters.txt/", "/letters.txt/x", "/.hidden", "/.git/config", "/bytes", "/LETTERS.TXT",
                 "/list/one.txt?x=1", "/letters.txt?", "/letters.txt??", "/letters.txt?a/../b", "/letters.txt?%00",
                 "/letters.txt;v=1", "/semi;colon.txt", "/a+b.txt", "/a%2Bb.txt", "/a%2bb.txt", "/colon:x.txt",
                 "/a%25b.txt", "/a%b.txt", "/with%20space.txt", "/with+space.txt", "/%C3%BC.txt", "/%c3%bc.txt",
                 "/%FC.txt", "/%6Cetters.txt", "/%6cetters.txt", "/letters%2Etxt", "/deep%2Fer%2Ffile.txt",
                 "/deep/er%2ffile.txt", "/dir%2F", "/pipe", "/link.txt", "/link-out.txt", "/link-out/secret.txt",
                 "/link-dir/one.txt", "/link-loop", "/letters.txt%20", "/letters.txt.", "/index.html"):  # fmt: skip
        yield target(path, path.encode())
    # Without the slash
    for path in (
        "/dir",
        "/list",
        "/deep/er",
        "/dir?x=1",
        "/dir?",
        "/list?a=/b",
        "/deep//er",
        "/./dir",
        "/with%20dir",
        "/%64ir",
        "/link-dir",
        "/link-out",
        "//dir",
        "//evil.test/%2e%2e/dir",
        "//evil.test/..",
        "/dir%3F",
    ):
        yield target(path, path.encode())
    # Dots
    for path in (
        "/./letters.txt",
        "/dir/../letters.txt",
        "/dir/./../letters.txt",
        "/nothing/../letters.txt",
        "/letters.txt/../letters.txt",
        "/letters.txt/.",
        "/letters.txt/..",
        "/dir/..",
        "/dir/.",
        "/.",
        "/..",
        "/../letters.txt",
        "/../../../../etc/passwd",
        "/../secret.txt",
        "/dir/../../secret.txt",
        "/%2e%2e/secret.txt",
        "/%2E%2E/secret.txt",
        "/.%2e/secret.txt",
        "/..%2fsecret.txt",
        "/%2e/letters.txt",
        "/dir/%2e%2e/letters.txt",
        "/dir/%2e%2e/%2e%2e/secret.txt",
        "/%252e%252e/secret.txt",
        "/..%252fsecret.txt",
        "/..%c0%afsecret.txt",
        "/..%5csecret.txt",
        "/..\\secret.txt",
        "/...",
        "/.../",
        "/dir/..;/secret.txt",
        "/..?/",
        "/letters.txt?/../x",
        "/%2e%2e%2f%2e%2e%2fetc/passwd",
        "/deep/er/../../letters.txt",
        "/deep/../dir",
        "/deep/er/..",
        "/deep/er/.",
        "/list/../../list/one.txt",
    ):
        yield target(path, path.encode())
    # Slashes
    for path in ("//letters.txt", "///letters.txt", "//", "/deep//er//file.txt", "/deep/er///file.txt", "/dir//",
                 "//dir//", "/%2f/letters.txt", "/%2Fletters.txt", "/dir/%2f", "/deep%2f%2fer/file.txt", "/\\dir",
                 "/%5cdir", "/back\\slash.txt", "/back%5Cslash.txt", "/C:/letters.txt", "/C:%5Cletters.txt",
                 "//letters.txt/", "/.//letters.txt", "/dir/..//letters.txt"):  # fmt: skip
        yield target(path, path.encode())
    # Forms
    for form in ("http://test/letters.txt", "http://other.test/letters.txt", "HTTP://test/letters.txt", "http://test",
                 "http://test?x", "http://test/", "http://test:8000/letters.txt", "http://test:/letters.txt",
                 "http:///letters.txt", "http:/letters.txt", "http://", "https://test/letters.txt",
                 "ftp://test/letters.txt", "x-y.z+1://test/letters.txt", "http://user@test/letters.txt",
                 "http://[::1]/letters.txt", "http://[::1/letters.txt", "http://te st/letters.txt", "http://test/dir",
                 "http://test//dir", "http://test/../secret.txt", "letters.txt", "test:80", "", "?x", "mailto:x@test",
                 "data:,x", "http://te%73t/letters.txt", "http://te_st/letters.txt"):  # fmt: skip
        yield target(shown(form), form.encode())
    # Octets
    for name, octets in {**CONTROLS, **SPACES, "a high octet": b"\xfc", "UTF-8": "ü".encode(), "#": b"#x", "a quote": b'"',
                         "<": b"<", "{": b"{", "a bar": b"|", "^": b"^", "a backtick": b"`"}.items():  # fmt: skip
        yield target(f"/letters.txt with {name}", b"/letters.txt" + octets)
        yield target(f"/ with {name} and .txt", b"/" + octets + b".txt")
        yield target(f"{name} in the query", b"/letters.txt?a" + octets + b"b")
    for code in ("%00", "%0a", "%0d%0a", "%7f", "%", "%4", "%zz", "%-1", "%u0041", "%E2%80%AE", "%ff%fe", "%09"):
        yield target(f"/letters.txt{code}", b"/letters.txt" + code.encode())
        yield target(f"/{code}/letters.txt", b"/" + code.encode() + b"/letters.txt")
    yield target("a name of 255 bytes", b"/" + b"a" * 255)
    yield target("a name of 256 bytes", b"/" + b"a" * 256)
    yield target("a path of 4,000 bytes", b"/a" * 2000)
    yield target("a thousand times ../", b"/" + b"../" * 1000 + b"letters.txt")
    yield target("a thousand slashes", b"/" * 1000 + b"letters.txt")


def request_lines() -> Iterator[Case]:
    for version in ("HTTP/1.1", "HTTP/1.0", "HTTP/1.2", "HTTP/1.9", "HTTP/2.0", "HTTP/3.0", "HTTP/0.9", "HTTP/1",
                    "HTTP/1.", "HTTP/.1", "HTTP/1.10", "HTTP/01.1", "HTTP/11.1", "HTTP/1.1.1", "HTTP/1.1x", "http/1.1",
                    "Http/1.1", "HTTP", "HTTP/", "HTTP/-1.1", "HTTP/a.b", "HTTP/1,1", "HTTP 1.1", "HTTP//1.1",
                    "HTTPS/1.1", "ICY/1.1", "HTTP/9.9", "HTTP/4294967297.1"):  # fmt: skip
        yield request(f"version: {version}", b"GET /letters.txt %b" % version.encode())
    yield Case("version: none, with GET", b"GET /letters.txt\r\n")
    yield Case("version: none, with HEAD", b"HEAD /letters.txt\r\n")
    yield Case("version: none, and a space", b"GET /letters.txt \r\n\r\n")
    yield Case("HTTP/2 with prior knowledge", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9))
    for name, line in {
        "two spaces behind the method": b"GET  /letters.txt HTTP/1.1",
        "two spaces before the version": b"GET /letters.txt  HTTP/1.1",
        "a space at the beginning": b" GET /letters.txt HTTP/1.1",
        "a space at the end": b"GET /letters.txt HTTP/1.1 ",
        "a tab behind the method": b"GET\t/letters.txt HTTP/1.1",
        "a tab before the version": b"GET /letters.txt\tHTTP/1.1",
        "a tab at the end": b"GET /letters.txt HTTP/1.1\t",
        "a fourth word": b"GET /letters.txt HTTP/1.1 x",
        "a space in the target": b"GET /with space.txt HTTP/1.1",
        "a method and no more": b"GET",
        "a method and a space": b"GET ",
        "no word at all": b" ",
        "what is no HTTP": b"EHLO test",
        "a NUL at the beginning": b"\0GET /letters.txt HTTP/1.1",
        "a NUL at the end": b"GET /letters.txt HTTP/1.1\0",
        "a bare CR at the end": b"GET /letters.txt HTTP/1.1\r",
        "a bare CR before the version": b"GET /letters.txt\rHTTP/1.1",
        "a UTF-8 byte order mark": b"\xef\xbb\xbfGET /letters.txt HTTP/1.1",
    }.items():
        yield request(f"line: {name}", line)
    fields = b"Host: test\r\n\r\n"
    for name, before in {"an empty line": b"\r\n", "a bare LF": b"\n", "two empty lines": b"\r\n\r\n",
                         "nine empty lines": b"\r\n" * 9, "a bare CR": b"\r"}.items():  # fmt: skip
        yield Case(f"line: {name} before it", before + b"GET /letters.txt HTTP/1.1\r\n" + fields)
    get = b"GET /letters.txt HTTP/1.1"
    yield Case("line end: LF after the request line", get + b"\n" + fields)
    yield Case("line end: LF after a header", get + b"\r\nX: y\nHost: test\r\n\r\n")
    yield Case("line end: LF after the last header", get + b"\r\nHost: test\n\r\n")
    yield Case("line end: LF for the empty line", get + b"\r\nHost: test\r\n\n")
    yield Case("line end: LF everywhere", get + b"\nHost: test\n\n")
    yield Case("line end: CR after a header", get + b"\r\nX: y\rHost: test\r\n\r\n")
    yield Case("line end: CR CR LF after a header", get + b"\r\nX: y\r\r\nHost: test\r\n\r\n")
    yield Case("line end: LF CR after a header", get + b"\r\nHost: test\r\nX: y\n\r\r\n\r\n")
    for name, data in {
        "nothing": b"",
        "an empty line": b"\r\n",
        "a part of the request line": b"GET /lett",
        "the request line": get + b"\r\n",
        "the headers without the empty line": get + b"\r\nHost: test\r\n",
        "a part of a header": get + b"\r\nHost: te",
        "the body": b"GET /letters.txt HTTP/1.1\r\nHost: test\r\nContent-Length: 10\r\n\r\nhello",
        "a chunk": b"GET /letters.txt HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\na\r\nhello",
    }.items():
        yield Case(f"end of input: after {name}", data, ends=True)


def hosts() -> Iterator[Case]:
    get = b"GET /letters.txt HTTP/1.1"
    yield request("Host: none", get, host=None)
    yield request("Host: none in HTTP/1.0", b"GET /letters.txt HTTP/1.0", host=None)
    yield request("Host: none with a whole URL", b"GET http://test/letters.txt HTTP/1.1", host=None)
    for value in ("test:80", "test:", "test:x", "test:99999", "test:0", "test:-1", ":80", "", "a b", "a,b", "a/b", "a?b",
                  "a#b", "a\\b", "user@test", "[::1]", "[::1]:80", "[::1", "::1", "[::g]", "[::1]x", "127.0.0.1",
                  "256.1.1.1", "te_st", "te%73t", "te%zzt", "test.", ".test", "..", "te..st", "TEST", "-test", "*",
                  "http://test", "t\xe9st", "te\0st", "te\x7fst", "te\tst", "x" * 300):  # fmt: skip
        yield request(f"Host: {shown(value)}", get, host=b"Host: " + value.encode("latin-1"))
    yield request("Host: twice the same", get, b"Host: test")
    yield request("Host: two", get, b"Host: other.test")
    yield request("Host: two in HTTP/1.0", b"GET /letters.txt HTTP/1.0", b"Host: other.test")
    yield request("Host: not that of the whole URL", b"GET http://test/letters.txt HTTP/1.1", host=b"Host: other.test")
    yield request("Host: a bad one behind a whole URL", b"GET http://test/letters.txt HTTP/1.1", host=b"Host: a b")
    yield request("Host: in small letters", get, host=b"host:test")
    yield request("Host: with blanks around it", get, host=b"Host: \t test \t ")


def headers() -> Iterator[Case]:
    for name, line in {
        "no blank behind the colon": b"X:y",
        "blanks around the value": b"X: \t y \t ",
        "an empty value": b"X:",
        "an empty value of blanks": b"X:   ",
        "a blank before the colon": b"X : y",
        "a tab before the colon": b"X\t: y",
        "a blank in the name": b"X Y: z",
        "no colon": b"nonsense",
        "no name": b": y",
        "only a colon": b":",
        "a name of digits": b"123: y",
        "a name of tchars": b"!#$%&'*+-.^_`|~: y",
        "an underscore in the name": b"X_Y: z",
        "a bracket in the name": b"X(Y): z",
        "a slash in the name": b"X/Y: z",
        "an at sign in the name": b"X@Y: z",
        "a quote in the name": b'"X": z',
        "a high octet in the name": b"X\xe9: z",
        "a high octet in the value": b"X: caf\xe9",
        "UTF-8 in the value": "X: café".encode(),
        "a second colon": b"X: y: z",
        "an unbalanced quote": b'X: "y',
        "a folded line": b"X: y\r\n z",
        "a line folded with a tab": b"X: y\r\n\tz",
        "an empty folded line": b"X: y\r\n ",
        "a folded Host": b"X: y\r\n Host: other.test",
    }.items():
        yield field(f"header: {name}", line)
    for name, octet in CONTROLS.items():
        yield field(f"header: {name} in the name", b"X" + octet + b"Y: z")
        yield field(f"header: {name} in the value", b"X: y" + octet + b"z")
    get = b"GET /letters.txt HTTP/1.1\r\n"
    yield Case("header: the first line folded", get + b" X: y\r\nHost: test\r\n\r\n")
    yield Case("header: a blank before the first name", get + b" Host: test\r\n\r\n")
    yield Case("header: a line of blanks before the empty line", get + b"Host: test\r\n  \r\n\r\n")
    for count in (50, 99, 101, 500):
        yield field(f"size: {count + 1} headers", *(b"X-%d: y" % number for number in range(count)))
    for size in (500, 2_000, 9_000, 40_000, 70_000, 300_000):
        yield field(f"size: a header of {size:,} bytes", b"X: " + b"y" * size)
        yield target(f"a query of {size:,} bytes", b"/letters.txt?" + b"y" * size)
        yield request(f"method: one of {size:,} bytes", b"%b /letters.txt HTTP/1.1" % (b"M" * size))
    yield field("size: 20,000 short headers", *([b"X: y"] * 20_000))
    yield field("size: headers of 60,000 bytes in all", *([b"X: " + b"y" * 997] * 60))
    yield Case("size: a line that does not end", b"GET /" + b"a" * 100_000, ends=True)
    yield Case("size: a head that does not end", get + b"X: y\r\n" * 100_000, ends=True)


def framing() -> Iterator[Case]:
    def body(name: str, *fields: bytes, data: bytes = b"hello", version: bytes = b"1.1") -> Case:
        return request(f"body: {name}", b"GET /letters.txt HTTP/" + version, *fields, body=data)

    hidden = b"GET /hidden.txt HTTP/1.1\r\nHost: test\r\n\r\n"
    yield body("a length", b"Content-Length: 5")
    yield body("a length, HTTP/1.0", b"Content-Length: 5", version=b"1.0")
    yield body("that looks like a request", b"Content-Length: %d" % len(hidden), data=hidden)
    yield body("of another request", data=hidden)
    for value in (
        "0",
        "00005",
        "+5",
        "-5",
        "5 ",
        "5x",
        "x",
        "0x5",
        "5.0",
        "5,5",
        "5, 5",
        "5,6",
        "5;5",
        "",
        "1e1",
        "٥",
        "9" * 30,
        "18446744073709551621",
        "9223372036854775808",
        "3 2",
        "\v5",
        "5\0",
    ):
        yield body(f"Content-Length: {shown(value)}", b"Content-Length: " + value.encode())
    yield body("two lengths alike", b"Content-Length: 5", b"Content-Length: 5")
    yield body("two lengths", b"Content-Length: 5", b"Content-Length: 6")
    yield body("a length folded", b"Content-Length:\r\n 5")
    yield body("a blank before the length's colon", b"Content-Length : 5")
    yield body("an underscore for the length's hyphen", b"Content_Length: 5", data=b"")
    whole = b"5\r\nhello\r\n0\r\n\r\n"
    yield body("chunks", b"Transfer-Encoding: chunked", data=whole)
    yield body("chunks, HTTP/1.0", b"Transfer-Encoding: chunked", data=whole, version=b"1.0")
    yield body("chunks, then a length", b"Transfer-Encoding: chunked", b"Content-Length: 5", data=whole)
    yield body("a length, then chunks", b"Content-Length: 15", b"Transfer-Encoding: chunked", data=whole)
    yield body(
        "chunks, a length and a hidden request",
        b"Content-Length: %d" % (5 + len(hidden)),
        b"Transfer-Encoding: chunked",
        data=b"0\r\n\r\n" + hidden,
    )
    for value in ("Chunked", "CHUNKED", "chunked ", "chunked,", ",chunked", "chunked, chunked", "chunked, identity",
                  "identity", "identity, chunked", "gzip", "gzip, chunked", "chunked, gzip", "x", "xchunked", "chunkedx",
                  "chunked;q=1", '"chunked"', "", "chunk ed", "\vchunked", "chunked\0"):  # fmt: skip
        yield body(f"Transfer-Encoding: {shown(value)}", b"Transfer-Encoding: " + value.encode(), data=whole)
    yield body("Transfer-Encoding twice", b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked", data=whole)
    yield body(
        "Transfer-Encoding, two kinds", b"Transfer-Encoding: identity", b"Transfer-Encoding: chunked", data=whole
    )
    yield body("a folded Transfer-Encoding", b"Transfer-Encoding:\r\n chunked", data=whole)
    yield body("a blank before Transfer-Encoding's colon", b"Transfer-Encoding : chunked", data=whole)
    for name, data in {
        "several": b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
        "none": b"0\r\n\r\n",
        "a size in capitals": b"A\r\n0123456789\r\n0\r\n\r\n",
        "leading zeros": b"0005\r\nhello\r\n000\r\n\r\n",
        "an extension": b"5;x\r\nhello\r\n0\r\n\r\n",
        "an extension with a value": b'5;x=y;z="a b"\r\nhello\r\n0;x\r\n\r\n',
        "a blank before the extension": b"5 ;x\r\nhello\r\n0\r\n\r\n",
        "a semicolon and no extension": b"5;\r\nhello\r\n0\r\n\r\n",
        "a blank behind the size": b"5 \r\nhello\r\n0\r\n\r\n",
        "a bare CR in the extension": b"5;\rx\r\nhello\r\n0\r\n\r\n",
        "a LF in a quoted extension": b'5;x="\n"\r\nhello\r\n0\r\n\r\n',
        "a trailer": b"5\r\nhello\r\n0\r\nX: y\r\n\r\n",
        "a trailer that is none": b"5\r\nhello\r\n0\r\nnonsense\r\n\r\n",
        "a trailer folded": b"5\r\nhello\r\n0\r\nX: y\r\n z\r\n\r\n",
        "a trailer with LF": b"5\r\nhello\r\n0\r\nX: y\n\r\n",
        "a sign": b"+5\r\nhello\r\n0\r\n\r\n",
        "a negative size": b"-5\r\nhello\r\n0\r\n\r\n",
        "0x": b"0x5\r\nhello\r\n0\r\n\r\n",
        "an underscore": b"0_5\r\nhello\r\n0\r\n\r\n",
        "no size": b"\r\nhello\r\n0\r\n\r\n",
        "a blank before the size": b" 5\r\nhello\r\n0\r\n\r\n",
        "a size that is none": b"x\r\nhello\r\n0\r\n\r\n",
        "a size too small": b"4\r\nhello\r\n0\r\n\r\n",
        "a size too large": b"6\r\nhello\r\n0\r\n\r\n",
        "LF after the size": b"5\nhello\r\n0\r\n\r\n",
        "LF after the data": b"5\r\nhello\n0\r\n\r\n",
        "LF everywhere": b"5\nhello\n0\n\n",
        "no line end after the data": b"5\r\nhello0\r\n\r\n",
        "CR and more after the data": b"5\r\nhello\rx0\r\n\r\n",
        "a size of 17 digits": b"10000000000000005\r\nhello\r\n0\r\n\r\n",
        "a size beyond 64 bits": b"1" + b"0" * 20 + b"\r\nhello\r\n0\r\n\r\n",
        "an extension of 5,000 bytes": b"5;" + b"x" * 5000 + b"\r\nhello\r\n0\r\n\r\n",
        "trailers of 70,000 bytes": b"0\r\n" + b"X: y\r\n" * 12_000 + b"\r\n",
    }.items():
        yield body(f"chunks: {name}", b"Transfer-Encoding: chunked", data=data)
    announced = b"GET /letters.txt HTTP/1.1\r\nHost: test\r\nContent-Length: %d\r\n\r\n"
    for size in (2_000_000, (1 << 32) + 5):
        yield Case(f"body: announced with {size:,} bytes", announced % size, ends=True)


def connections() -> Iterator[Case]:
    for value in ("close", "Close", "keep-alive", "Keep-Alive", "close, x", "x, close", "keep-alive, close", "x",
                  "upgrade", "", "closed", '"close"'):  # fmt: skip
        yield field(f"Connection: {shown(value)}", b"Connection: " + value.encode())
    yield field("Connection: on two lines", b"Connection: x", b"Connection: close")
    for value in ("keep-alive", "Keep-Alive", "close", "x, keep-alive", "x"):
        yield request(f"HTTP/1.0, Connection: {value}", b"GET /letters.txt HTTP/1.0", b"Connection: " + value.encode())
    yield field("Upgrade: h2c", b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABk")
    yield field("Upgrade: websocket", b"Connection: Upgrade", b"Upgrade: websocket")
    one = b"GET /letters.txt HTTP/1.1\r\nHost: test\r\n\r\n"
    head = b"HEAD /letters.txt HTTP/1.1\r\nHost: test\r\n\r\n"
    lost = b"GET /nothing HTTP/1.1\r\nHost: test\r\n\r\n"
    last = b"GET /letters.txt HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"
    post = b"GET /letters.txt HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n\r\nhello"
    chunked = b"GET /letters.txt HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
    old = b"GET /letters.txt HTTP/1.0\r\n\r\n"
    bad = b"GET /letters.txt HTTP/1.1\r\nHost: test\r\nHost: other.test\r\n\r\n"
    for name, parts in {
        "two": [one, one],
        "twenty": [one] * 20,
        "HEAD, then GET": [head, one],
        "a body between two": [one, post, one],
        "chunks between two": [one, chunked, one],
        "nothing there, then GET": [lost, one],
        "a bad one, then GET": [bad, one],
        "GET, then a bad one, then GET": [one, bad, one],
        "close, then GET": [last, one],
        "HTTP/1.0, then GET": [old, one],
        "an empty line between two": [one, b"\r\n" + one],
        "a body without its length between two": [one, b"hello", one],
    }.items():
        methods = tuple("HEAD" if part is head else "GET" for part in parts)
        yield Case(f"pipelined: {name}", b"".join(parts), methods)
    for value in ("100-continue", "100-Continue", "100-continue, x", "x", "", "100-continue, 100-continue", "200-ok"):
        name = f"Expect: {shown(value)}"
        yield request(name, b"GET /letters.txt HTTP/1.1", b"Expect: " + value.encode())
        yield request(
            f"{name}, with a body",
            b"GET /letters.txt HTTP/1.1",
            b"Expect: " + value.encode(),
            b"Content-Length: 5",
            body=b"hello",
        )
    yield request(
        "Expect: 100-continue in HTTP/1.0",
        b"GET /letters.txt HTTP/1.0",
        b"Expect: 100-continue",
        b"Content-Length: 5",
        body=b"hello",
    )
    yield request(
        "Expect: 100-continue, with chunks",
        b"GET /letters.txt HTTP/1.1",
        b"Expect: 100-continue",
        b"Transfer-Encoding: chunked",
        body=b"5\r\nhello\r\n0\r\n\r\n",
    )
    yield request(
        "Expect: 100-continue for nothing, with a body",
        b"GET /nothing HTTP/1.1",
        b"Expect: 100-continue",
        b"Content-Length: 5",
        body=b"hello",
    )


def ranges() -> Iterator[Case]:
    for value in ("bytes=0-4", "bytes=0-0", "bytes=5-", "bytes=-5", "bytes=-0", "bytes=-99", "bytes=0-99", "bytes=0-25",
                  "bytes=25-25", "bytes=26-", "bytes=26-30", "bytes=25-30", "bytes=99-", "bytes=4-2", "bytes=", "bytes=-",
                  "bytes", "bytes 0-4", "bytes:0-4", "Bytes=0-4", "BYTES=0-4", "lines=0-4", "bytes=0-4,", "bytes=,0-4",
                  "bytes=0-4,10-14", "bytes=0-4, 10-14", "bytes=0-4 , 10-14", "bytes=10-14,0-4", "bytes=0-4,99-",
                  "bytes=99-,100-", "bytes=0-4,2-6", "bytes=0-4,5-9", "bytes=0-25,0-25", "bytes=0-4,-5", "bytes=0-,-5",
                  "bytes=0-4,x", "bytes=x-4", "bytes=0-x", "bytes=--5", "bytes=0--4", "bytes=+0-4", "bytes= 0-4",
                  "bytes =0-4", "bytes=0 -4", "bytes=0- 4", "bytes=0-4 ", "bytes=0x0-4", "bytes=00000-00004",
                  "bytes=18446744073709551616-", "bytes=0-18446744073709551616", "bytes=-18446744073709551616",
                  "bytes=9223372036854775808-", "bytes=0-4;10-14", "", "bytes=1-1,3-3,5-5,7-7"):  # fmt: skip
        yield field(f"Range: {shown(value)}", b"Range: " + value.encode())
    many = ",".join(f"{place}-{place}" for place in range(0, 26))
    yield field("Range: 26 single bytes", b"Range: bytes=" + many.encode())
    yield field("Range: 100 times the same", b"Range: bytes=" + b",".join([b"0-0"] * 100))
    yield field("Range: two lines", b"Range: bytes=0-4", b"Range: bytes=10-14")
    for value in ("bytes=0-4", "bytes=0-", "bytes=-5", "bytes=-0"):
        yield field(f"Range of an empty file: {value}", b"Range: " + value.encode(), path=b"/empty.txt")
    yield field("Range of a listing", b"Range: bytes=0-4", path=b"/list/")
    yield field("Range of an index page", b"Range: bytes=0-4", path=b"/dir/")
    yield field("Range of nothing", b"Range: bytes=0-4", path=b"/nothing")
    yield field("Range of a large file", b"Range: bytes=100000-199999", path=b"/bytes")
    yield field("Ranges of a large file", b"Range: bytes=0-69999,100000-199999", path=b"/bytes")
    conditions = {"its tag": ETAG, "its tag, weak": b"W/" + ETAG, "another tag": b'"x"', "its date": LAST_MODIFIED,
                  "an earlier date": EARLIER, "a later date": LATER, "no date": "yesterday", "nothing": ""}  # fmt: skip
    for name, condition in conditions.items():
        value = condition if isinstance(condition, bytes) else condition.encode()
        yield field(f"If-Range: {name}", b"Range: bytes=0-4", b"If-Range: " + value)
        yield field(f"If-Range: {name}, behind the end", b"Range: bytes=99-", b"If-Range: " + value)


def conditions() -> Iterator[Case]:
    tags = {"its tag": ETAG, "its tag, weak": b"W/" + ETAG, "another tag": b'"x"', "*": b"*", "a list with it": b'"x", '
            + ETAG, "a list with it, weak": b'"x",W/' + ETAG, "a list without it": b'"x", "y"', "its tag without quotes":
            BARE_ETAG, "nothing": b"", "its tag with blanks": b"  " + ETAG + b" ",
            "a list with empty elements": b', "x", ,' + ETAG, "a tag with a comma": b'"a,b",' + ETAG,
            "w/ in small letters": b"w/" + ETAG, "* in a list": b'"x", *'}  # fmt: skip
    dates = {"its date": LAST_MODIFIED, "an earlier date": EARLIER, "a later date": LATER, "no date": "yesterday",
             "nothing": "", "its date, RFC 850": "Sunday, 06-Nov-94 08:49:37 GMT",
             "its date, asctime": "Sun Nov  6 08:49:37 1994", "a wrong day of the week": "Mon, 06 Nov 1994 08:49:37 GMT",
             "another time zone": "Sun, 06 Nov 1994 08:49:37 +0100", "no time zone": "Sun, 06 Nov 1994 08:49:37",
             "UTC": "Sun, 06 Nov 1994 08:49:37 UTC", "a date in the future": "Fri, 06 Nov 2893 08:49:37 GMT",
             "a 32nd": "Wed, 32 Nov 1995 08:49:37 GMT", "seconds since the epoch": str(MODIFIED),
             "year 0": "Sun, 06 Nov 0000 08:49:37 GMT", "with a length": f"{LAST_MODIFIED}; length=26"}  # fmt: skip
    for header in ("If-Match", "If-None-Match"):
        for name, tag in tags.items():
            yield field(f"{header}: {name}", b"%b: %b" % (header.encode(), tag))
    for header in ("If-Modified-Since", "If-Unmodified-Since"):
        for name, date in dates.items():
            yield field(f"{header}: {name}", f"{header}: {date}".encode())
    same, other = b"If-None-Match: " + ETAG, b'If-None-Match: "x"'
    since, before = f"If-Modified-Since: {LAST_MODIFIED}".encode(), f"If-Modified-Since: {EARLIER}".encode()
    unmodified, modified = (f"If-Unmodified-Since: {date}".encode() for date in (LAST_MODIFIED, EARLIER))
    match, mismatch = b"If-Match: " + ETAG, b'If-Match: "x"'
    for name, fields in {
        "If-None-Match holds, If-Modified-Since does not": [other, since],
        "If-None-Match does not hold, If-Modified-Since does": [same, before],
        "If-Match holds, If-Unmodified-Since does not": [match, modified],
        "If-Match does not hold, If-Unmodified-Since does": [mismatch, unmodified],
        "If-Match and If-None-Match with its tag": [match, same],
        "If-Match with another tag, If-None-Match with its own": [mismatch, same],
        "If-None-Match and a range": [same, b"Range: bytes=0-4"],
        "If-Match and a range": [match, b"Range: bytes=0-4"],
        "If-Match with another tag and a range behind the end": [mismatch, b"Range: bytes=99-"],
        "If-Modified-Since and a range": [since, b"Range: bytes=0-4"],
        "If-None-Match on two lines": [other, same],
        "If-Match on two lines": [mismatch, match],
        "If-Modified-Since on two lines": [since, before],
    }.items():
        yield field(f"conditions: {name}", *fields)
    yield request("conditions: HEAD with its tag", b"HEAD /letters.txt HTTP/1.1", same, method="HEAD")
    yield field("conditions: If-None-Match * for nothing", b"If-None-Match: *", path=b"/nothing")
    yield field("conditions: If-Match * for nothing", b"If-Match: *", path=b"/nothing")
    yield field("conditions: If-Match * for a listing", b"If-Match: *", path=b"/list/")
    yield field("conditions: If-None-Match * for a listing", b"If-None-Match: *", path=b"/list/")
    yield field("conditions: a date for a redirect", since, path=b"/dir")


GROUPS = {
    "methods": [*methods()],
    "targets": [*targets()],
    "request lines": [*request_lines()],
    "hosts": [*hosts()],
    "headers": [*headers()],
    "bodies": [*framing()],
    "connections": [*connections()],
    "ranges": [*ranges()],
    "conditions": [*conditions()],
}
