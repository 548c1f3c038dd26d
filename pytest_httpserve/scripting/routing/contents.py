"""Matchers for the contents of a request: its query, fields and body."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from pytest_httpserve.errors import UsageError
from pytest_httpserve.scripting.record.readable import brief
from pytest_httpserve.scripting.record.request import Request
from pytest_httpserve.scripting.routing.comparing import ABSENT, Shown, contains, same
from pytest_httpserve.scripting.routing.matchers import Check, Matcher, held
from pytest_httpserve.wire import grammar

if TYPE_CHECKING:
    from pytest_httpserve.scripting.record.multipart import UploadedFile


ReadT = TypeVar("ReadT")


def read(part: Callable[[], ReadT]) -> ReadT | Shown:
    """A part of the request or, if it cannot be read, what is wrong with it."""
    try:
        return part()
    except ValueError as error:
        return Shown(str(error))


def _type_of(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


_FORM, _MULTIPART = "application/x-www-form-urlencoded", "multipart/form-data"


def _sent_otherwise(request: Request, *types: str) -> Shown | None:
    """Say that a body was sent as none of ``types``. None if it was sent as one of them, or is empty."""
    if _type_of(request) in types or not request.body:
        return None
    sent_as = request.headers.get("content-type", "no type")
    return Shown(f"not sent as {types[0]}, but as {sent_as}: {brief(request.body)}")


class Named(Matcher):
    """Values by name: those of the request's ``query``, ``headers``, ``cookies`` or ``form``, as ``kind`` says. Other
    names may have any value; with ``exact``, they must not be there.

    An expected value is a str or a number, None for a name that must not be there, a list for a name that is repeated,
    or any object with its own ``==``.
    """

    def __init__(self, kind: str, expected: Mapping[str, Any], *, exact: bool = False) -> None:
        self._said = f"{kind}_exact" if exact else kind
        if not isinstance(expected, Mapping) or not all(isinstance(name, str) for name in expected):
            raise UsageError(f"{self._said}= takes a mapping of names to values, not {expected!r}")
        for name in expected:
            if kind == "headers" and not grammar.TOKEN.fullmatch(name):
                raise UsageError(f"no header can be called {name!r}")
        self._kind = kind
        self._exact = exact
        self._expected = {name: _as_text(kind, value) for name, value in expected.items()}

    def checks(self, request: Request) -> list[Check]:
        there: Any = read(lambda: getattr(request, self._kind))
        if self._kind == "form" and (self._exact or any(value is not None for value in self._expected.values())):
            there = _sent_otherwise(request, _FORM, _MULTIPART) or there
        if isinstance(there, Shown):
            return [Check(self._kind, False, self._expected, there)]
        checks = [self._check(name, expected, there.get_all(name)) for name, expected in self._expected.items()]
        if self._exact:
            others = [name for name in there if name not in self._expected]
            checks.append(
                Check(f"nothing else in {self._kind}", not others, Shown("nothing"), others or Shown("nothing"))
            )
        return checks

    def _check(self, name: str, expected: Any, values: list[str]) -> Check:
        label = f"{self._kind.removesuffix('s')} {name}"
        if expected is None:
            return Check(label, not values, Shown(ABSENT), values[0] if len(values) == 1 else values or Shown(ABSENT))
        if not values:
            return Check(label, False, expected, Shown(ABSENT))
        got: Any = values[0] if len(values) == 1 and not isinstance(expected, list) else values
        return held(label, expected, got, lambda: same(expected, got))

    def __repr__(self) -> str:
        return f"{self._said}={self._expected!r}"


def _as_text(kind: str, value: Any) -> Any:
    if isinstance(value, bool):
        raise UsageError(f"{kind}= compares texts: write {str(value).lower()!r} or {int(value)}, not {value!r}")
    pattern = value.pattern if isinstance(value, re.Pattern) else value
    if isinstance(pattern, bytes | bytearray | dict | set):
        raise UsageError(f"{kind}= compares texts: write a str or a pattern of str, not {value!r}")
    if isinstance(value, list | tuple):
        if not value:
            raise UsageError(f"{kind}= takes None for a name that must not be there, not {value!r}")
        return [_as_text(kind, element) for element in value]
    return str(value) if isinstance(value, int | float) else value


class QueryIs(Matcher):
    """The whole query, as it was sent after the question mark."""

    def __init__(self, query: str) -> None:
        self.query: str = query.removeprefix("?")

    def checks(self, request: Request) -> list[Check]:
        return [Check("query", self.query == request.query_string, self.query, request.query_string)]

    def __repr__(self) -> str:
        return f"query={self.query!r}"


class JsonIs(Matcher):
    """The body as JSON: all of it or, with ``part``, what it must contain.

    Its media type must be one for JSON, unless ``any_type`` is true: real servers refuse any other type.
    """

    def __init__(self, expected: object, *, part: bool = False, any_type: bool = False) -> None:
        if isinstance(expected, bytes | bytearray | set | frozenset):
            raise UsageError(f"no JSON is ever equal to {expected!r}; to compare bytes use body=")
        self.expected = expected
        self.part = part
        self.any_type = any_type

    def checks(self, request: Request) -> list[Check]:
        label = "json contains" if self.part else "json"
        got = request.content.once("json to compare with", lambda: _json_of(request))
        if not self.any_type and not _is_json_type(sent_as := request.headers.get("content-type", "")):
            got = NoJson(f"not sent as application/json in UTF-8, but as {sent_as or 'no type'}: {brief(request.body)}")
        if isinstance(got, NoJson):
            return [Check(label, False, self.expected, got)]
        equal = contains if self.part else same
        return [held(label, self.expected, got, lambda: equal(self.expected, got), part=self.part)]

    def __repr__(self) -> str:
        return f"{'json_contains' if self.part else 'json'}={self.expected!r}"


class NoJson(Shown):
    """Why a body is not JSON."""

    __slots__ = ()


def _json_of(request: Request) -> Any:
    """The body as JSON: one value for all matchers, none of which changes it."""
    try:
        # RFC 8259 section 8.1: UTF-8 without a byte order mark.
        return json.loads(request.decoded.decode(), object_pairs_hook=_object)
    except (ValueError, RecursionError) as error:
        return NoJson(f"not JSON ({error}): {brief(request.body)}")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse an object that repeats a key: of two values with one key, parsers disagree which one counts."""
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {brief(twice)} occurs more than once")
    return found


