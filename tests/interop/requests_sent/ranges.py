"""Range and If-Range."""

from __future__ import annotations

from collections.abc import Iterator

from .case import EARLIER, ETAG, LAST_MODIFIED, LATER, Case, get, shown

_RANGES = """
    bytes=0-4 bytes=0-0 bytes=5- bytes=-5 bytes=-0 bytes=-99 bytes=0-99 bytes=0-25 bytes=25-25 bytes=26- bytes=26-30
    bytes=25-30 bytes=99- bytes=4-2 bytes= bytes=- bytes bytes:0-4 Bytes=0-4 BYTES=0-4 lines=0-4 bytes=0-4, bytes=,0-4
    bytes=0-4,10-14 bytes=10-14,0-4 bytes=0-4,99- bytes=99-,100- bytes=0-4,2-6 bytes=0-4,5-9 bytes=0-25,0-25
    bytes=0-4,-5 bytes=0-,-5 bytes=0-4,x bytes=x-4 bytes=0-x bytes=--5 bytes=0--4 bytes=+0-4 bytes=0x0-4
    bytes=00000-00004 bytes=18446744073709551616- bytes=0-18446744073709551616 bytes=-18446744073709551616
    bytes=9223372036854775808- bytes=0-4;10-14 bytes=1-1,3-3,5-5,7-7
"""
_WITH_BLANKS = ("", "bytes 0-4", "bytes= 0-4", "bytes =0-4", "bytes=0 -4", "bytes=0- 4", "bytes=0-4 ",
                "bytes=0-4, 10-14", "bytes=0-4 , 10-14")  # fmt: skip

_IF_RANGE = {
    "its tag": ETAG,
    "its tag, weak": b"W/" + ETAG,
    "another tag": b'"x"',
    "its date": LAST_MODIFIED.encode(),
    "an earlier date": EARLIER.encode(),
    "a later date": LATER.encode(),
    "no date": b"yesterday",
    "nothing": b"",
}


def ranges() -> Iterator[Case]:
    for value in (*_RANGES.split(), *_WITH_BLANKS):
        yield get(f"Range: {shown(value)}", b"Range: " + value.encode())
    single = b",".join(b"%d-%d" % (place, place) for place in range(26))
    yield get("Range: 26 single bytes", b"Range: bytes=" + single)
    yield get("Range: 100 times the same", b"Range: bytes=" + b",".join([b"0-0"] * 100))
    yield get("Range: two lines", b"Range: bytes=0-4", b"Range: bytes=10-14")
    for value in ("bytes=0-4", "bytes=0-", "bytes=-5", "bytes=-0"):
        yield get(f"Range of an empty file: {value}", b"Range: " + value.encode(), path=b"/empty.txt")
    for name, path in (("a listing", b"/list/"), ("an index page", b"/dir/"), ("nothing", b"/nothing")):
        yield get(f"Range of {name}", b"Range: bytes=0-4", path=path)
    yield get("Range of a large file", b"Range: bytes=100000-199999", path=b"/bytes")
    yield get("Ranges of a large file", b"Range: bytes=0-69999,100000-199999", path=b"/bytes")
    for name, condition in _IF_RANGE.items():
        yield get(f"If-Range: {name}", b"Range: bytes=0-4", b"If-Range: " + condition)
        yield get(f"If-Range: {name}, past the end", b"Range: bytes=99-", b"If-Range: " + condition)
