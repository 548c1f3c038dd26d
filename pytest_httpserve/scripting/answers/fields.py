"""Header fields that a test gives. Those that cannot be sent are refused at once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from pytest_httpserve.errors import UsageError
from pytest_httpserve.wire import grammar
from pytest_httpserve.wire.head import check_field
from pytest_httpserve.wire.headers import Field

HeadersArgument = Mapping[str, str | int] | Sequence[tuple[str, str | int]]


def check_headers(headers: HeadersArgument | None, given: str = "headers=") -> tuple[Field, ...]:
    """Headers as pairs. Raises UsageError, which names ``given``, for headers that cannot be sent."""
    if headers is None:
        return ()
    if isinstance(headers, str | bytes) or not isinstance(headers, Iterable):
        raise UsageError(f"{given} takes a mapping or pairs of name and value, not {headers!r}")
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    fields = []
    for pair in pairs:
        if not (isinstance(pair, tuple) and len(pair) == 2):
            raise UsageError(f"{given} takes a mapping or pairs of name and value, not {pair!r}")
        name, value = pair
        if not isinstance(name, str) or isinstance(value, bool) or not isinstance(value, str | int):
            raise UsageError(f"a header must be a name with a str or a number, not {pair!r}")
        try:
            check_field(name, str(value))
        except ValueError as error:
            raise UsageError(str(error)) from None
        if name.lower() == "transfer-encoding":
            raise UsageError("the server sets Transfer-Encoding itself: give the body, not its framing")
        fields.append((name, str(value)))
    return tuple(fields)


def cookie_fields(cookies: Mapping[str, str]) -> tuple[Field, ...]:
    """A Set-Cookie header for each cookie. Raises UsageError for an impossible one, or if this is no mapping."""
    if not isinstance(cookies, Mapping):
        raise UsageError(f"cookies= takes a mapping of names to values, not {cookies!r}")
    return tuple(set_cookie(*pair) for pair in cookies.items())


def set_cookie(
    name: str,
    value: str,
    *,
    path: str | None = None,
    domain: str | None = None,
    max_age: int | None = None,
    expires: str | None = None,
    secure: bool = False,
    httponly: bool = False,
    samesite: str | None = None,
) -> Field:
    """A Set-Cookie header (RFC 6265 section 4.1) for ``headers=[...]``. ``max_age`` is in seconds.

    Raises UsageError for a name, a value or an attribute that a cookie cannot have. To send an invalid cookie all the
    same, use ``headers=[("Set-Cookie", ...)]``.
    """
    if not grammar.TOKEN.fullmatch(str(name)) or not _COOKIE_VALUE.fullmatch(str(value)):
        raise UsageError(f"no cookie can have the name {name!r} and the value {value!r}")
    attributes = {"Path": path, "Domain": domain, "Max-Age": max_age, "Expires": expires, "SameSite": samesite}
    given = {key: str(value) for key, value in attributes.items() if value is not None}
    for key, text in given.items():
        if not _COOKIE_ATTRIBUTE.fullmatch(text):
            raise UsageError(f"no cookie can have {key}={text!r}")
    parts = [f"{name}={value}", *(f"{key}={text}" for key, text in given.items())]
    parts += [flag for flag, is_given in (("Secure", secure), ("HttpOnly", httponly)) if is_given]
    return "Set-Cookie", "; ".join(parts)


# RFC 6265 section 4.1.1: cookie-value, in quotes or not; path-value
_COOKIE_OCTETS = r"[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]*"
_COOKIE_VALUE = re.compile(rf'{_COOKIE_OCTETS}|"{_COOKIE_OCTETS}"')
_COOKIE_ATTRIBUTE = re.compile(r"[\x20-\x3a\x3c-\x7e]*")
