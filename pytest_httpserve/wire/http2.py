"""Converts heads from HTTP/2 to HTTP/1 and back, pseudo-header fields included (RFC 9113 section 8)."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import lru_cache

from pytest_httpserve.errors import RequestError
from pytest_httpserve.wire import grammar
from pytest_httpserve.wire.framing import CHUNKED, NO_BODY, OF_CONNECTION, Framing, expects_continue, request_framing
from pytest_httpserve.wire.grammar import DEFAULT_LIMITS, Limits
from pytest_httpserve.wire.headers import Field, Headers
from pytest_httpserve.wire.message import Fields, Line, RequestHead
from pytest_httpserve.wire.target import parse_target

RawField = tuple[bytes, bytes]

VERSION = (2, 0)
PROTOCOL = "HTTP/2"
_OF_REQUEST = (":method", ":scheme", ":authority", ":path", ":protocol")
# Fields that an HTTP/1.1 upgrade has and extended CONNECT does not (RFC 8441 section 5); the key's value is never used.
_OF_HANDSHAKE = (("upgrade", "websocket"), ("connection", "Upgrade"), ("sec-websocket-key", "AAAAAAAAAAAAAAAAAAAAAA=="))
_OF_UPGRADE = (*OF_CONNECTION, "sec-websocket-accept")
_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9a-z]+")
_VALUE = re.compile(r"(?:[^\0\r\n \t](?:[^\0\r\n]*[^\0\r\n \t])?)?")
_KEPT_BYTES = 4_096
_KEPT_HEADS = 256


def request_head(fields: Sequence[RawField], *, ended: bool, limits: Limits = DEFAULT_LIMITS) -> RequestHead:
    """The head of a request that came as these fields; ``ended`` is whether nothing follows it.

    Raises RequestError: 400 or 417 for a malformed request (RFC 9113 section 8.1.1), 413, 414 or 431 past a limit,
    501 for an extended CONNECT to a protocol other than WebSocket.
    """
    size = sum(len(name) + len(value) for name, value in fields)
    return (_kept_head if size <= _KEPT_BYTES else _head)(fields, ended, limits)


def _head(raw: Sequence[RawField], ended: bool, limits: Limits) -> RequestHead:
    pseudo, fields = _apart(raw, limits)
    method = pseudo.get(":method", "")
    protocol = pseudo.get(":protocol")
    wanted = _OF_REQUEST if protocol is not None else _wanted(method)
    if missing := [name for name in wanted if not pseudo.get(name)]:
        raise _malformed(f"the request has no {' and no '.join(missing)}", "8.3.1", *missing)
    if not grammar.TOKEN.fullmatch(method):
        raise _malformed(f"the method is not a token: {method!r}", "8.3.1", ":method")
    if protocol is not None:
        method, fields = _as_upgrade(method, protocol, fields)
    if method == "CONNECT" and (given := [name for name in (":scheme", ":path") if name in pseudo]):
        raise _malformed(f"CONNECT must not have {' or '.join(given)}", "8.5", *given)
    target = pseudo[":authority"] if method == "CONNECT" else pseudo[":path"]
    if len(target) > limits.request_line:
        raise RequestError(414, f"the path is longer than {limits.request_line} bytes")
    if not re.fullmatch(rf"{grammar.VCHAR}+", target):
        raise _malformed(f"the path has octets that must be percent-encoded: {target!r}", "8.3.1", ":path")
    parts = parse_target(target, method)
    if parts.form == "absolute":
        raise _malformed(f"the path must be * or begin with /, not {target!r}", "8.3.1", ":path")
    headers = Headers((("host", _host(pseudo, fields)), *(field for field in fields if field[0] != "host")))
    # The bytes that follow CONNECT are not a body: they belong to the tunnel.
    framing = _framing(headers, ended, limits) if method != "CONNECT" and protocol is None else NO_BODY
    line = Line(f"{method} {target} {PROTOCOL}", method, target, VERSION, PROTOCOL, parts)
    expected = not ended and expects_continue(headers, VERSION)
    return RequestHead(line, Fields(headers, framing, True, expected, asks_to_upgrade=protocol is not None))


def _as_upgrade(method: str, protocol: str, fields: list[Field]) -> tuple[str, list[Field]]:
    """The method and the fields of the HTTP/1.1 upgrade that means the same as an extended CONNECT (RFC 8441)."""
    if method != "CONNECT":
        raise _malformed(f":protocol is for CONNECT only, not for {method}", "8.3.1", ":protocol")
    if protocol != "websocket":
        raise RequestError(501, f"the protocol {protocol!r} is not supported here", rule="RFC 8441 section 4")
    # A key sent by the client is ignored (section 5).
    return "GET", [*(field for field in fields if field[0] != "sec-websocket-key"), *_OF_HANDSHAKE]


# Clients send the same heads again and again.
_kept_head = lru_cache(_KEPT_HEADS)(_head)


@lru_cache(_KEPT_HEADS)
def _kept_text(raw: Sequence[RawField]) -> bytes:
    pseudo = {name: value for name, value in raw if name.startswith(b":")}
    lines = [b"%b %b HTTP/2\r\n" % _asked_for(pseudo)]
    if b":authority" in pseudo:
        lines.append(b"host: %b\r\n" % pseudo[b":authority"])
    lines += [b"%b: %b\r\n" % field for field in raw if not field[0].startswith(b":")]
    if b":protocol" in pseudo:
        lines.append(b"upgrade: %b\r\nconnection: Upgrade\r\n" % pseudo[b":protocol"])
    return b"".join([*lines, b"\r\n"])


def request_text(fields: Sequence[RawField]) -> bytes:
    """The head of a request as text, in the manner of HTTP/1, for people to read; it may be malformed."""
    return _kept_text(fields)


def asked_for(fields: Sequence[RawField]) -> tuple[str, str]:
    """The method and the target of a request, which may be malformed."""
    method, target = _asked_for(dict(fields))
    return method.decode("latin-1"), target.decode("latin-1")


def _asked_for(pseudo: Mapping[bytes, bytes]) -> tuple[bytes, bytes]:
    method = pseudo.get(b":method", b"")
    if b":protocol" in pseudo:
        return b"GET" if method == b"CONNECT" else method, pseudo.get(b":path", b"")
    return method, pseudo.get(b":authority" if method == b"CONNECT" else b":path", b"")


def _wanted(method: str) -> tuple[str, ...]:
    return (":authority",) if method == "CONNECT" else (":method", ":scheme", ":path")


def _apart(raw: Sequence[RawField], limits: Limits) -> tuple[dict[str, str], list[Field]]:
    """The pseudo-header fields, and the other fields."""
    if len(raw) > limits.header_count:
        raise RequestError(431, f"there are more than {limits.header_count} header fields")
    pseudo: dict[str, str] = {}
    fields: list[Field] = []
    crumbs: list[str] = []
    for raw_name, raw_value in raw:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        if name.startswith(":"):
            if fields or crumbs:
                raise _malformed(f"the pseudo-header field {name} comes after other fields", "8.3", name)
            if name not in _OF_REQUEST:
                raise _malformed(f"a request cannot have the pseudo-header field {name}", "8.3", name)
            if name in pseudo:
                raise _malformed(f"there is more than one {name}", "8.3", name)
            _check_value(name, value)
            pseudo[name] = value
            continue
        check_field(name, value)
        if name == "cookie":
            crumbs.append(value)  # RFC 9113 section 8.2.3
        else:
            fields.append((name, value))
    if crumbs:
        fields.append(("cookie", "; ".join(crumbs)))
    return pseudo, fields


def check_field(name: str, value: str) -> None:
    """Refuse a field that a request or its trailers cannot have: raises RequestError (400)."""
    if not _NAME.fullmatch(name):
        if _NAME.fullmatch(name.lower()):
            raise _malformed(f"a field name has upper-case letters: {name!r}", "8.2.1", name.lower())
        raise _malformed(f"a field name is not a lower-case token: {name!r}", "8.2.1")
    if name in OF_CONNECTION or (name == "te" and value.lower() != "trailers"):
        raise _malformed(f"HTTP/2 does not allow the field {name}: {value}", "8.2.2", name)
    _check_value(name, value)


def _check_value(name: str, value: str) -> None:
    if not _VALUE.fullmatch(value):
        raise _malformed(
            f"the value of {name} begins or ends with whitespace, or has CR, LF or NUL: {value!r}", "8.2.1", name
        )


def _host(pseudo: dict[str, str], fields: list[Field]) -> str:
    hosts = [value for name, value in fields if name == "host"]
    authority = pseudo.get(":authority")
    if authority is None and not hosts:
        raise _malformed("the request has neither :authority nor host", "8.3.1", ":authority")
    if len(hosts) > 1 or (hosts and authority is not None and hosts[0].lower() != authority.lower()):
        raise _malformed(f"host and :authority differ: {hosts}, {authority!r}", "8.3.1", "host")
    host = authority if authority is not None else hosts[0]
    if not grammar.is_host(host):
        raise _malformed(f":authority is not a host[:port]: {host!r}", "8.3.1", "host")
    return host


def _framing(headers: Headers, ended: bool, limits: Limits) -> Framing:
    framing = request_framing(headers, VERSION, limits=limits)
    if ended:
        if framing.length:
            raise _malformed(f"content-length is {framing.length}, but no body came", "8.1.1", "content-length")
        return NO_BODY
    # Readers see a body of unknown length as HTTP/1 would frame it, and one of length 0, whose end is still to come.
    return framing if framing.length else CHUNKED


def wrong_length(announced: int, received: int) -> RequestError:
    """The error for a body that is not as long as the head announced."""
    detail = f"content-length is {announced}, but the length of the body is {received}"
    return _malformed(detail, "8.1.1", "content-length")


def trailers_of(raw: Iterable[RawField]) -> tuple[Field, ...]:
    """The trailer fields of a request. Raises RequestError (400) for malformed ones (RFC 9113 section 8.1)."""
    fields = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in raw)
    for name, value in fields:
        if name.startswith(":"):
            raise _malformed(f"trailers cannot have pseudo-header fields such as {name}", "8.1", name)
        check_field(name, value)
    return fields


def _malformed(detail: str, section: str, *names: str) -> RequestError:
    return RequestError(400, detail, rule=f"RFC 9113 section {section}", names=names)


# An HTTP/1.1 request that asks to upgrade to HTTP/2 (RFC 7540 section 3.2)


def upgrade_settings(headers: Headers) -> str | None:
    """The HTTP/2 settings of a client that asks to upgrade; None if it does not ask."""
    protocols = (protocol.strip() for protocol in headers.get("upgrade", "").lower().split(","))
    settings = headers.get_all("http2-settings")
    return settings[0] if "h2c" in protocols and len(settings) == 1 else None


def fields_of(method: str, target: str, headers: Headers) -> tuple[RawField, ...]:
    """The fields that such a request would have had over HTTP/2."""
    pseudo = ((":method", method), (":scheme", "http"), (":authority", headers.get("host", "")), (":path", target))
    # RFC 9110 section 7.6.1: those that Connection names concern only the connection
    named = {option.strip().lower() for option in headers.get("connection", "").split(",")}
    own = OF_CONNECTION | named | {"host", "http2-settings"}
    others = (
        (name.lower(), value)
        for name, value in headers.fields
        if name.lower() not in own and (name.lower() != "te" or value.lower() == "trailers")
    )
    return raw_fields((*pseudo, *others))


def raw_fields(fields: Iterable[Field]) -> tuple[RawField, ...]:
    """Fields as bytes, which stand for the same characters as in HTTP/1."""
    return tuple((name.encode("latin-1"), value.encode("latin-1")) for name, value in fields)


# Responses


def response_fields(status: int, headers: Headers) -> tuple[RawField, ...]:
    """The fields that an HTTP/2 response's head is sent as."""
    return _answered(status, headers, OF_CONNECTION)


def switching_fields(headers: Headers) -> tuple[RawField, ...]:
    """The head of a response that leaves HTTP: over HTTP/2 its status is 200, not 101 (RFC 8441 section 5.1)."""
    return _answered(200, headers, _OF_UPGRADE)


def _answered(status: int, headers: Headers, left_out: Collection[str]) -> tuple[RawField, ...]:
    others = ((name.lower(), value) for name, value in headers.fields)
    return raw_fields([(":status", str(status)), *(field for field in others if field[0] not in left_out)])
