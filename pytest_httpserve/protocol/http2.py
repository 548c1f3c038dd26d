"""HTTP/2: turns a connection's bytes into Streams, many at a time (RFC 9113). ``h2`` handles frames and their states.

One thread receives for the whole connection; each stream is read and written by its own thread.
"""

from __future__ import annotations

import contextlib
import errno
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pytest_httpserve.errors import RequestError, UnsupportedError
from pytest_httpserve.protocol.floods import Floods
from pytest_httpserve.protocol.frames import code_name, data_frames, described, goaway_frame, settings_frame
from pytest_httpserve.protocol.h2_library import connection_type, stream_closed
from pytest_httpserve.protocol.h2_stream import StreamTransport
from pytest_httpserve.wire.http2 import RawField, trailers_of

if TYPE_CHECKING:
    from h2.events import Event
    from h2.exceptions import ProtocolError

    from pytest_httpserve.net.connection import Connection
    from pytest_httpserve.net.duplex import Run

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
# This many bytes distinguish it from an HTTP/1 request, and end with the first blank line, for which the loop waits.
_TOLD_BY = 16
# RFC 9113 section 7: the codes that this package uses
NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, FLOW_CONTROL_ERROR, FRAME_SIZE_ERROR = 0x0, 0x1, 0x2, 0x3, 0x6
REFUSED_STREAM, CANCEL, COMPRESSION_ERROR, ENHANCE_YOUR_CALM = 0x7, 0x8, 0x9, 0xB
MOST_STREAMS = 128  # at a time
_ANY_NUMBER = (1 << 32) - 1
# How much a client may send before somebody reads it: on one stream, and on the whole connection.
STREAM_WINDOW_BYTES = 1 << 20
CONNECTION_WINDOW_BYTES = 16 << 20
_FIRST_WINDOW_BYTES = 65_535
_FRAME_HEAD_BYTES = 9
_NO_LAST_STREAM = (1 << 31) - 1  # which announces that another GOAWAY follows
_SETTINGS, _GOAWAY = 0x4, 0x7
_ACK = 0x1  # a flag of SETTINGS and PING
# Output up to this size may wait for more, until so many bytes wait: each write costs a system call, and a TLS record.
_SMALL, _MOST_HELD = 4_096, 32_768
# For larger buffers, the system would have to map memory each time.
_SENT_AT_ONCE = 98_304
# After how many seconds to give up a client that reads nothing, if there is no timeout.
_PATIENCE = 60.0


class ConnectionRefused(RequestError):
    """A client has broken a rule of frames or connections, so the connection ends with GOAWAY and ``code``."""

    def __init__(self, detail: str, code: int, *, section: str = "5.4.1") -> None:
        super().__init__(400, detail, rule=f"RFC 9113 section {section}")
        self.code = code


def begins_http2(data: bytes) -> bool:
    """Whether a client that begins with ``data`` speaks HTTP/2, and not HTTP/1."""
    return data.startswith(PREFACE[:_TOLD_BY])


def check_extra() -> None:
    """Raise UnsupportedError if the library for frames is not installed."""
    try:
        import h2.connection  # noqa: F401
    except ImportError:
        raise UnsupportedError("http2= needs h2: pip install 'pytest-httpserve[http2]'") from None


