"""A gibibyte down and up, with memory that does not grow."""

import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.needs("/proc/self/clear_refs"),  # memory figures are read there
    pytest.mark.same_everywhere,
]

MEBIBYTE = 1 << 20
GIBIBYTE = 1 << 30
# Buffers of a quarter of a mebibyte, and what the allocator keeps of them: 0.7 to 5.2 MiB have been seen.
MOST_GROWTH = 8 * MEBIBYTE

# Each prints its port and serves until its input ends.
SCRIPTED = """
import sys
from pytest_httpserve import HTTPServe

with HTTPServe() as server:
    server.serve_dir(sys.argv[1], at="/files")
    server.on("POST", "/upload").respond(text="taken")
    print(server.port, flush=True)
    sys.stdin.read()
    print(*(exchange.request.content.size for exchange in server.exchanges), flush=True)
"""

ENGINE = """
import sys, threading
from pytest_httpserve.server import BaseHTTPRequestHandler, ThreadingHTTPServer

sizes = []

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    decodes_body = True

    def do_POST(self):
        size = 0
        while piece := self.rfile.read(65536):
            size += len(piece)
        sizes.append(size)
        self.send_response(200)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"taken")

    def log_message(self, *args):
        pass

with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
    threading.Thread(target=server.serve_forever).start()
    print(server.server_port, flush=True)
    sys.stdin.read()
    server.shutdown()
    print(*sizes, flush=True)
"""


class Server:
    """A server in a process of its own."""

    def __init__(self, process: "subprocess.Popen[str]", port: int) -> None:
        self._process = process
        self.port = port

    def memory(self, figure: str) -> int:
        """``VmRSS``, what is resident now, or ``VmHWM``, the most that ever was; in bytes."""
        text = Path(f"/proc/{self._process.pid}/status").read_text()
        match = re.search(rf"^{figure}:\s+(\d+) kB$", text, re.MULTILINE)
        assert match is not None, f"no {figure} in {text}"
        return int(match[1]) * 1024

    @contextmanager
    def flat(self) -> Iterator[None]:
        """What runs in here must not make the memory grow, not even for a while."""
        before = self.memory("VmRSS")
        Path(f"/proc/{self._process.pid}/clear_refs").write_text("5")  # from here on, VmHWM is the peak
        yield
        growth = self.memory("VmHWM") - before
        assert growth <= MOST_GROWTH, f"the server's memory grew by {growth / MEBIBYTE:.1f} MiB"

    def sizes(self) -> list[int]:
        """End the server; returns the size of every body that it has received."""
        output, _ = self._process.communicate(timeout=60)
        return [int(size) for size in output.split()]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[[str], Server]]:
    """``serve(source)`` runs a server; its temporary files are the test's."""
    processes = []

    def serve(source: str) -> Server:
        process = subprocess.Popen(
            [sys.executable, "-c", source, tmp_path],
            env=os.environ | {"TMPDIR": str(tmp_path)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        assert process.stdout is not None
        return Server(process, int(process.stdout.readline()))

    yield serve
    for process in processes:
        process.kill()
        process.communicate(timeout=60)


def download(port: int, path: str) -> int:
    """Returns the size of the body."""
    buffer = bytearray(MEBIBYTE)
    with socket.create_connection(("127.0.0.1", port), timeout=60) as client:
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        answer = client.makefile("rb")
        assert answer.readline() == b"HTTP/1.1 200 OK\r\n"
        while answer.readline() != b"\r\n":
            pass
        size = 0
        while count := answer.readinto(buffer):
            size += count
        answer.close()
    return size


def upload(port: int, size: int, *, chunked: bool = False) -> None:
    piece = os.urandom(MEBIBYTE)
    framing = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {size}"
    if chunked:
        piece = b"%x\r\n%b\r\n" % (len(piece), piece)
    with socket.create_connection(("127.0.0.1", port), timeout=60) as client:
        client.sendall(f"POST /upload HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{framing}\r\n\r\n".encode())
        for _ in range(size // MEBIBYTE):
            client.sendall(piece)
        if chunked:
            client.sendall(b"0\r\n\r\n")
        answer = client.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n"), answer
    assert answer.endswith(b"\r\n\r\ntaken")


def test_a_gibibyte_is_downloaded_with_flat_memory(serve: Callable[[str], Server], tmp_path: Path) -> None:
    for name, size in {"small": MEBIBYTE, "large": GIBIBYTE}.items():
        with (tmp_path / name).open("wb") as file:
            file.truncate(size)
    server = serve(SCRIPTED)
    download(server.port, "/files/small")  # what is imported and made at first use is there now

    with server.flat():
        assert download(server.port, "/files/large") == GIBIBYTE


@pytest.mark.parametrize(
    ("size", "chunked"), [(GIBIBYTE, False), (GIBIBYTE // 4, True)], ids=["a gibibyte", "256 MiB in chunks"]
)
@pytest.mark.parametrize("source", [SCRIPTED, ENGINE], ids=["route", "handler"])
def test_an_upload_is_received_with_flat_memory(
    serve: Callable[[str], Server], source: str, size: int, chunked: bool
) -> None:
    server = serve(source)
    upload(server.port, MEBIBYTE, chunked=chunked)

    with server.flat():
        upload(server.port, size, chunked=chunked)
    assert server.sizes() == [MEBIBYTE, size]
