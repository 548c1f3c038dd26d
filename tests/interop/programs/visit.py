"""What a client does with a program, and all that it sees, in a form in which two visits compare."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import re
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pytest_httpserve import CertificateAuthority, HTTPServe
from tests.interop.programs import pages

PATIENCE = 10.0  # seconds after which an answer is not going to come
MOST_SHOWN = 1_000  # characters of a line
Body = bytes | str | None

# What differs from one run to the next, whatever runs.
_VARYING = (
    (re.compile(r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT"), "A-DATE"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"), "A-DATE"),
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"), "A-UUID"),
)


@dataclass
class Visit:
    """One client of one run of a program. What it sees, it notes in ``seen``."""

    address: tuple[str, int]
    directory: Path
    upstream: HTTPServe
    secure_upstream: HTTPServe
    ca: CertificateAuthority
    printed: Callable[[re.Pattern[str]], str]  # waits for what the program prints
    environment: dict[str, str]
    seen: list[str] = field(default_factory=list)
    lengths: dict[str, str] = field(default_factory=dict)  # by path, as answers to GET had them

    def url(self, path: str = "/") -> str:
        host, port = self.address
        return f"http://{f'[{host}]' if ':' in host else host}:{port}{path}"

    def note(self, label: str, value: object) -> None:
        self.seen.append(_short(self.neutral(f"{label}: {value}")))

    def neutral(self, text: str) -> str:
        """Without dates, ports, directories, and the markup of pages."""
        text = text.replace(str(self.directory), "DIRECTORY")
        for port in (self.address[1], self.upstream.port, self.secure_upstream.port):
            text = re.sub(rf"(?<!\d){port}(?!\d)", "PORT", text)
        for pattern, name in _VARYING:
            text = pattern.sub(name, text)
        return pages.facts(text)

    def request(self, method: str, path: str, body: Body = None, **headers: str) -> str:
        """One request on a connection of its own. Returns the body of the answer."""
        with self.connection() as connection:
            return connection.request(method, path, body, **headers)

    @contextlib.contextmanager
    def connection(
        self, context: ssl.SSLContext | None = None, tunnel: tuple[str, int] | None = None
    ) -> Iterator[Kept]:
        """A connection for several requests, over TLS with ``context``, through a proxy with ``tunnel``."""
        host, port = self.address
        client = (
            http.client.HTTPSConnection(host, port, timeout=PATIENCE, context=context)
            if context
            else http.client.HTTPConnection(host, port, timeout=PATIENCE)
        )
        if tunnel:
            client.set_tunnel(*tunnel)
        with contextlib.closing(client):
            yield Kept(self, client)

    def raw(self, label: str, *parts: bytes) -> None:
        """Send each part after something has come back for the one before, then read to the end of the connection."""
        received = b""
        with socket.create_connection(self.address, timeout=PATIENCE) as client:
            for number, part in enumerate(parts):
                if number:
                    received += _received(client)
                with contextlib.suppress(ConnectionError):  # it has ended, as will be seen
                    client.sendall(part)
            while data := _received(client):
                received += data
        self.note(label, _without_dates(received))

    def run(self, *command: str | Path, inside: Path | None = None) -> str:
        """A program that is a client. Returns what it prints."""
        done = self._run(command, inside or self.directory)
        assert done.returncode == 0, f"{command} ended with {done.returncode}: {done.stdout}{done.stderr}"
        return done.stdout

    def curl(self, *arguments: str | Path) -> None:
        """curl, which has its say about what it gets."""
        patience = str(int(PATIENCE))
        done = self._run(("curl", "--silent", "--show-error", "--max-time", patience, *arguments), self.directory)
        self.note("curl", f"{done.stdout}\n  {done.stderr}, {done.returncode}")

    def _run(self, command: tuple[str | Path, ...], inside: Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            env=self.environment,
            cwd=inside,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE * 3,
            check=False,
        )


@dataclass
class Kept:
    """A connection that is used for one request after the other."""

    visit: Visit
    client: http.client.HTTPConnection
    given_up: bool = False

    def request(self, method: str, path: str, body: Body = None, **headers: str) -> str:
        """Without any headers of its own but Host and Content-Length. Underlines in names are hyphens."""
        sent = body.encode() if isinstance(body, str) else body
        if self.given_up:
            answer, text = "not asked: nothing had come for the one before", ""
            self.visit.note(f"{method} {path}", answer)
            return text
        try:
            answer, text = self._exchange(method, path, sent, {n.replace("_", "-"): v for n, v in headers.items()})
        except (http.client.HTTPException, OSError) as error:
            answer, text = f"no whole answer, {error!r}", ""
            self.client.close()  # the next request is on a new one, and the visit goes on
            self.given_up = isinstance(error, TimeoutError)
        self.visit.note(f"{method} {path}", answer)
        return text

    def _exchange(self, method: str, path: str, sent: bytes | None, fields: dict[str, str]) -> tuple[str, str]:
        """The answer as it is noted, and its body."""
        self.client.putrequest(method, path, skip_accept_encoding=True)
        if sent is not None and "Transfer-Encoding" not in fields:
            fields.setdefault("Content-Length", str(len(sent)))
        for name, value in fields.items():
            self.client.putheader(name, value)
        self.client.endheaders()
        if sent:
            self.client.send(sent)
        with self.client.getresponse() as answer:
            text = answer.read().decode("latin-1")
            lasts = "ends" if answer.will_close or "Connection" in fields else "stays open"
            version = {10: "HTTP/1.0", 11: "HTTP/1.1"}[answer.version]
            length = answer.headers.get("Content-Length", "")
            if method == "HEAD" and length == self.visit.lengths.get(path):
                length = "AS FOR GET"
            elif method == "GET":
                self.visit.lengths[path] = length
            elif method == "HEAD" and answer.status >= 400:
                length = "OF A PAGE"
            given = {"date": "ANY", "server": "ANY", "etag": "ANY", "content-length": length}
            head = [
                f"{name}: {given.get(name.lower(), value)}"
                for name, value in answer.getheaders()
                if (name, value, fields.get("Connection")) != ("Connection", "close", "close")
            ]
        return "\n  ".join(
            [f"{version} {answer.status} {answer.reason}, the connection {lasts}", *head, "", text]
        ), text


def _short(text: str) -> str:
    """What would fill a report by its first characters and a digest, line by line."""
    return "\n".join(
        f"{line[:200]}... {len(line)} characters, SHA-1 {hashlib.sha1(line.encode()).hexdigest()}"
        if len(line) > MOST_SHOWN
        else line
        for line in text.split("\n")
    )


def _received(client: socket.socket) -> bytes:
    try:
        return client.recv(65_536)
    except ConnectionError:
        return b""


def _without_dates(answers: bytes) -> str:
    """Nor with ``Connection: close``: whether it was the last answer is what there is to see."""
    text = re.sub(r"(?im)^(date|server|etag): .*?(\r?)$", r"\1: ANY\2", answers.decode("latin-1"))
    return text.replace("Connection: close\r\n", "")
