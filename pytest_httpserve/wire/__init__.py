"""HTTP/1.1 as bytes (RFC 9110, RFC 9112). Nothing in here does I/O."""

from pytest_httpserve.wire.framing import (
    CHUNKED,
    NO_BODY,
    UNTIL_CLOSE,
    ChunkedDecoder,
    FixedDecoder,
    Framing,
    UntilCloseDecoder,
    body_decoder,
    encode_chunk,
    encode_last_chunk,
    expects_continue,
    keeps_alive,
    request_framing,
    response_framing,
)
from pytest_httpserve.wire.grammar import Limits
from pytest_httpserve.wire.head import (
    RequestLine,
    check_host,
    parse_fields,
    parse_request_line,
    response_head,
)
from pytest_httpserve.wire.headers import Headers
from pytest_httpserve.wire.message import Fields, Line, parse_header_block, parse_line
from pytest_httpserve.wire.target import Target, parse_target

__all__ = [
    "CHUNKED",
    "NO_BODY",
    "UNTIL_CLOSE",
    "ChunkedDecoder",
    "Fields",
    "FixedDecoder",
    "Framing",
    "Headers",
    "Limits",
    "Line",
    "RequestLine",
    "Target",
    "UntilCloseDecoder",
    "body_decoder",
    "check_host",
    "encode_chunk",
    "encode_last_chunk",
    "expects_continue",
    "keeps_alive",
    "parse_fields",
    "parse_header_block",
    "parse_line",
    "parse_request_line",
    "parse_target",
    "request_framing",
    "response_framing",
    "response_head",
]
