"""Faults for HTTP/2: frames that a client must survive or refuse. They do nothing over HTTP/1.1."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal, NamedTuple

from pytest_httpserve.arguments import check_count
from pytest_httpserve.errors import UsageError
from pytest_httpserve.protocol.frames import CODES, SETTINGS, frame, settings_frame
from pytest_httpserve.protocol.h2_stream import StreamTransport
from pytest_httpserve.scripting.faults.acts import Act, Fault, Phase
from pytest_httpserve.scripting.faults.frames import NoPong

_DATA, _HEADERS, _SETTINGS, _PING = 0x0, 0x1, 0x4, 0x6
_END_HEADERS = 0x4
_NO_FRAME = b"\xff\xff\xff\x00\xff\x00\x00\x00\x01garbage"
_CUT_BYTES, _CUT_AT = 1_024, 100
_MOST = (1 << 31) - 1


@dataclass(frozen=True, repr=False)
class StreamAct(Act):
    """Happens at one byte of a stream. ``ends`` says what it ends: the exchange, the connection, or nothing."""

    ends: ClassVar[Literal["", "exchange", "connection"]] = ""

    def _set(self, **values: object) -> None:
        """Set the fields of this frozen value while it is made."""
        for name, value in values.items():
            object.__setattr__(self, name, value)
        super().__post_init__()

    def happen(self, stream: StreamTransport) -> None:
        """Do it. Raises OSError if the client has gone."""
        raise NotImplementedError


@dataclass(frozen=True, init=False, repr=False)
class ResetStream(StreamAct):
    """The server resets the stream (``RST_STREAM``), and the connection goes on.

    ``code`` is a name from RFC 9113 section 7, such as ``REFUSED_STREAM``, or a number.
    """

    ends: ClassVar[Literal["", "exchange", "connection"]] = "exchange"
    code: str | int = "INTERNAL_ERROR"

    def __init__(
        self, code: str | int = "INTERNAL_ERROR", *, after: int | None = None, phase: Phase | None = None
    ) -> None:
        self._set(code=_checked_code(code), after=after, phase=phase)

    def happen(self, stream: StreamTransport) -> None:
        stream.break_stream(_number(self.code))


@dataclass(frozen=True, init=False, repr=False)
class GoAway(StreamAct):
    """The server takes no more streams on the connection (``GOAWAY``), and closes it after the last open one.

    ``last_stream`` is the number of the last stream that it serves, by default the one on which this happens. It does
    not process requests on streams with higher numbers; the client may repeat them elsewhere.
    """

    last_stream: int | None = None
    code: str | int = "NO_ERROR"

    def __init__(
        self,
        last_stream: int | None = None,
        *,
        code: str | int = "NO_ERROR",
        after: int | None = None,
        phase: Phase | None = None,
    ) -> None:
        if last_stream is not None:
            check_count("last_stream=", last_stream, most=_MOST)
        self._set(last_stream=last_stream, code=_checked_code(code), after=after, phase=phase)

    def happen(self, stream: StreamTransport) -> None:
        stream.http2.go_away(_number(self.code), stream.id if self.last_stream is None else self.last_stream)


@dataclass(frozen=True, init=False, repr=False)
class ChangeSettings(StreamAct):
    """The server changes its ``settings``, given by their names in RFC 9113 section 6.5.2 or their numbers:
    ``ChangeSettings({"INITIAL_WINDOW_SIZE": 0})``. Given to a connection without a phase, they are its initial
    settings."""

    settings: Mapping[str | int, int] = field(default_factory=dict)

    def __init__(
        self, settings: Mapping[str | int, int], *, after: int | None = None, phase: Phase | None = None
    ) -> None:
        self._set(settings=settings, after=after, phase=phase)
        if not isinstance(settings, Mapping) or not settings:
            raise UsageError(f"ChangeSettings() takes names and numbers of settings, not {settings!r}")
        for setting, number in settings.items():
            if setting not in SETTINGS and not (isinstance(setting, int) and 0 <= setting < 1 << 16):
                raise UsageError(f"a setting must be one of {', '.join(SETTINGS)}, or a number, not {setting!r}")
            check_count(f"the setting {setting}", number, most=(1 << 32) - 1)

    def __hash__(self) -> int:
        return hash((self.after, self.phase, *self.settings.items()))

    @property
    def numbers(self) -> dict[int, int]:
        """The settings by their numbers."""
        return {SETTINGS[name] if isinstance(name, str) else name: value for name, value in self.settings.items()}

    def happen(self, stream: StreamTransport) -> None:
        stream.http2.inject(settings_frame(self.numbers))


@dataclass(frozen=True, init=False, repr=False)
class MaxStreams(ChangeSettings):
    """The server takes at most ``streams`` streams at a time."""

    def __init__(self, streams: int, *, after: int | None = None, phase: Phase | None = None) -> None:
        super().__init__({"MAX_CONCURRENT_STREAMS": check_count("MaxStreams()", streams)}, after=after, phase=phase)

    def __hash__(self) -> int:
        return super().__hash__()


@dataclass(frozen=True, init=False, repr=False)
class FrameGarbage(StreamAct):
    """Bytes that are not an HTTP/2 frame: by default, a frame longer than any client accepts."""

    data: bytes = _NO_FRAME

    def __init__(self, data: bytes = _NO_FRAME, *, after: int | None = None, phase: Phase | None = None) -> None:
        self._set(data=data, after=after, phase=phase)
        if not isinstance(data, bytes) or not data:
            raise UsageError(f"data= must be at least one byte, not {data!r}")

    def happen(self, stream: StreamTransport) -> None:
        stream.http2.inject(self.data)


@dataclass(frozen=True, repr=False)
class TruncateFrame(StreamAct):
    """A DATA frame is cut short, and the connection closed (FIN)."""

    ends: ClassVar[Literal["", "exchange", "connection"]] = "connection"

    def happen(self, stream: StreamTransport) -> None:
        stream.http2.inject(frame(_DATA, 0, stream.id, bytes(_CUT_BYTES))[:_CUT_AT])


@dataclass(frozen=True, repr=False)
class WrongStream(StreamAct):
    """Data on a stream that the client has not opened."""

    def happen(self, stream: StreamTransport) -> None:
        stream.http2.inject(frame(_DATA, 0, stream.id + 1_000, b"data"))


@dataclass(frozen=True, repr=False)
class HpackGarbage(StreamAct):
    """Headers that cannot be decompressed (RFC 7541): they refer to a table entry that does not exist."""

    def happen(self, stream: StreamTransport) -> None:
        stream.http2.inject(frame(_HEADERS, _END_HEADERS, stream.id, b"\xff\xff\xff\xff\x0f"))


@dataclass(frozen=True, repr=False)
class StarveWindow(Fault):
    """The server never opens the window again: it takes what the client sends, but does not let it send more.

    ``of`` says which window: that of one ``stream``, or that of the ``connection``. If this fault is given to a
    connection, ``stream`` lets the client send no byte of a body at all.
    """

    of: Literal["stream", "connection"] = "stream"

    def __post_init__(self) -> None:
        if self.of not in ("stream", "connection"):
            raise UsageError(f"of= must be 'stream' or 'connection', not {self.of!r}")

    @property
    def place(self) -> Phase:
        return "request_body"


@dataclass(frozen=True, repr=False)
class NoSettingsAck(Fault):
    """The server does not acknowledge the client's settings. For connections only."""

    @property
    def place(self) -> Phase:
        return "request_head"


