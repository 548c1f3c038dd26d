"""Which requests get a recorded answer."""

from __future__ import annotations

import hashlib
import json
import urllib.parse
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

from pytest_httpserve.arguments import check_plain
from pytest_httpserve.errors import UsageError
from pytest_httpserve.scripting.record.coding import decoded
from pytest_httpserve.scripting.record.multipart import parse_multipart
from pytest_httpserve.scripting.record.request import Body, Request
from pytest_httpserve.scripting.recordings.entry import MOST_INLINE_BYTES, Digest, Entry, field_of, origin_and_rest
from pytest_httpserve.scripting.recordings.secrets import Redaction
from pytest_httpserve.scripting.routing.matchers import AllOf, Check, Matcher, MethodIs, PathIs, Where
from pytest_httpserve.wire.headers import Headers
from pytest_httpserve.wire.target import canonical_path

Function = Callable[[Request, Request], object]  # called with a request and the recorded one
MatchArgument = str | Function | Iterable[str | Function] | None

QueryKey = tuple[tuple[str, str], ...]

PARTS = ("method", "path", "query", "body")
_PIECE_BYTES = 1 << 16


@dataclass(frozen=True)
class Matching:
    """What a request and a recorded one must have in common: the ``parts``, and whatever the ``functions`` check.

    Values that are redacted in the recording are not compared.
    """

    parts: frozenset[str]
    functions: tuple[Function, ...]
    redaction: Redaction

    @classmethod
    def of(cls, given: MatchArgument, redaction: Redaction) -> Matching:
        """Make one from ``match=``. Raises UsageError for anything but parts and functions."""
        if given is None:
            return cls(frozenset(PARTS), (), redaction)
        all_given = (given,) if isinstance(given, str) or callable(given) else given
        parts: set[str] = set()
        functions: list[Function] = []
        for one in all_given if isinstance(all_given, Iterable) else (all_given,):
            if isinstance(one, str) and one in PARTS:
                parts.add(one)
            elif callable(one) and not isinstance(one, str):
                check_plain("match=", one)
                functions.append(one)
            else:
                raise UsageError(
                    f"match= takes some of {', '.join(PARTS)}, and functions of a request and a recorded one, "
                    f"not {one!r}"
                )
        # With functions alone, they check everything but the method.
        return cls(frozenset(parts or ("method",)), tuple(functions), redaction)

    def key(self, entry: Entry) -> tuple[object, ...]:
        """A key that is the same for entries that answer the same requests, one after the other."""
        origin, target = origin_and_rest(entry.url)
        path, _, query = target.partition("?")
        asked: list[object] = [origin]
        if "method" in self.parts:
            asked.append(entry.method)
        if "path" in self.parts or self.functions:
            asked.append(canonical_path(path))
        if "query" in self.parts or self.functions:
            asked.append(query and query_key(query, self.redaction))
        if ("body" in self.parts or self.functions) and entry.request_body is not None:
            asked.append(repr(_recorded_body(entry, self.redaction)))
        return tuple(asked)

    def matcher(self, entry: Entry) -> Matcher:
        """A matcher for requests like the recorded one."""
        target = origin_and_rest(entry.url)[1]
        path, _, query = target.partition("?")
        wanted: list[Matcher] = [
            _method(entry.method if "method" in self.parts else "*"),
            PathIs(_plain(path) if "path" in self.parts else "*"),
        ]
        if "query" in self.parts:
            wanted.append(RecordedQuery(query, self.redaction))
        if "body" in self.parts and entry.request_body is not None:
            wanted.append(RecordedBody(_recorded_body(entry, self.redaction), self.redaction))
        wanted += [_asking(function, entry, target) for function in self.functions]
        return AllOf(wanted)


# Most entries of a recording have the same method.
_method = lru_cache(64)(MethodIs)


def _plain(path: str) -> str:
    """A path in which nothing is taken for a parameter."""
    return canonical_path(path).replace("/:", "/%3A").replace("*", "%2A")


