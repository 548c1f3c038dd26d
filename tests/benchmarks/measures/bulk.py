"""The rates at which 1 GiB comes down and goes up; 128 MiB in a short run.

Down: a file (a sparse one, which takes no room on the disk; nginx is the reference), and an answer of no announced
length. Up: with a Content-Length, and in chunks of 1 MiB. Each is one request of a bare socket, which throws away what
it reads; each server first gets a small one.
"""

from __future__ import annotations

import socket
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from ..peers import Kind, Peer, Running, offering
from ..plan import Figure, Plan, interleave
from ..serving import serving

SMALL, LARGE, LARGE_IN_SHORT = 1 << 10, 1 << 30, 1 << 27
_BUFFER = 1 << 20
_GET = "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
_POST = "POST / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{framing}\r\n\r\n"


def run(peers: Sequence[Peer], plan: Plan) -> list[Figure]:
    size = LARGE_IN_SHORT if plan.short else LARGE
    what = f"{size >> 20:,} MiB"
    with tempfile.TemporaryDirectory() as directory:
        for each in (SMALL, size):
            with Path(directory, str(each)).open("w+b") as file:
                file.truncate(each)
                while file.read(_BUFFER):  # or the first server would be the one to wait for the kernel's cache
                    pass

        def measure(kind: Kind, title: str, turn: Callable[[Peer], float]) -> list[Figure]:
            figure = Figure(f"bulk.{kind}", title, "MiB/s", "higher")
            return interleave([figure], offering(peers, kind), plan, lambda peer: [(size >> 20) / turn(peer)])

        return [
            *measure("files", f"{what} from a file", lambda peer: file_down(peer, directory, size)),
            *measure("stream", f"{what} streamed", lambda peer: stream_down(peer, size)),
            *measure("upload", f"{what} posted", lambda peer: up(peer, "upload", size)),
            *measure("chunked", f"{what} posted in chunks", lambda peer: up(peer, "chunked", size)),
        ]


def file_down(peer: Peer, directory: str, size: int) -> float:
    """Seconds that the file of this size takes."""
    with serving(peer, "files", directory) as server:
        download(server, f"/{SMALL}", SMALL)
        return download(server, f"/{size}", size)


def stream_down(peer: Peer, size: int) -> float:
    """Seconds that the answer takes; the framing of its chunks comes on top of its size."""
    with serving(peer, "stream", str(size)) as server:
        return download(server, "/", size, framed=True)


def download(server: Running, path: str, size: int, *, framed: bool = False) -> float:
    """Seconds from the request to the last byte."""
    buffer = bytearray(_BUFFER)
    with socket.create_connection((server.host, server.port), timeout=60) as client:
        begun = time.perf_counter()
        client.sendall(_GET.format(path=path, host=server.host).encode())
        head = b""
        while b"\r\n\r\n" not in head and (data := client.recv(_BUFFER)):
            head += data
        received = len(head) - head.find(b"\r\n\r\n") - 4
        while count := client.recv_into(buffer):
            received += count
        spent = time.perf_counter() - begun
    if not head.startswith(b"HTTP/1.1 200 ") or not (received >= size if framed else received == size):
        raise RuntimeError(f"answered {head[:80]!r} with {received} of {size} bytes")
    return spent


def up(peer: Peer, kind: Kind, size: int) -> float:
    """Seconds that an upload takes."""
    with serving(peer, kind) as server:
        upload(server, SMALL, chunked=kind == "chunked")
        return upload(server, size, chunked=kind == "chunked")


def upload(server: Running, size: int, *, chunked: bool) -> float:
    """Seconds from the request to the answer's last byte."""
    framing = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {size}"
    with socket.create_connection((server.host, server.port), timeout=60) as client:
        begun = time.perf_counter()
        client.sendall(_POST.format(host=server.host, framing=framing).encode())
        for piece in chunks(size) if chunked else pieces(size):
            client.sendall(piece)
        answer = b"".join(iter(lambda: client.recv(65536), b""))
        spent = time.perf_counter() - begun
    if not answer.startswith(b"HTTP/1.1 200 ") or str(size).encode() not in answer.partition(b"\r\n\r\n")[2]:
        raise RuntimeError(f"answered {answer[:80]!r} to {size} bytes")
    return spent


def pieces(size: int) -> Iterator[bytes]:
    """So many bytes, piece by piece."""
    piece = bytes(_BUFFER)
    while size:
        yield piece[:size]
        size -= min(size, _BUFFER)


def chunks(size: int) -> Iterator[bytes]:
    """The same as chunks (RFC 9112 section 7.1)."""
    for piece in pieces(size):
        yield b"%x\r\n%b\r\n" % (len(piece), piece)
    yield b"0\r\n\r\n"
