"""Targets in all forms and encodings."""

from __future__ import annotations

from collections.abc import Iterator

from .case import CONTROLS, Case, request, shown

_PATHS = """
    / /letters.txt /empty.txt /page.html /dir/ /list/ /deep/er/file.txt /nothing /nothing/ /letters.txt/ /letters.txt/x
    /.hidden /.git/config /bytes /LETTERS.TXT /list/one.txt?x=1 /letters.txt? /letters.txt?? /letters.txt?a/../b
    /letters.txt?%00 /letters.txt;v=1 /semi;colon.txt /a+b.txt /a%2Bb.txt /a%2bb.txt /colon:x.txt /a%25b.txt /a%b.txt
    /with%20space.txt /with+space.txt /%C3%BC.txt /%c3%bc.txt /%FC.txt /%6Cetters.txt /%6cetters.txt /letters%2Etxt
    /deep%2Fer%2Ffile.txt /deep/er%2ffile.txt /dir%2F /pipe /link.txt /link-out.txt /link-out/secret.txt
    /link-dir/one.txt /link-loop /letters.txt%20 /letters.txt. /index.html
"""

_WITHOUT_SLASH = """
    /dir /list /deep/er /dir?x=1 /dir? /list?a=/b /deep//er /./dir /with%20dir /%64ir /link-dir /link-out //dir
    //evil.test/%2e%2e/dir //evil.test/.. /dir%3F
"""

_DOTS = r"""
    /./letters.txt /dir/../letters.txt /dir/./../letters.txt /nothing/../letters.txt /letters.txt/../letters.txt
    /letters.txt/. /letters.txt/.. /dir/.. /dir/. /. /.. /../letters.txt /../../../../etc/passwd /../secret.txt
    /dir/../../secret.txt /%2e%2e/secret.txt /%2E%2E/secret.txt /.%2e/secret.txt /..%2fsecret.txt /%2e/letters.txt
    /dir/%2e%2e/letters.txt /dir/%2e%2e/%2e%2e/secret.txt /%252e%252e/secret.txt /..%252fsecret.txt
    /..%c0%afsecret.txt /..%5csecret.txt /..\secret.txt /... /.../ /dir/..;/secret.txt /..?/ /letters.txt?/../x
    /%2e%2e%2f%2e%2e%2fetc/passwd /deep/er/../../letters.txt /deep/../dir /deep/er/.. /deep/er/.
    /list/../../list/one.txt
"""

_SLASHES = r"""
    //letters.txt ///letters.txt // /deep//er//file.txt /deep/er///file.txt /dir// //dir// /%2f/letters.txt
    /%2Fletters.txt /dir/%2f /deep%2f%2fer/file.txt /\dir /%5cdir /back\slash.txt /back%5Cslash.txt /C:/letters.txt
    /C:%5Cletters.txt //letters.txt/ /.//letters.txt /dir/..//letters.txt
"""

_FORMS = """
    http://test/letters.txt http://other.test/letters.txt HTTP://test/letters.txt http://test http://test?x http://test/
    http://test:8000/letters.txt http://test:/letters.txt http:///letters.txt http:/letters.txt http://
    https://test/letters.txt ftp://test/letters.txt x-y.z+1://test/letters.txt http://user@test/letters.txt
    http://[::1]/letters.txt http://[::1/letters.txt http://test/dir http://test//dir http://test/../secret.txt
    letters.txt test:80 ?x mailto:x@test data:,x http://te%73t/letters.txt http://te_st/letters.txt
"""

_OCTETS = {
    **CONTROLS,
    "a space": b" ",
    "a tab": b"\t",
    "a high octet": b"\xfc",
    "UTF-8": "ü".encode(),
    "#": b"#x",
    "a quote": b'"',
    "<": b"<",
    "{": b"{",
    "a bar": b"|",
    "^": b"^",
    "a backtick": b"`",
}

_CODES = "%00 %0a %0d%0a %7f % %4 %zz %-1 %u0041 %E2%80%AE %ff%fe %09"


def target(name: str, value: bytes) -> Case:
    return request(f"target: {name}", b"GET %b HTTP/1.1" % value)


def targets() -> Iterator[Case]:
    for values in (_PATHS, _WITHOUT_SLASH, _DOTS, _SLASHES, _FORMS):
        for value in values.split():
            yield target(value, value.encode())
    yield target("none", b"")
    yield target(shown("http://te st/letters.txt"), b"http://te st/letters.txt")
    for name, octets in _OCTETS.items():
        yield target(f"/letters.txt with {name}", b"/letters.txt" + octets)
        yield target(f"/ with {name} and .txt", b"/" + octets + b".txt")
        yield target(f"{name} in the query", b"/letters.txt?a" + octets + b"b")
    for code in _CODES.split():
        yield target(f"/letters.txt{code}", b"/letters.txt" + code.encode())
        yield target(f"/{code}/letters.txt", b"/" + code.encode() + b"/letters.txt")
    yield target("a name of 255 bytes", b"/" + b"a" * 255)
    yield target("a name of 256 bytes", b"/" + b"a" * 256)
    yield target("a path of 4,000 bytes", b"/a" * 2000)
    yield target("a thousand times ../", b"/" + b"../" * 1000 + b"letters.txt")
    yield target("a thousand slashes", b"/" * 1000 + b"letters.txt")
    for size in (500, 2_000, 9_000, 40_000, 70_000, 300_000):
        yield target(f"a query of {size:,} bytes", b"/letters.txt?" + b"y" * size)
    yield Case("target: one that does not end", b"GET /" + b"a" * 100_000, ends=True)
