"""A raw request, what came back, and whether the connection stayed open: in a form in which two servers compare."""

from __future__ import annotations

import contextlib
import re
import socket
from dataclasses import dataclass, field
from urllib.parse import unquote

from pytest_httpserve.wire import Headers, body_decoder, parse_fields, response_framing

PATIENCE = 10.0  # seconds after which an answer is not going to come
PROBE = b"GET /probe.txt HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"
PROBE_BODY = b"the probe"
MOST_SHOWN = 40


@dataclass(frozen=True)
class Answer:
    """One response: its status, what its body is and what its headers say of it. An error's body is its own affair."""

    status: int
    facts: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Response:
    """One response, as it came."""

    status: int
    headers: Headers
    body: bytes

    @property
    def answer(self) -> Answer:
        return Answer(self.status, self._facts() if 200 <= self.status < 400 else {})

    def _facts(self) -> dict[str, str]:
        body, kind = self.body, self.headers.get("content-type", "")
        length: str | None = self.headers.get("content-length")
        if boundary := re.fullmatch(r"multipart/byteranges; *boundary=(\S+)", kind):
            body = body.replace(boundary[1].encode("ascii"), b"boundary")
            length = str(len(body))
        elif entries := _listed(body):
            body, length = entries, None
        facts = {
            "length": length if self.status not in (304, 301) else None,
            "range": self.headers.get("content-range"),
            "to": self.headers.get("location"),
            "body": repr(body.decode("latin-1"))[:MOST_SHOWN] if self.status != 301 else None,
        }
        return {name: value for name, value in facts.items() if value is not None}


def _listed(page: bytes) -> bytes:
    """The names in a directory listing, in any server's markup; nothing for what is none."""
    if not re.search(rb"<title>(Index of|Directory listing for) ", page):
        return b""
    names = {unquote(name) for name in re.findall(r'href="([^"?]*)"', page.decode("utf-8", "surrogateescape"))}
    names = {name.removeprefix("./") for name in names} - {"../", ""}
    return " ".join(sorted(names)).encode("utf-8", "surrogateescape")


@dataclass(frozen=True)
class Outcome:
    """All answers to what was sent, and whether the connection was still open for another request after them."""

    answers: tuple[Answer, ...]
    open: bool

    @property
    def statuses(self) -> str:
        return ", ".join(str(answer.status) if answer.status else "HTTP/0.9" for answer in self.answers) or "no answer"

    @property
    def fate(self) -> str:
        return "open" if self.open else "closed"


def compare(first: Outcome, second: Outcome) -> tuple[str, str]:
    """Both as text, which is the same for both if they agree, and shows what differs if they do not."""
    texts = first.statuses, second.statuses
    if first.statuses == second.statuses:
        pairs = [_differing(*pair) for pair in zip(first.answers, second.answers, strict=True)]
        if any(here != there for here, there in pairs):
            texts = "; ".join(here for here, _ in pairs), "; ".join(there for _, there in pairs)
    return f"{texts[0]}, {first.fate}", f"{texts[1]}, {second.fate}"


def _differing(first: Answer, second: Answer) -> tuple[str, str]:
    """Two answers with the same status, with the facts in which they differ."""
    here, there = first.facts, second.facts
    texts = [str(first.status), str(second.status)]
    for name in sorted(here.keys() | there.keys()):
        if name not in here or name not in there:
            texts[0] += f" {'with' if name in here else 'without'} {name}"
            texts[1] += f" {'with' if name in there else 'without'} {name}"
        elif here[name] != there[name]:
            texts[0] += f" {name} {here[name]}"
            texts[1] += f" {name} {there[name]}"
    return texts[0], texts[1]


def converse(address: tuple[str, int], data: bytes, methods: tuple[str, ...], *, ends: bool) -> Outcome:
    """Send ``data``, read the answers to requests with these methods, then try one more request.

    With ``ends``, the client ends its side instead, and no request can follow.
    """
    with socket.create_connection(address, timeout=PATIENCE) as client:
        stream = _Stream(client)
        stream.send(data)
        if ends:
            stream.end()
            return _outcome(stream.responses(methods), False)
        # Only behind the first answer: sent to a server that has given up, it would cause a reset.
        first = stream.response(methods[0])
        if first is None:
            return _outcome([], False)
        stream.send(PROBE)
        responses = [first, *stream.responses(methods[1:])]
    alive = responses[-1].status == 200 and responses[-1].body == PROBE_BODY
    return _outcome(responses[:-1] if alive else responses, alive)


def _outcome(responses: list[_Response], is_open: bool) -> Outcome:
    return Outcome(tuple(response.answer for response in responses), is_open)


class _Stream:
    def __init__(self, client: socket.socket) -> None:
        self._client = client
        self._received = b""

    def send(self, data: bytes) -> None:
        with contextlib.suppress(ConnectionError):  # the server has heard enough
            self._client.sendall(data)

    def end(self) -> None:
        with contextlib.suppress(OSError):
            self._client.shutdown(socket.SHUT_WR)

    def responses(self, methods: tuple[str, ...]) -> list[_Response]:
        """All that still come; those behind the known methods answer a GET."""
        found: list[_Response] = []
        while response := self.response(methods[len(found)] if len(found) < len(methods) else "GET"):
            found.append(response)
        return found

    def response(self, method: str) -> _Response | None:
        """The next one; None at the end of the connection."""
        while b"\r\n\r\n" not in self._received:
            if not self._more():
                # HTTP/0.9 answers are a body and nothing else.
                body, self._received = self._received, b""
                return _Response(0, Headers(), body) if body else None
        head, _, self._received = self._received.partition(b"\r\n\r\n")
        line, _, block = (head + b"\r\n").partition(b"\r\n")
        status = int(line.split()[1])
        headers = parse_fields(block)
        framing = response_framing(method, status, headers)
        decoder, body = body_decoder(framing), b""
        while framing.kind != "none" and not decoder.complete and (self._received or self._more()):
            part, self._received = decoder.decode(self._received)
            body += part
        return _Response(status, headers, body)

    def _more(self) -> bool:
        try:
            data = self._client.recv(65_536)
        except ConnectionError:
            return False
        self._received += data
        return bool(data)