def _asking(function: Function, entry: Entry, target: str) -> Where:
    body = entry.request_body
    content = Body.of(body) if isinstance(body, bytes) else Body.of(b"")
    recorded = Request(entry.method, target, Headers(entry.request_fields), (1, 1), ("", 0), content)

    def like_recorded(request: Request) -> object:
        return function(request, recorded)

    like_recorded.__name__ = f"match {getattr(function, '__name__', repr(function))}"
    return Where(like_recorded)


class RecordedQuery(Matcher):
    """The query of a recorded request: names and values in any order, without the values of secrets."""

    def __init__(self, query: str, redaction: Redaction) -> None:
        self._query = query
        self._redaction = redaction

    @cached_property
    def _key(self) -> QueryKey:
        return query_key(self._query, self._redaction)

    def takes(self, query: str) -> bool:
        """Whether a query has the same names and values."""
        return query == self._query or self._redaction.once(query, query_key) == self._key

    def checks(self, request: Request) -> list[Check]:
        got = query_key(request.query_string, self._redaction)
        if not got and not self._key:  # nothing to report
            return []
        return [Check("recorded query", got == self._key, dict(self._key), dict(got))]

    def __repr__(self) -> str:
        return f"?{self._query}" if self._query else "*"


class RecordedBody(Matcher):
    """The body of a recorded request, compared as JSON or a form if possible, without the values of secrets."""

    def __init__(self, expected: object, redaction: Redaction) -> None:
        self._expected = expected
        self._redaction = redaction

    def checks(self, request: Request) -> list[Check]:
        redaction = self._redaction
        got = request.content.once(("recorded", redaction), lambda: body_of(request, redaction))
        return [Check("recorded body", got == self._expected, self._expected, got)]

    def __repr__(self) -> str:
        return "*"


def query_key(query: str, redaction: Redaction) -> QueryKey:
    """The names and values of a query, sorted and without secrets."""
    pairs = urllib.parse.parse_qsl(query, keep_blank_values=True)
    return tuple(sorted((name, redaction.parameter(name, value)) for name, value in pairs))


def _recorded_body(entry: Entry, redaction: Redaction) -> object:
    body = entry.request_body
    if not isinstance(body, bytes):
        return body
    return comparable(body, field_of(entry.request_fields, "content-type"), redaction)


def body_of(request: Request, redaction: Redaction) -> object:
    """The body of a request, in the form in which it is compared with recorded ones."""
    if request.content.size > MOST_INLINE_BYTES:
        return digest_of(request.content)
    return comparable(plain_body(request.body, request.headers), request.headers.get("content-type", ""), redaction)


def plain_body(body: bytes, headers: Mapping[str, str]) -> bytes:
    """A body, decoded if possible."""
    try:
        return decoded(body, headers.get("content-encoding", ""))
    except ValueError:
        return body


def digest_of(body: Body) -> Digest:
    """What a recording keeps of a large body."""
    digest = hashlib.sha256()
    read = body.reader()
    while piece := read(_PIECE_BYTES):
        digest.update(piece)
    return Digest(digest.hexdigest(), body.size)


def comparable(body: bytes, content_type: str, redaction: Redaction) -> object:
    """A body as a value to compare, which ignores order and spelling where they do not matter, without secrets."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "application/x-www-form-urlencoded":
        pairs = urllib.parse.parse_qsl(body.decode("latin-1"), keep_blank_values=True)
        return sorted([name, redaction.named(name, value)] for name, value in pairs)
    if kind == "multipart/form-data":
        return _parts(redaction.body(body, content_type), content_type)
    if body[:1] in (b"{", b"[") or kind.endswith(("/json", "+json")):
        try:
            known: Any = redaction.json(json.loads(body))
        except ValueError:
            return body
        return known
    return body


def _parts(body: bytes, content_type: str) -> object:
    """A multipart form without its boundary, which is different each time."""
    try:
        parts = parse_multipart(content_type, body)
    except ValueError:
        return body
    return [(part.name, part.filename, part.content_type, part.content) for part in parts]
