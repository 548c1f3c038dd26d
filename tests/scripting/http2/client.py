"""A client of HTTP/2 that opens as many streams as a test likes, and shows what comes on each."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, Self

import h2.config
import h2.connection
import h2.events
import h2.settings

from pytest_httpserve import HTTPServe

_GOAWAY = 0x7
_FRAME_HEAD_BYTES = 9

Fields = Iterable[tuple[str, str]]


class GoneAway(NamedTuple):
    """What GOAWAY says."""

    last_stream: int
    code: int


class Answer:
    """What has come on a stream."""

    def __init__(self) -> None:
        self.informational: list[dict[str, str]] = []
        self.headers: dict[str, str] = {}
        self.body = b""
        self.trailers: dict[str, str] = {}
        self.ended = False
        self.reset: int | None = None

    @property
    def status(self) -> int:
        return int(self.headers[":status"])

    @property
    def over(self) -> bool:
        return self.ended or self.reset is not None


class Client:
    """One connection. ``acknowledges`` is whether the server may go on sending when a window is full."""

    def __init__(self, sock: socket.socket, authority: str, *, window: int = 65_535, acknowledges: bool = True) -> None:
        self.socket = sock
        sock.settimeout(20)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.authority = authority
        self.acknowledges = acknowledges
        self.answers: dict[int, Answer] = {}
        self.gone_away: GoneAway | None = None
        self._incoming = b""
        self.settings: dict[Any, int] = {}
        self.settings_acknowledged = False
        self.pongs: list[bytes] = []
        config = h2.config.H2Configuration(client_side=True, header_encoding="latin-1", validate_outbound_headers=False)
        self.h2 = h2.connection.H2Connection(config)
        self.h2.local_settings[h2.settings.SettingCodes.INITIAL_WINDOW_SIZE] = window
        self.begin_connection()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.socket.close()

    def begin_connection(self) -> None:
        self.h2.initiate_connection()
        self.flush()

    def flush(self) -> None:
        if data := self.h2.data_to_send():
            self.socket.sendall(data)

    def begin(self, method: str, path: str, fields: Fields = (), *, ends: bool = True) -> int:
        """Send the head of a request; the number of its stream."""
        stream_id = self.h2.get_next_available_stream_id()
        head = [(":method", method), (":scheme", "http"), (":authority", self.authority), (":path", path), *fields]
        self.h2.send_headers(stream_id, head, end_stream=ends)
        self.answers[stream_id] = Answer()
        self.flush()
        return stream_id

    def connect(self, authority: str, fields: Fields = ()) -> int:
        """Ask for a tunnel, and wait for the answer; the number of its stream."""
        stream_id = self.h2.get_next_available_stream_id()
        self.h2.send_headers(stream_id, [(":method", "CONNECT"), (":authority", authority), *fields])
        answer = self.answers[stream_id] = Answer()
        self.flush()
        self.receive_until(lambda: bool(answer.headers) or answer.over)
        return stream_id

    def send(self, stream_id: int, data: bytes, *, ends: bool = True) -> None:
        """Send a body, or a part of one, as far as the server lets us."""
        while data:
            room = min(self.h2.local_flow_control_window(stream_id), self.h2.max_outbound_frame_size)
            if not room:
                self.receive()
                continue
            piece, data = data[:room], data[room:]
            self.h2.send_data(stream_id, piece)
            self.flush()
        if ends:
            self.h2.end_stream(stream_id)
            self.flush()

    def request(self, method: str, path: str, body: bytes = b"", fields: Fields = ()) -> Answer:
        """Send a request, and receive its answer."""
        stream_id = self.begin(method, path, fields, ends=not body)
        if body:
            self.send(stream_id, body)
        return self.answer(stream_id)

    def get(self, path: str, fields: Fields = ()) -> Answer:
        return self.request("GET", path, fields=fields)

    def answer(self, stream_id: int) -> Answer:
        """All that comes on a stream."""
        self.receive_until(lambda: self.answers[stream_id].over)
        return self.answers[stream_id]

    def receive_until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self.receive()

    def receive(self) -> None:
        """Take in what comes next. Raises ConnectionError at the end."""
        data = self.socket.recv(65_536)
        if not data:
            raise ConnectionError("the server has ended the connection")
        self._incoming += data
        for frame in self._frames():
            if frame[3] == _GOAWAY:  # by which the library would end the connection
                self.gone_away = GoneAway(*struct.unpack("!LL", frame[9:17]))
            else:
                for event in self.h2.receive_data(frame):
                    self._heed(event)
        self.flush()

    def _frames(self) -> Iterator[bytes]:
        while len(self._incoming) >= _FRAME_HEAD_BYTES:
            size = _FRAME_HEAD_BYTES + int.from_bytes(self._incoming[:3], "big")
            if len(self._incoming) < min(size, _FRAME_HEAD_BYTES + self.h2.max_inbound_frame_size):
                return
            frame, self._incoming = self._incoming[:size], self._incoming[size:]
            yield frame

    def _heed(self, event: Any) -> None:
        answer = self.answers.get(getattr(event, "stream_id", 0) or 0)
        match event:
            case h2.events.RemoteSettingsChanged():
                self.settings |= {code: changed.new_value for code, changed in event.changed_settings.items()}
            case h2.events.SettingsAcknowledged():
                self.settings_acknowledged = True
            case h2.events.PingAckReceived():
                self.pongs.append(event.ping_data)
            case _ if answer is None:
                pass
            case h2.events.InformationalResponseReceived():
                answer.informational.append(_texts(event.headers))
            case h2.events.ResponseReceived():
                answer.headers = _texts(event.headers)
            case h2.events.DataReceived():
                answer.body += event.data
                if self.acknowledges:
                    self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            case h2.events.TrailersReceived():
                answer.trailers = _texts(event.headers)
            case h2.events.StreamEnded():
                answer.ended = True
            case h2.events.StreamReset():
                answer.reset = int(event.error_code)


def _texts(headers: Any) -> dict[str, str]:  # as the library has them: here, pairs of str
    return dict(headers)


@contextmanager
def client_of(server: HTTPServe, **settings: Any) -> Iterator[Client]:
    """A client of a server, with prior knowledge or, over TLS, by ALPN."""
    sock = socket.create_connection((server.host, server.port), timeout=20)
    if server.base_url.startswith("https"):
        context = server.ca.client_ssl_context()
        context.set_alpn_protocols(["h2"])
        sock = context.wrap_socket(sock, server_hostname="127.0.0.1")
        assert sock.selected_alpn_protocol() == "h2"
    with Client(sock, f"{server.host}:{server.port}", **settings) as client:
        yield client
