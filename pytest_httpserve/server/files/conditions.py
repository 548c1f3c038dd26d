"""The conditions and content codings in a request for a file (RFC 9110 sections 12 and 13)."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import NamedTuple, Protocol

from pytest_httpserve.server.dates import parse_http_date
from pytest_httpserve.server.files.ranges import parse_ranges

# The content codings of precompressed files, best first, each with its file name suffix.
CODINGS = {"br": ".br", "zstd": ".zst", "gzip": ".gz"}


class RequestHeaders(Protocol):
    """Headers, of any of the classes in use."""

    def get(self, name: str, /) -> str | None: ...


class Validators(NamedTuple):
    """What identifies one state of a representation: a strong entity tag, and the time of its last change (seconds)."""

    etag: str
    modified: int


def evaluate(headers: RequestHeaders, validators: Validators, *, any_matches: bool) -> HTTPStatus | None:
    """Evaluate the conditions of a GET or HEAD in order (RFC 9110 section 13.2.2): 304 or 412, None if all are met.

    ``any_matches`` is whether ``If-None-Match: *`` counts as in RFC 9110, or is ignored as in ``http.server``.
    """
    if (value := headers.get("If-Match")) is not None:
        if value.strip() != "*" and not _names(value, validators.etag, weak=False):
            return HTTPStatus.PRECONDITION_FAILED
    elif (value := headers.get("If-Unmodified-Since")) is not None:
        date = parse_http_date(value)
        if date is not None and validators.modified > date:
            return HTTPStatus.PRECONDITION_FAILED
    if (value := headers.get("If-None-Match")) is not None:
        if any_matches if value.strip() == "*" else _names(value, validators.etag, weak=True):
            return HTTPStatus.NOT_MODIFIED
    elif unmodified_since(headers, validators.modified):
        return HTTPStatus.NOT_MODIFIED
    return None


def unmodified_since(headers: RequestHeaders, modified: int) -> bool:
    """Whether the request asks only for a file modified since a date, and it was not (``modified`` is in seconds)."""
    value = headers.get("If-Modified-Since")
    date = parse_http_date(value) if value is not None else None
    return date is not None and modified <= date


def wanted_ranges(headers: RequestHeaders, validators: Validators, size: int) -> list[range] | None:
    """The ranges of ``size`` bytes that a GET asks for; None for all bytes, empty if no range lies within them."""
    value = headers.get("Range")
    if value is None:
        return None
    if (condition := headers.get("If-Range")) is not None:
        condition = condition.strip()
        # A weak tag never matches here, a date only exactly (RFC 9110 section 13.1.5).
        wanted = validators.etag if '"' in condition else validators.modified
        if (condition if '"' in condition else parse_http_date(condition)) != wanted:
            return None
    return parse_ranges(value, size)


def _names(value: str, etag: str, *, weak: bool) -> bool:
    """Whether a list of entity tags includes this one (RFC 9110 section 8.8.3.2)."""
    for tag in value.split(","):
        tag = tag.strip()
        if tag == etag or (weak and tag == f"W/{etag}"):
            return True
    return False


def accepted_codings(headers: RequestHeaders) -> list[str]:
    """Those of CODINGS that the client accepts, in its order of preference (RFC 9110 section 12.5.3)."""
    weights: dict[str, float] = {}
    for element in (headers.get("Accept-Encoding") or "").split(","):
        name, *parameters = element.split(";")
        weights[name.strip().lower()] = _weight(parameters)
    rest = weights.get("*", 0.0)
    wanted = {coding: weights.get(coding, rest) for coding in CODINGS}
    least = weights.get("identity", 0.0)  # a client may prefer the file as it is
    return sorted(
        (coding for coding in CODINGS if wanted[coding] > 0 and wanted[coding] >= least),
        key=lambda coding: -wanted[coding],
    )


def _weight(parameters: list[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0


def matching_headers(patterns: Mapping[str, Mapping[str, str]], path: str) -> dict[str, tuple[str, str]]:
    """The headers of all patterns that match ``path``, by their names in lower case; a later pattern overrides an
    earlier one. A slash at the beginning of a pattern is ignored."""
    from fnmatch import fnmatchcase

    found: dict[str, tuple[str, str]] = {}
    for pattern, headers in patterns.items():
        if fnmatchcase(path, pattern.removeprefix("/")):
            found |= {name.lower(): (name, value) for name, value in headers.items()}
    return found
