"""A client that is a bare socket: it keeps every byte that it received, and how the connection ended."""

from __future__ import annotations

import contextlib
import socket
import ssl
from types import TracebackType
from typing import NamedTuple, Self

PATIENCE = 5.0


class Answer(NamedTuple):
    status: int
    body: bytes


class Client:
    """One connection to a server. Every wait ends after ``PATIENCE`` with a TimeoutError."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.port = address[1]
        self.received = b""  # all of it
        self.ending = "open"
        self.headers: list[tuple[str, str]] = []  # of the last answer
        self.line = ""  # of the last answer
        self._taken = 0
        self.socket = socket.create_connection(address, PATIENCE)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.leave()

    # Sending

    def send(self, data: bytes) -> None:
        # What has come of a connection that the server ended is seen by receiving.
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            self.socket.sendall(data)

    def request(self, method: str, target: str = "/", *headers: str, body: bytes = b"") -> Answer:
        """Send a request of HTTP/1.1, and wait for its answer."""
        lines = [f"{method} {target} HTTP/1.1", "Host: test", *headers]
        if body and not any(line.lower().startswith(("content-length:", "transfer-encoding:")) for line in headers):
            lines.append(f"Content-Length: {len(body)}")
        self.send("\r\n".join([*lines, "", ""]).encode("latin-1") + body)
        return self.answer(method)

    def get(self, target: str = "/", *headers: str) -> Answer:
        return self.request("GET", target, *headers)

    def half_close(self) -> None:
        """Say that nothing follows, and go on receiving."""
        with contextlib.suppress(OSError):
            socket.socket.shutdown(self.socket, socket.SHUT_WR)  # over TLS, too, which goes on receiving

    def wrap(self, context: ssl.SSLContext) -> None:
        """Go on over TLS."""
        self.socket = context.wrap_socket(self.socket, server_hostname="localhost")

    # Receiving

    def until(self, end: bytes) -> bytes:
        """What comes up to ``end``, with it; less if the connection ends before."""
        while (place := self.received.find(end, self._taken)) < 0:
            if not self._receive():
                return self._take(len(self.received))
        return self._take(place + len(end))

    def exactly(self, size: int) -> bytes:
        """So many bytes; fewer if the connection ends before."""
        while len(self.received) - self._taken < size and self._receive():
            pass
        return self._take(min(len(self.received), self._taken + size))

    def until_closed(self) -> bytes:
        """All that comes until the server ends the connection."""
        while self._receive():
            pass
        return self._take(len(self.received))

    def rest(self) -> bytes:
        """All that still comes when nothing more is asked."""
        self.half_close()
        return self.until_closed()

    def answer(self, method: str = "GET") -> Answer:
        """The next final response, taken by its framing."""
        while True:
            self.line, *lines = self.until(b"\r\n\r\n").decode("latin-1").split("\r\n")
            status = int((self.line.split() or ["", "0"])[1])
            if not 100 <= status < 200 or status == 101:
                break
        self.headers = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines if line)]
        return Answer(status, self._body(method, status))

    def header(self, name: str) -> list[str]:
        """Every value that the last answer has for a header."""
        return [value for given, value in self.headers if given.lower() == name.lower()]

    def _body(self, method: str, status: int) -> bytes:
        if method == "HEAD" or status in (101, 204, 304) or (method == "CONNECT" and status == 200):
            return b""
        if self.header("Transfer-Encoding") == ["chunked"]:
            body = b""
            while size := int(self.until(b"\r\n"), 16):
                body += self.exactly(size)
                self.exactly(2)
            self.until(b"\r\n")
            return body
        if length := self.header("Content-Length"):
            return self.exactly(int(length[0]))
        return self.until_closed()

    def _take(self, place: int) -> bytes:
        data = self.received[self._taken : place]
        self._taken = place
        return data

    def _receive(self) -> bool:
        """Receive more; False at the end of the connection."""
        if self.ending != "open":
            return False
        try:
            data = self.socket.recv(65536)
        except TimeoutError:
            raise TimeoutError(f"no more came in {PATIENCE:g} s than {self.received!r}") from None
        except (ConnectionError, ssl.SSLError) as error:
            self.ending = type(error).__name__
            return False
        if not data:
            self.ending = "closed"
            return False
        self.received += data
        return True

    def forget(self) -> None:
        """Have what was received until now not compared, where the program has looked at what matters of it."""
        self.received, self._taken = b"", 0

    # Leaving

    def leave(self) -> None:
        """Take what still comes, and go."""
        if self.socket.fileno() >= 0 and self.ending == "open":
            with contextlib.suppress(OSError):
                self.rest()
        self.close()

    def close(self) -> None:
        self.socket.close()