_JSON_TYPE = re.compile(r"application/json|[^/;\s]+/[^/;\s]+\+json", re.IGNORECASE)
_CHARSET = re.compile(r""";\s*charset\s*=\s*"?([^";\s]*)""", re.IGNORECASE)


def _is_json_type(value: str) -> bool:
    """Whether this is a media type for JSON (RFC 8259 section 11, RFC 6839 section 3.1), in UTF-8."""
    charset = _CHARSET.search(value)
    is_utf_8 = charset is None or charset[1].lower() in ("utf-8", "utf8")
    return is_utf_8 and _JSON_TYPE.fullmatch(value.partition(";")[0].strip()) is not None


class TypeIs(Matcher):
    """The media type without its parameters: a str, a pattern to find in it, or an object with its own ``==``."""

    def __init__(self, expected: Any) -> None:
        if isinstance(expected, str):
            if ";" in expected or "/" not in expected:
                raise UsageError(
                    f"content_type= must be a media type such as 'text/plain', without parameters, not {expected!r}; "
                    "for the whole field use headers={'Content-Type': ...}"
                )
            expected = expected.lower()
        elif isinstance(expected, bool | int | float | bytes | list | dict):
            raise UsageError(f"content_type= must be a media type such as 'text/plain', not {expected!r}")
        self.expected = expected

    def checks(self, request: Request) -> list[Check]:
        field = request.headers.get("content-type")
        got: object = Shown(ABSENT) if field is None else field.partition(";")[0].strip().lower()
        return [held("content type", self.expected, got, lambda: field is not None and same(self.expected, got))]

    def __repr__(self) -> str:
        return f"content_type={self.expected!r}"


class BodyIs(Matcher):
    """The body: bytes, a str (compared as UTF-8), or a pattern of either to find in it."""

    def __init__(self, expected: Any) -> None:
        if isinstance(expected, int | float | dict | list | tuple | set):
            raise UsageError(f"body= takes bytes, a text or a pattern, not {expected!r}; for JSON use json=")
        self.expected = expected

    def checks(self, request: Request) -> list[Check]:
        pattern = self.expected.pattern if isinstance(self.expected, re.Pattern) else self.expected
        got: object = request.body
        if isinstance(pattern, str):
            got = request.content.once(
                "text to compare with", lambda: read(lambda: request.decoded.decode(errors="replace"))
            )
            if isinstance(got, Shown):
                return [Check("body", False, self.expected, got)]
        return [held("body", self.expected, got, lambda: same(self.expected, got))]

    def __repr__(self) -> str:
        return f"body={self.expected!r}"


class FilesAre(Matcher):
    """Uploaded files by field name: contents as bytes, str or pattern, or ``(filename, contents)``.

    None is for a field that must not be there, a list for a field that is repeated.
    """

    def __init__(self, expected: Mapping[str, Any]) -> None:
        if not isinstance(expected, Mapping):
            raise UsageError(f"files= takes a mapping of field names to contents, not {expected!r}")
        for value in expected.values():
            for one in value if isinstance(value, list) else (value,):
                _check_file(one)
        self.expected: dict[str, Any] = dict(expected)

    def checks(self, request: Request) -> list[Check]:
        files = read(lambda: request.files)
        if any(value is not None for value in self.expected.values()):
            files = _sent_otherwise(request, _MULTIPART) or files
        if isinstance(files, Shown):
            return [Check("files", False, self.expected, files)]
        return [self._check(name, expected, files.get_all(name)) for name, expected in self.expected.items()]

    def _check(self, name: str, expected: Any, files: list[UploadedFile]) -> Check:
        label = f"file {name}"
        if expected is None:
            return Check(label, not files, Shown(ABSENT), [file.filename for file in files] or Shown(ABSENT))
        if not files:
            return Check(label, False, expected, Shown(ABSENT))
        wanted = expected if isinstance(expected, list) else [expected] * len(files)
        got: Any = [_as_expected(*pair) for pair in zip(wanted, files, strict=False)]
        got += [(file.filename, file.content) for file in files[len(wanted) :]]
        if len(got) == 1 and not isinstance(expected, list):
            got = got[0]
        return held(label, expected, got, lambda: same(expected, got))

    def __repr__(self) -> str:
        return f"files={self.expected!r}"


def _as_expected(expected: Any, file: UploadedFile) -> Any:
    """The file in the same form as the expected value."""
    wanted = expected[1] if isinstance(expected, tuple) else expected
    pattern = wanted.pattern if isinstance(wanted, re.Pattern) else wanted
    content: Any = file.content.decode(errors="replace") if isinstance(pattern, str) else file.content
    return (file.filename, content) if isinstance(expected, tuple) else content


def _check_file(expected: object) -> None:
    content = expected[1] if isinstance(expected, tuple) and len(expected) == 2 else expected
    if isinstance(content, int | float | dict | list | tuple | set):
        allowed = "bytes, a text, a pattern, or (filename, one of these)"
        raise UsageError(f"a file in files= must be {allowed}, not {expected!r}")