class HTTP2:
    """A connection that speaks HTTP/2, and its ``streams`` by their numbers.

    ``lock`` guards all of its state. ``run`` runs code that may wait in a separate thread. Frames that belong to no
    stream are sent with the next output, or by ``flush``.
    """

    def __init__(self, connection: Connection, run: Run) -> None:
        from h2.settings import SettingCodes, Settings

        self.lock: threading.RLock = threading.RLock()
        self.connection = connection
        self.streams: dict[int, StreamTransport] = {}
        self.count: int = 0  # all exchanges so far: those over HTTP/1 before it, and its streams
        self.timeout: float | None = connection.transport.timeout  # for each stream
        self._duplex = connection.duplex()
        self._run = run
        self._incoming = b""
        self._begun = self._has_settings = False  # whether the client's preface and first settings have come
        self._knows_limits = False  # whether the client has acknowledged the server's settings
        self._floods = Floods()
        self.holds_back = False  # whether small output waits: more of it follows at once, and then a ``flush``
        self._flushes = False  # whether frames that belong to no stream are about to be sent
        self._held: list[bytes] = []  # output taken from the library before the rest is dropped
        self.starves: str = ""  # the window that never opens: of each ``stream``, or of the ``connection``
        self.unanswered: frozenset[int] = frozenset()  # types of frames that get no answer
        self.last_stream: int | None = None  # the last processed stream, once the client was told to go away
        self.on_refused: Callable[[RequestError], object] = _nobody_refused  # called for each refusal
        self._ended_streams: deque[int] = deque(maxlen=2 * MOST_STREAMS)  # the latest that the client has ended
        self.on_going_away: Callable[[int, int], object] = _nobody  # called with the code and the last stream
        self._h2 = connection_type()()
        self._h2.local_settings = Settings(
            client=False,
            initial_values={
                SettingCodes.MAX_CONCURRENT_STREAMS: MOST_STREAMS,
                SettingCodes.INITIAL_WINDOW_SIZE: STREAM_WINDOW_BYTES,
                SettingCodes.ENABLE_CONNECT_PROTOCOL: 1,
                SettingCodes.MAX_HEADER_LIST_SIZE: self._h2.DEFAULT_MAX_HEADER_LIST_SIZE,
            },
        )

    @property
    def seconds(self) -> float:
        """For how many seconds a client may read nothing."""
        return self.timeout or _PATIENCE

    # In

    def begin(self, settings: Mapping[int, int] | None = None) -> None:
        """Prepare the server's preface; ``settings`` are sent after the usual ones."""
        with self.lock:
            self._h2.initiate_connection()
            self._count_streams()
            if settings:  # bypassing the library, which refuses wrong ones
                self._held.append(self._h2.data_to_send() + settings_frame(settings))
            if self.starves != "connection":
                self._h2.increment_flow_control_window(CONNECTION_WINDOW_BYTES - _FIRST_WINDOW_BYTES)

    def begin_upgraded(self, settings: str, fields: Sequence[RawField]) -> StreamTransport:
        """The same after an HTTP/1.1 request that asked for HTTP/2 (RFC 7540 section 3.2): it becomes the first stream,
        with these fields; ``settings`` is the value of its header. Raises ConnectionRefused for wrong settings."""
        from h2.exceptions import ProtocolError
        from hyperframe.exceptions import HyperframeError

        with self.lock:
            try:
                self._h2.initiate_upgrade_connection(settings.encode("ascii"))
            except (ProtocolError, HyperframeError, ValueError) as error:
                raise ConnectionRefused(f"HTTP2-Settings: {error}", PROTOCOL_ERROR) from None
            self._count_streams()
            self._h2.increment_flow_control_window(CONNECTION_WINDOW_BYTES - _FIRST_WINDOW_BYTES)
            stream = self.streams[1] = StreamTransport(self, 1, self.count, fields, has_no_body=True)
            self.count += 1
        return stream

    def _count_streams(self) -> None:
        """Count the open streams here: the library would end the connection of a client that has too many of them,
        although the client may not know the limit yet."""
        from h2.settings import SettingCodes

        self._h2.local_settings[SettingCodes.MAX_CONCURRENT_STREAMS] = _ANY_NUMBER
        self._h2.local_settings.acknowledge()

    def receive(self) -> bytes | None:
        """The bytes that have come; None if there are none, empty at the end. Raises OSError."""
        return self._duplex.receive()

    def take(self, data: bytes) -> tuple[list[StreamTransport], ConnectionRefused | None]:
        """Process received bytes. Returns the streams that begin with them, and the error that ends the connection, if
        there is one: then every stream is broken off."""
        from h2.exceptions import ProtocolError

        opened: list[StreamTransport] = []
        error: ConnectionRefused | None = None
        data = self._incoming + data
        at = 0
        while error is None and (size := self._frame_size(data, at)):
            frame = data[at : at + size]
            at += size
            # Other threads must find neither a library that takes nothing more, nor a GOAWAY that is not recorded.
            with self.lock:
                try:
                    for event in self._events(frame):
                        self._heed(event, opened)
                except ProtocolError as wrong:
                    error = self._wrong(frame, wrong)
                except ConnectionRefused as refused:
                    error = refused
                if error is not None:
                    self.on_refused(error)
                    self._break_streams(f"the client broke a rule: {error}")
        self._incoming = data[at:]
        return opened, error

    def _wrong(self, frame: bytes, error: ProtocolError) -> ConnectionRefused:
        """The error for a frame that the library refuses, with the RFC's code: for input that HPACK cannot decode, the
        library says PROTOCOL_ERROR."""
        from h2.exceptions import NoSuchStreamError, StreamClosedError
        from hpack.exceptions import HPACKError

        code, detail = int(error.error_code), f"{error}"
        if isinstance(error.__cause__, HPACKError):
            code = COMPRESSION_ERROR
        elif isinstance(error, NoSuchStreamError):  # its text is a number
            detail = f"the stream {'has ended' if isinstance(error, StreamClosedError) else 'is not open'}"
        with self.lock:
            its = goaway_frame(int(error.error_code), self._h2.highest_inbound_stream_id)
            self._held.append(self._h2.data_to_send().removesuffix(its))
        return self._refused(f"{described(frame) if self._begun else 'the preface'}: {detail}", code)

    def _refused(self, detail: str, code: int, *, section: str = "5.4.1") -> ConnectionRefused:
        """The error that ends the connection. Prepares GOAWAY, which says so."""
        with self.lock:
            self._held.append(self._h2.data_to_send() + goaway_frame(code, self._h2.highest_inbound_stream_id))
        return ConnectionRefused(detail, code, section=section)

    def _events(self, frame: bytes) -> list[Event]:
        if not self._begun:
            events = self._h2.receive_data(frame)
            self._begun = True
            return events
        self._check_floods(self._floods.sees(frame))
        if not self._has_settings:
            self._has_settings = True
            if frame[3] != _SETTINGS or frame[4] & _ACK:
                detail = f"the first frame is {described(frame)}, not SETTINGS"
                raise self._refused(detail, PROTOCOL_ERROR, section="3.4")
        if frame[3] == _SETTINGS and frame[4] & _ACK and len(frame) > _FRAME_HEAD_BYTES:
            raise self._refused("an acknowledgement of settings has a payload", FRAME_SIZE_ERROR, section="6.5")
        if frame[3] == _GOAWAY:
            return self._left_open(frame)
        if frame[3] not in self.unanswered or frame[4] & _ACK:
            return self._h2.receive_data(frame)
        self._held.append(self._h2.data_to_send())
        events = self._h2.receive_data(frame)
        self._h2.data_to_send()
        return events

    def _left_open(self, goaway: bytes) -> list[Event]:
        """Handle the client's GOAWAY: it still waits for the answers to its requests (RFC 9113 section 6.8), but the
        library takes GOAWAY for the end of the connection, and drops its output."""
        from h2.connection import ConnectionState

        self._held.append(self._h2.data_to_send())
        events = self._h2.receive_data(goaway)
        self._h2.state_machine.state = ConnectionState.SERVER_OPEN
        return events

    def _check_floods(self, wrong: str) -> None:
        if wrong:
            raise self._refused(wrong, ENHANCE_YOUR_CALM, section="10.5")

    def _frame_size(self, data: bytes, at: int) -> int:
        """The size of the next frame, at this offset; 0 if it is not complete."""
        left = len(data) - at
        if not self._begun:
            return len(PREFACE) if left >= len(PREFACE) else 0
        if left < _FRAME_HEAD_BYTES:
            return 0
        size = _FRAME_HEAD_BYTES + int.from_bytes(data[at : at + 3], "big")
        if size > _FRAME_HEAD_BYTES + self._h2.max_inbound_frame_size:
            return left  # it is refused because of its head
        return size if left >= size else 0

    def _heed(self, event: Event, opened: list[StreamTransport]) -> None:
        heed = _HEEDED.get(type(event).__name__)
        if heed is not None:
            heed(self, event, opened)

    def _requested(self, event: Any, opened: list[StreamTransport]) -> None:  # an event of h2, as below
        if len(self._h2.streams) > MOST_STREAMS and self._h2.open_inbound_streams > MOST_STREAMS:
            self._refuse_one_too_many(event.stream_id)
            return
        ended = event.stream_ended is not None
        stream = StreamTransport(self, event.stream_id, self.count, tuple(event.headers), has_no_body=ended)
        self.count += 1
        stream.is_processed = self.serves(event.stream_id)
        if stream.is_processed:
            self.streams[event.stream_id] = stream
        opened.append(stream)

    def _refuse_one_too_many(self, stream_id: int) -> None:
        """Refuse a stream, which is the client's mistake only if it knew that there could be no more."""
        self._h2.reset_stream(stream_id, REFUSED_STREAM)
        if self._knows_limits:
            detail = f"stream {stream_id}: {MOST_STREAMS} others are open, and the settings allow no more"
            self.on_refused(RequestError(400, detail, rule="RFC 9113 section 5.1.2"))
        self._check_floods(self._floods.cancelled())

    def _acknowledged(self, event: Any, opened: list[StreamTransport]) -> None:
        self._knows_limits = True

    def _data(self, event: Any, opened: list[StreamTransport]) -> None:
        stream = self.streams.get(event.stream_id)
        kept = len(event.data) if stream is not None else 0
        if event.flow_controlled_length > kept:  # padding, or data that nobody will read
            self._h2.acknowledge_received_data(event.flow_controlled_length - kept, event.stream_id)
        if stream is not None:
            stream.feed(event.data)

    def _trailers(self, event: Any, opened: list[StreamTransport]) -> None:
        if (stream := self.streams.get(event.stream_id)) is not None:
            try:
                stream.trailers = trailers_of(event.headers)
            except RequestError as error:
                stream.malformed = error

    def _ended(self, event: Any, opened: list[StreamTransport]) -> None:
        self._ended_streams.append(event.stream_id)
        if (stream := self.streams.get(event.stream_id)) is not None:
            stream.end()

    def _reset(self, event: Any, opened: list[StreamTransport]) -> None:
        if not event.remote_reset:
            self._refuse_stream(event.stream_id, int(event.error_code))
        elif (stream := self.streams.get(event.stream_id)) is not None:
            stream.break_off(f"the client has reset the stream with {code_name(event.error_code)}")
            self._check_floods(self._floods.cancelled())

    def _refuse_stream(self, stream_id: int, code: int) -> None:
        """Note that the library has reset a stream. Frames after our own reset are not the client's mistake."""
        if code == FLOW_CONTROL_ERROR or stream_id in self._ended_streams:
            self.on_refused(RequestError(400, f"stream {stream_id}: {code_name(code)}", rule="RFC 9113 section 5.4.2"))
        if (stream := self.streams.get(stream_id)) is not None:
            stream.break_off(f"the server has reset the stream with {code_name(code)}")
            self._check_floods(self._floods.cancelled())

    def _widened(self, event: Any, opened: list[StreamTransport]) -> None:
        for stream in [self.streams.get(event.stream_id)] if event.stream_id else list(self.streams.values()):
            if stream is not None:
                stream.tell()

    def _settled(self, event: Any, opened: list[StreamTransport]) -> None:
        for stream in self.streams.values():
            stream.tell()

    def break_off(self, text: str) -> None:
        """End the connection and every open stream. Sends the remaining output, which tells why."""
        self._break_streams(text)
        self.flush()

    def _break_streams(self, text: str) -> None:
        with self.lock:
            for stream in self.streams.values():
                stream.break_off(text)

    # Out

    def send(self, stream: StreamTransport, fields: Sequence[RawField] | None, data: bytes, *, end: bool) -> None:
        """Send the fields of a head or of trailers, if there are any, and then data, waiting for the client's window;
        ``end`` ends the stream. Raises OSError."""
        at, size = 0, len(data)

        def make() -> bytes:
            nonlocal at, fields
            with self.lock:
                stream.check()
                if fields is not None:
                    self._h2.send_headers(stream.id, fields, end_stream=end and not size)
                    fields = None
                    if not size:
                        return self._said()
                room = min(self._h2.local_flow_control_window(stream.id), _SENT_AT_ONCE, size - at)
                if size and room <= 0:
                    return self._said()
                piece = data[at : at + room]
                at += room
                return b"".join([self._said(), *self._data_frames(stream, piece, end=end and at == size)])

        try:
            if not (self.holds_back and size <= _SMALL and self._hold(make)):
                self._duplex.send(make, self.seconds, stream.leave_loop)
            while at < size:
                stream.await_room(lambda: self._h2.local_flow_control_window(stream.id) > 0)
                self._duplex.send(make, self.seconds, stream.leave_loop)
        except stream_closed():
            raise BrokenPipeError(errno.EPIPE, "the stream has ended") from None

    def _hold(self, make: Callable[[], bytes]) -> bool:
        """Keep this output for the next write, unless nothing follows, or enough is kept already."""
        with self.lock:
            if not self.holds_back or sum(map(len, self._held)) >= _MOST_HELD:
                return False
            pending = self._flushes, self._floods.blocked
            self._held = [make()]  # with what was held before
            self._flushes, self._floods.blocked = pending
            return True

    def _data_frames(self, stream: StreamTransport, data: bytes, *, end: bool) -> list[bytes | memoryview]:
        """DATA frames, which the library only counts, as one frame: writing them itself takes it ten times as long."""
        most = self._h2.max_outbound_frame_size
        self._h2.max_outbound_frame_size = max(most, len(data))
        try:
            self._h2.send_data(stream.id, data, end_stream=end)
        finally:
            self._h2.max_outbound_frame_size = most
        self._h2.data_to_send()
        return data_frames(stream.id, data, most, end=end)

    def reset(self, stream: StreamTransport, code: int) -> None:
        """Reset a stream with this code, if it has not ended."""
        from h2.exceptions import ProtocolError

        with self.lock, contextlib.suppress(ProtocolError):  # it is closed
            self._h2.reset_stream(stream.id, code)
        self.flush()

    def acknowledge(self, stream: StreamTransport, size: int) -> None:
        """Note that ``size`` bytes have been read: the client may send as many again."""
        if self.starves == "connection":
            return
        with self.lock:
            self._h2.acknowledge_received_data(size, stream.id)
        self.flush()

    def forget(self, stream: StreamTransport) -> None:
        """Forget a stream that both sides have ended."""
        with self.lock:
            self.streams.pop(stream.id, None)
            unread = stream.drop()
            if not stream.is_cut:
                self._floods.answered()
        if unread:
            self.acknowledge(stream, unread)

    def go_away(self, code: int = NO_ERROR, last_stream: int | None = None) -> None:
        """Tell the client that streams after ``last_stream`` (default: the latest) are not processed."""
        with self.lock:
            if self.last_stream is not None and last_stream is None:
                return
            if last_stream is None:
                last_stream = self._h2.highest_inbound_stream_id
            self.last_stream = last_stream
            self.on_going_away(code, last_stream)
            self._held.append(self._h2.data_to_send() + goaway_frame(code, last_stream))
        self.flush()

    def serves(self, stream_id: int) -> bool:
        """Whether the stream is processed: False if the client was told otherwise."""
        return self.last_stream is None or stream_id <= self.last_stream

    @property
    def is_leaving(self) -> bool:
        """Whether the connection ends once its open streams have ended."""
        return self.last_stream is not None and self.last_stream < _NO_LAST_STREAM

    def end(self) -> None:
        """End this side of the connection: the client sees the end."""
        self._duplex.end()

    def reset_connection(self) -> None:
        """End the connection with a reset."""
        self._duplex.end_by(self.connection.ending.reset)

    def inject(self, data: bytes) -> None:
        """Send bytes that need not be frames. Raises OSError."""
        self._duplex.send(lambda: self._said() + data, self.seconds)

    def flush(self) -> None:
        """Send the frames that belong to no stream, without waiting."""
        with self.lock:
            if self._flushes:
                self._floods.blocked = True
                return  # the output that is waiting for the client includes this
            self._flushes = True
        self._duplex.send_soon(self._said, self.seconds, self._run)

    def _said(self) -> bytes:
        with self.lock:
            self._flushes = self._floods.blocked = False
            data = self._h2.data_to_send()
            if self._held:
                data, self._held = b"".join([*self._held, data]), []
            return data


def _nobody_refused(error: RequestError) -> None:
    """Do nothing: nobody needs to know."""


def _nobody(code: int, last_stream: int) -> None:
    """Do nothing: nobody needs to know."""


_HEEDED: dict[str, Callable[[HTTP2, Any, list[StreamTransport]], None]] = {
    "RequestReceived": HTTP2._requested,
    "DataReceived": HTTP2._data,
    "TrailersReceived": HTTP2._trailers,
    "StreamEnded": HTTP2._ended,
    "StreamReset": HTTP2._reset,
    "WindowUpdated": HTTP2._widened,
    "RemoteSettingsChanged": HTTP2._settled,
    "SettingsAcknowledged": HTTP2._acknowledged,
}
