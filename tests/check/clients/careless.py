"""Clients that do wrong, each in one way: ``careless.py WAY URL [FIFO]``. Most read until the connection ends."""

import os
import signal
import socket
import sys
import time
import urllib.parse
from pathlib import Path


def receive(url: str, path: str = "", encoding: str = "identity") -> tuple[bytes, bytes]:
    """Head and body as they came, whether they are whole or not."""
    parts = urllib.parse.urlsplit(url)
    connection = socket.create_connection((parts.hostname, parts.port), timeout=30)
    if parts.scheme == "https":
        import ssl

        connection = ssl._create_unverified_context().wrap_socket(connection)  # whoever it is
    with connection:
        connection.sendall(
            f"GET {path or parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nAccept-Encoding: {encoding}\r\n"
            "Connection: close\r\n\r\n".encode()
        )
        received = b""
        try:
            while piece := connection.recv(65536):
                received += piece
        except ConnectionError:
            pass
    head, _, body = received.partition(b"\r\n\r\n")
    return head, body


def show(body: bytes) -> None:
    sys.stdout.buffer.write(body)
    sys.stdout.flush()


def ignores_the_end(url: str) -> None:
    show(receive(url)[1])


def claims_gzip(url: str) -> None:
    show(receive(url, encoding="br, gzip;q=0.5")[1])


def loops(url: str) -> None:
    path = ""
    while True:
        head, body = receive(url, path)
        if b"\r\nLocation: " not in head:
            return show(body)
        time.sleep(0.05)
        path = head.partition(b"\r\nLocation: ")[2].partition(b"\r\n")[0].decode()


def insists(url: str) -> None:
    for _ in range(3):
        head, body = receive(url)
        if head.startswith(b"HTTP/1.1 200"):
            return show(body)


def never_ends(url: str) -> None:
    held = os.open(sys.argv[3], os.O_WRONLY)
    if os.fork() == 0:  # the other holds it, too, and the streams
        os.write(held, b".")
    while True:
        time.sleep(300)


def leaves_a_daemon(url: str) -> None:
    held = os.open(sys.argv[3], os.O_WRONLY)
    reading, writing = os.pipe()
    if os.fork() == 0:
        os.setsid()
        os.write(held, b".")
        os.write(writing, b".")
        while True:
            time.sleep(300)
    os.read(reading, 1)  # by now, it has left our session


def crashes(url: str) -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def reads_files(url: str) -> None:
    location = receive(url)[0].partition(b"\r\nLocation: ")[2].partition(b"\r\n")[0]
    if location.startswith(b"file:"):
        show(Path(os.fsdecode(urllib.parse.urlsplit(location).path)).read_bytes())
    else:
        show(receive(url)[1])


def goes_astray(url: str) -> None:
    head, body = receive(url)
    if b"\r\nLocation: " in head:
        head, body = receive(url, "/wrong")
        sys.exit(22)
    show(body)


def prints_nothing(url: str) -> None:
    receive(url)


def prints_more(url: str) -> None:
    show(b"got: " + receive(url)[1] + b"!\n")


def fails(url: str) -> None:
    sys.exit("nothing works")


if __name__ == "__main__":
    globals()[sys.argv[1]](sys.argv[2])