class OfConnection(NamedTuple):
    """The faults of a connection, sorted: its initial ``settings``, the window that ``starves``, the types of frames
    that stay ``unanswered``, and the ``rest``, which happen to its exchanges."""

    settings: dict[int, int]
    starves: str
    unanswered: frozenset[int]
    rest: tuple[Fault, ...]

    @classmethod
    def of(cls, faults: Iterable[Fault]) -> OfConnection:
        settings: dict[int, int] = {}
        starves, unanswered, rest = "", set(), []
        for fault in faults:
            match fault:
                case ChangeSettings(after=None, phase=None):
                    settings |= fault.numbers
                case StarveWindow():
                    starves = fault.of
                    if starves == "stream":
                        settings[SETTINGS["INITIAL_WINDOW_SIZE"]] = 0
                case NoSettingsAck():
                    unanswered.add(_SETTINGS)
                case NoPong():
                    unanswered.add(_PING)
                case _:
                    rest.append(fault)
        return cls(settings, starves, frozenset(unanswered), tuple(rest))


def _checked_code(code: str | int) -> str | int:
    number = isinstance(code, int) and not isinstance(code, bool) and 0 <= code < 1 << 32
    if not number and not (isinstance(code, str) and code in CODES):
        raise UsageError(f"code= must be one of {', '.join(CODES)}, or a number, not {code!r}")
    return code


def _number(code: str | int) -> int:
    return CODES[code] if isinstance(code, str) else code
