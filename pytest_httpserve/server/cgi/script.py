"""The variables that a CGI script gets, and the parser for the head of its output (RFC 3875)."""

from __future__ import annotations

import base64
import binascii
import contextlib
import os
import re
import urllib.parse
from collections.abc import Iterable
from functools import lru_cache
from http import HTTPStatus
from typing import NamedTuple

from pytest_httpserve.errors import RequestError, ScriptError
from pytest_httpserve.wire import grammar
from pytest_httpserve.wire.head import parse_fields
from pytest_httpserve.wire.headers import Field


class CGIScript(NamedTuple):
    """A script as named by a URL: its ``file``, its decoded path ``name``, and the rest of the URL.

    ``path_info`` is percent-encoded, ``query`` is as the client sent it.
    """

    file: str
    name: str
    path_info: str
    query: str

    @property
    def search_words(self) -> list[str]:
        """The query as arguments, if it is an indexed one (RFC 3875 section 4.4)."""
        if not self.query or "=" in self.query:
            return []
        words = [native(urllib.parse.unquote_to_bytes(word)) for word in self.query.split("+")]
        # The RFC says all or none. A word like "-s" would be an option to the script's interpreter (CVE-2012-1823).
        return [] if any(word.startswith("-") or "\0" in word for word in words) else words


# Variables


# The meta-variables of RFC 3875 section 4.1, and other common ones: a script sees those of its own request, never those
# of a CGI process or a test run that the server itself is part of.
_META_VARIABLE = re.compile(
    "AUTH_TYPE|CONTENT_(LENGTH|TYPE)|GATEWAY_INTERFACE|HTTPS|HTTP_.*|PATH_(INFO|TRANSLATED)|QUERY_STRING"
    "|REMOTE_(ADDR|HOST|IDENT|PORT|USER)|REQUEST_(METHOD|URI)|SCRIPT_(FILENAME|NAME)"
    "|SERVER_(NAME|PORT|PROTOCOL|SOFTWARE)"
)

# Scripts written for http.server may rely on these; in RFC 3875, an empty variable means the same as a missing one.
_ALWAYS_SET = ("CONTENT_LENGTH", "HTTP_ACCEPT", "HTTP_COOKIE", "HTTP_REFERER", "HTTP_USER_AGENT")

# Scripts must not see Authorization (RFC 3875 section 4.1.18), the body's length and type have their own variables, its
# chunks are decoded, and many clients look for a proxy in HTTP_PROXY ("httpoxy", CVE-2016-5385).
_NO_VARIABLE = frozenset(
    ("authorization", "content-length", "content-type", "proxy", "proxy-authorization", "transfer-encoding")
)
# X_Real_IP and X.Real.IP would get the same variable as X-Real-IP.
_UNAMBIGUOUS_NAME = re.compile(r"[A-Za-z0-9-]+")


def inherited_variables() -> dict[str, str]:
    """The server's own environment, without variables that could be mistaken for parts of a request."""
    own = {name: value for name, value in os.environ.items() if not _is_meta_variable(name)}
    own |= dict.fromkeys(_ALWAYS_SET, "")
    return own


@lru_cache(1024)
def _is_meta_variable(name: str) -> bool:
    return _META_VARIABLE.fullmatch(name) is not None


def header_variables(fields: Iterable[Field]) -> dict[str, str]:
    """``HTTP_*`` for each header of a request (RFC 3875 section 4.1.18)."""
    values: dict[str, list[str]] = {}
    for name, value in fields:
        if name.lower() not in _NO_VARIABLE and _UNAMBIGUOUS_NAME.fullmatch(name):
            values.setdefault("HTTP_" + name.upper().replace("-", "_"), []).append(native(value))
    return {name: ("; " if name == "HTTP_COOKIE" else ",").join(several) for name, several in values.items()}


def authorization_variables(value: str) -> dict[str, str]:
    """``AUTH_TYPE`` and, for Basic, ``REMOTE_USER``, as the client claims: nothing here checks them."""
    scheme, _, credentials = value.partition(" ")
    if not grammar.TOKEN.fullmatch(scheme):
        return {}
    if scheme.lower() == "basic":
        with contextlib.suppress(binascii.Error, ValueError):
            user = native(base64.b64decode(credentials.strip(), validate=True).partition(b":")[0])
            if user and user.isprintable():
                return {"AUTH_TYPE": scheme, "REMOTE_USER": user}
    return {"AUTH_TYPE": scheme}


def native(value: str | bytes) -> str:
    """Bytes, or a message's text in ISO-8859-1, as ``os.environ`` spells them."""
    return os.fsdecode(value.encode("latin-1") if isinstance(value, str) else value)


# The head of the output


# RFC 3875 section 6.3: none of these may be repeated; Content-Length frames our response.
_ONCE = ("content-length", "content-type", "location", "status")
# Section 6.3.4: the server alone sets the fields of its connection to the client.
_NOT_SENT = frozenset(("connection", "keep-alive", "proxy-connection", "status", "te", "trailer", "upgrade"))
_STATUS = re.compile(r"([2-9][0-9]{2})(?: (.*))?")
_MOST_DIGITS = 18
# Section 6.2.2: a path, with or without a query. After two slashes, it would be the name of another server.
_LOCAL_PATH = re.compile(r"/(?!/)[\x21\x22\x24-\x7e]*")


class OutputHead(NamedTuple):
    """What the head of a script's output says about the response: its status line, the fields to send, the length of
    the body if announced, and the path of a local redirect."""

    status: int
    reason: str | None
    fields: tuple[Field, ...]
    length: int | None = None
    local: str | None = None


@lru_cache(64)
def parse_output_head(block: bytes, *, strict: bool = False) -> OutputHead:
    """Parse the lines before the blank line (RFC 3875 section 6.3). Without ``strict``, there may be none.

    Raises ScriptError (502).
    """
    try:
        headers = parse_fields(block, bare_lf=True)
    except RequestError as error:
        raise _bad_output(str(error)) from None
    for name in _ONCE:
        if len(headers.get_all(name)) > 1:
            raise _bad_output(f"there is more than one {name.title()}")
    if "transfer-encoding" in headers:
        raise _bad_output("only the server may set Transfer-Encoding (RFC 3875 section 6.3.4)")
    location = headers.get("location")
    if strict and location is None and "content-type" not in headers and "status" not in headers:
        raise _bad_output("there is no Content-Type, Location or Status (RFC 3875 section 6.3)")
    status, reason = _status(headers.get("status"), 302 if location is not None else 200)
    # RFC 9110 section 8.6: a 204 has no Content-Length.
    not_sent = _NOT_SENT if status != HTTPStatus.NO_CONTENT else _NOT_SENT | {"content-length"}
    fields = tuple((name, value) for name, value in headers.fields if name.lower() not in not_sent)
    local = location if len(headers.fields) == 1 and location and _LOCAL_PATH.fullmatch(location) else None
    return OutputHead(status, reason, fields, _length(headers.get("content-length")), local)


def _status(value: str | None, default: int) -> tuple[int, str | None]:
    if value is None:
        return default, None
    match = _STATUS.fullmatch(value)
    if match is None:
        raise _bad_output(f"Status must be a final status code, with or without a reason, not {value!r}")
    return int(match[1]), match[2]


def _length(value: str | None) -> int | None:
    if value is None:
        return None
    if not grammar.DIGITS.fullmatch(value) or len(value) > _MOST_DIGITS:
        raise _bad_output(f"Content-Length is not a number of bytes: {value!r}")
    return int(value)


def _bad_output(detail: str) -> ScriptError:
    return ScriptError(HTTPStatus.BAD_GATEWAY, f"its output is not a CGI response: {detail}")
