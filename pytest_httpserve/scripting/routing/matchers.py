"""Matchers: predicates over requests, each able to say what it wanted and what it got.

Values are compared with ``==``, the expected side first, so that ``mock.ANY`` and ``dirty-equals`` work at any depth; a
compiled pattern matches a text that it finds itself in.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, TypedDict, Unpack

from pytest_httpserve.elsewhere import CRITERIA, called_here
from pytest_httpserve.errors import UsageError
from pytest_httpserve.scripting.record.readable import brief
from pytest_httpserve.scripting.record.request import Request
from pytest_httpserve.scripting.routing.paths import PathPattern
from pytest_httpserve.wire import grammar
from pytest_httpserve.wire.target import target_of

if TYPE_CHECKING:
    from pytest_httpserve.scripting.record.multipart import UploadedFile

ABSENT = "(not there)"


class Check(NamedTuple):
    """One criterion, held against one request; ``part`` is whether the request may have more than was expected."""

    criterion: str
    passed: bool
    expected: object
    got: object
    part: bool = False


class Matcher(ABC):
    """A predicate over requests. Matchers combine: ``a & b``, ``a | b``, ``~a``. Its repr says what it asks for.

    ``runs_code`` is whether it calls code of the test, which may take its time.
    """

    runs_code = False

    @abstractmethod
    def checks(self, request: Request) -> list[Check]:
        """Each criterion with its outcome. All have passed: the request matches."""

    def matches(self, request: Request) -> bool:
        """Whether the request meets every criterion."""
        return all(check.passed for check in self.checks(request))

    def path_params(self, request: Request) -> dict[str, Any]:
        """The parameters in the path of a request that matches."""
        return {}

    def __and__(self, other: Matcher) -> Matcher:
        return AllOf((self, other)) if isinstance(other, Matcher) else NotImplemented

    def __or__(self, other: Matcher) -> Matcher:
        return AnyOf((self, other)) if isinstance(other, Matcher) else NotImplemented

    def __invert__(self) -> Matcher:
        return Not(self)


class Lookup(NamedTuple):
    """What a route is looked up by: its method, the pattern of its path, and the matchers that are left then.

    ``has_further_paths`` is whether there are parameters among these that the path alone does not tell.
    """

    method: str
    pattern: PathPattern | None
    further: tuple[Matcher, ...]
    has_further_paths: bool


class AllOf(Matcher):
    """Meets every one of its parts."""

    def __init__(self, parts: Iterable[Matcher]) -> None:
        self.parts: tuple[Matcher, ...] = sum((criteria(part) for part in parts), ())
        self.runs_code = any(part.runs_code for part in self.parts)

    @cached_property
    def lookup(self) -> Lookup:
        """What a route with this matcher is looked up by."""
        method = "*"
        pattern: PathPattern | None = None
        further = []
        for part in self.parts:
            if isinstance(part, MethodIs) and method == "*":
                method = part.method
            # Of several paths, that which says most: ``match(...) & match(headers=...)`` has one for any path, too.
            elif isinstance(part, PathIs) and (pattern is None or pattern.text == "*"):
                pattern = part.pattern
            elif not (isinstance(part, PathIs) and part.pattern.text == "*"):
                further.append(part)
        return Lookup(method, pattern, tuple(further), any(isinstance(part, PathIs | AnyOf) for part in further))

    def checks(self, request: Request) -> list[Check]:
        return [check for part in self.parts for check in part.checks(request)]

    def matches(self, request: Request) -> bool:
        return all(part.matches(request) for part in self.parts)

    def path_params(self, request: Request) -> dict[str, Any]:
        return {name: value for part in self.parts for name, value in part.path_params(request).items()}

    def __repr__(self) -> str:
        said = [text for text in map(repr, self.parts) if text != "*"]
        return " ".join(said) or "*"


class AnyOf(Matcher):
    """Meets one of its parts at least."""

    def __init__(self, parts: Iterable[Matcher]) -> None:
        self.parts = tuple(parts)
        self.runs_code = any(part.runs_code for part in self.parts)

    def checks(self, request: Request) -> list[Check]:
        branches = [part.checks(request) for part in self.parts]
        for checks in branches:
            if all(check.passed for check in checks):
                return checks
        failed = [next(check for check in checks if not check.passed) for checks in branches]
        return [
            Check(
                "any of " + " | ".join(check.criterion for check in failed),
                False,
                Alternatives([check.expected for check in failed]),
                Alternatives([check.got for check in failed]),
            )
        ]

    def path_params(self, request: Request) -> dict[str, Any]:
        return next((part.path_params(request) for part in self.parts if part.matches(request)), {})

    def __repr__(self) -> str:
        return f"({' | '.join(map(repr, self.parts))})"


class Alternatives(list[object]):
    """Values to be shown with ``or`` between them."""

    def __repr__(self) -> str:
        return " or ".join(map(brief, self))


class Not(Matcher):
    """Meets what its part does not."""

    def __init__(self, part: Matcher) -> None:
        self.part = part
        self.runs_code = part.runs_code

    def checks(self, request: Request) -> list[Check]:
        inner = self.part.checks(request)
        failed = [check for check in inner if not check.passed]
        names = " & ".join(dict.fromkeys(check.criterion for check in inner))
        shown = failed[0] if failed else inner[0]
        return [Check(f"not ({names})", bool(failed), Unequal(shown.expected), shown.got)]

    def __repr__(self) -> str:
        return f"~({self.part!r})"


class Unequal:
    """A value shown as one to differ from."""

    def __init__(self, value: object) -> None:
        self.value = value

    def __repr__(self) -> str:
        return f"anything but {brief(self.value)}"


def same(expected: Any, actual: Any) -> bool:
    """``expected == actual``, and patterns at any depth."""
    if isinstance(expected, re.Pattern):
        return isinstance(actual, type(expected.pattern)) and expected.search(actual) is not None
    if isinstance(expected, dict) and isinstance(actual, dict):
        return expected.keys() == actual.keys() and all(same(expected[key], actual[key]) for key in expected)
    if isinstance(expected, list | tuple) and isinstance(actual, list | tuple):
        return len(expected) == len(actual) and all(map(same, expected, actual))
    return bool(expected == actual)


def contains(expected: Any, actual: Any) -> bool:
    """Whether ``actual`` has all that ``expected`` has: keys of mappings at any depth, all else the same."""
    if isinstance(expected, dict) and isinstance(actual, dict):
        return all(key in actual and contains(value, actual[key]) for key, value in expected.items())
    if isinstance(expected, list) and isinstance(actual, list):
        return len(expected) == len(actual) and all(map(contains, expected, actual))
    return same(expected, actual)


class MethodIs(Matcher):
    """The method, or ``*`` for any."""

    def __init__(self, method: str) -> None:
        self.method = _check_method(method)

    def checks(self, request: Request) -> list[Check]:
        return [Check("method", self.method in ("*", request.sought), self.method, request.method)]

    def __repr__(self) -> str:
        return self.method


class PathIs(Matcher):
    """The path."""

    def __init__(self, path: str | re.Pattern[str]) -> None:
        self.pattern = PathPattern(path)

    def checks(self, request: Request) -> list[Check]:
        target = target_of(request.target)
        passed = self.pattern.match(target.canonical) is not None
        # ``/a%2Fb`` is another path than ``/a/b``, and looks like it when it is decoded.
        got = target.canonical if not passed and "%2F" in target.canonical else request.path
        return [Check("path", passed, Shown(self.pattern.text), Shown(got))]

    def path_params(self, request: Request) -> dict[str, Any]:
        return self.pattern.match(target_of(request.target).canonical) or {}

    def __repr__(self) -> str:
        return self.pattern.text


class Shown(str):
    """A text that is shown without quotes."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


class NoJson(Shown):
    """Why a body is no JSON."""

    __slots__ = ()


class Named(Matcher):
    """Values by name: those of the request's ``query``, ``headers``, ``cookies`` or ``form``, whichever ``kind`` says.
    Names that are not given may have any value; with ``exact``, they must not be there.

    An expected value is a text (or number), None for a name that must not be there, a list for one that stands there
    several times, or anything with an ``==`` of its own.
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
        there = getattr(request, self._kind)
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
        return Check(label, same(expected, got), expected, got)

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
    """The whole query, as it is written behind the question mark."""

    def __init__(self, query: str) -> None:
        self.query = query.removeprefix("?")

    def checks(self, request: Request) -> list[Check]:
        return [Check("query", self.query == request.query_string, self.query, request.query_string)]

    def __repr__(self) -> str:
        return f"query={self.query!r}"


class JsonIs(Matcher):
    """The body as JSON: the whole of it or, with ``part``, what it must contain."""

    def __init__(self, expected: object, *, part: bool = False) -> None:
        if isinstance(expected, bytes | bytearray | set | frozenset):
            raise UsageError(f"no JSON is ever equal to {expected!r}; to compare bytes there is body=")
        self.expected = expected
        self.part = part

    def checks(self, request: Request) -> list[Check]:
        label = "json contains" if self.part else "json"
        got = request.content.once("json to compare with", lambda: _json_of(request))
        if isinstance(got, NoJson):
            return [Check(label, False, self.expected, got)]
        return [Check(label, (contains if self.part else same)(self.expected, got), self.expected, got, self.part)]

    def __repr__(self) -> str:
        return f"{'json_contains' if self.part else 'json'}={self.expected!r}"


def _json_of(request: Request) -> Any:
    """The body as JSON: one value for all that compare with it, none of which changes it."""
    try:
        return request.json()
    except (ValueError, RecursionError) as error:
        return NoJson(f"no JSON ({error}): {brief(request.body)}")


class BodyIs(Matcher):
    """The body: bytes, a text (compared as UTF-8), or a pattern of either that is found in it."""

    def __init__(self, expected: Any) -> None:
        if isinstance(expected, int | float | dict | list | tuple | set):
            raise UsageError(f"body= takes bytes, a text or a pattern, not {expected!r}; for JSON there is json=")
        self.expected = expected

    def checks(self, request: Request) -> list[Check]:
        pattern = self.expected.pattern if isinstance(self.expected, re.Pattern) else self.expected
        got: object = request.body
        if isinstance(pattern, str):
            got = request.content.once("text to compare with", lambda: request.body.decode(errors="replace"))
        return [Check("body", same(self.expected, got), self.expected, got)]

    def __repr__(self) -> str:
        return f"body={self.expected!r}"


class FilesAre(Matcher):
    """Uploaded files by the names of their fields: contents as bytes, text or pattern, or ``(filename, contents)``.

    None is for a field that must not be there, a list for one that is there several times.
    """

    def __init__(self, expected: Mapping[str, Any]) -> None:
        if not isinstance(expected, Mapping):
            raise UsageError(f"files= takes a mapping of field names to contents, not {expected!r}")
        for value in expected.values():
            for one in value if isinstance(value, list) else (value,):
                _check_file(one)
        self.expected = dict(expected)

    def checks(self, request: Request) -> list[Check]:
        files = request.files
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
        return Check(label, same(expected, got), expected, got)

    def __repr__(self) -> str:
        return f"files={self.expected!r}"


def _as_expected(expected: Any, file: UploadedFile) -> Any:
    """The file in the form in which it is expected."""
    wanted = expected[1] if isinstance(expected, tuple) else expected
    pattern = wanted.pattern if isinstance(wanted, re.Pattern) else wanted
    content: Any = file.content.decode(errors="replace") if isinstance(pattern, str) else file.content
    return (file.filename, content) if isinstance(expected, tuple) else content


def _check_file(expected: object) -> None:
    content = expected[1] if isinstance(expected, tuple) and len(expected) == 2 else expected
    if isinstance(content, int | float | dict | list | tuple | set):
        raise UsageError(f"a file in files= is bytes, a text, a pattern, or (filename, one of these), not {expected!r}")


class Where(Matcher):
    """A predicate of the test's own. What it raises is a mismatch that says so."""

    runs_code = True

    def __init__(self, predicate: Callable[[Request], object]) -> None:
        if not callable(predicate):
            raise UsageError(f"where= takes a callable or a matcher, not {predicate!r}")
        self.predicate = predicate
        self._name = getattr(predicate, "__name__", repr(predicate))

    def checks(self, request: Request) -> list[Check]:
        name = self._name
        try:
            verdict = self.predicate(request)
        except Exception as error:  # whatever it raises belongs into the explanation
            return [Check(f"where {name}", False, Shown("a true value"), Shown(f"{type(error).__name__}: {error}"))]
        return [Check(f"where {name}", bool(verdict), Shown("a true value"), verdict)]

    def __repr__(self) -> str:
        return f"where={self._name}"


class Criteria(TypedDict, total=False):
    """The further arguments of ``match``, and of the functions that pass them on."""

    query: Mapping[str, Any] | str | None
    query_exact: Mapping[str, Any] | None
    headers: Mapping[str, Any] | None
    cookies: Mapping[str, Any] | None
    json: Any
    json_contains: Any
    form: Mapping[str, Any] | None
    form_exact: Mapping[str, Any] | None
    files: Mapping[str, Any] | None
    body: bytes | str | re.Pattern[str] | re.Pattern[bytes] | None
    where: Callable[[Request], object] | Matcher | None


# Each criterion by its name. Those of JSON may be None, which is its null; for all others that is: not given.
_CRITERIA: dict[str, Callable[[Any], Matcher]] = {
    "query": lambda given: QueryIs(given) if isinstance(given, str) else Named("query", given),
    "query_exact": lambda given: Named("query", given, exact=True),
    "headers": lambda given: Named("headers", given),
    "cookies": lambda given: Named("cookies", given),
    "form": lambda given: Named("form", given),
    "form_exact": lambda given: Named("form", given, exact=True),
    "files": lambda given: FilesAre(given),
    "json": lambda given: JsonIs(given),
    "json_contains": lambda given: JsonIs(given, part=True),
    "body": lambda given: BodyIs(given),
    "where": lambda given: given if isinstance(given, Matcher) else Where(given),
}

# Of each of these, one says all of it, the other what must be there.
_WHOLES = (("json", "json_contains", "body"), ("query_exact", "query", "query"), ("form_exact", "form", "form"))


def match(method: str = "*", path: str | re.Pattern[str] = "*", **criteria: Unpack[Criteria]) -> Matcher:
    """A matcher for requests that meet all that is given.

    ``query``, ``headers``, ``cookies`` and ``form`` name values that must be there (None: must not be there, a list:
    repeated), ``query_exact`` and ``form_exact`` all that may be there; a str as ``query`` is the whole query.
    ``json`` is the whole body, ``json_contains`` what it must contain. ``body`` is bytes, text or a pattern; ``files``
    the contents of uploads by field. ``where`` is a predicate of your own or another matcher. Raises UsageError for a
    wrong value.
    """
    make = _target if isinstance(method, str) and isinstance(path, str) else _target.__wrapped__
    target = make(method, path)
    if not criteria:
        return target
    for whole, part, of in _WHOLES:
        if whole in criteria and part in criteria:
            raise UsageError(f"{whole}= is the whole {of}, {part}= a part of it: give one of them")
    return AllOf([target, *(_CRITERIA[name](value) for name, value in _given(criteria).items())])


@lru_cache(1024)
def _target(method: str, path: str | re.Pattern[str]) -> AllOf:
    return AllOf((MethodIs(method), PathIs(path)))


def _given(criteria: Criteria) -> dict[str, object]:
    """The criteria that say something. Raises UsageError for one that there is not."""
    for name in criteria:
        if name not in _CRITERIA:
            if hint := called_here(name, CRITERIA):
                raise UsageError(f"there is no criterion {name}={hint}")
            raise UsageError(f"there is no criterion {name}=; there are {', '.join(f'{one}=' for one in _CRITERIA)}")
    return {name: value for name, value in criteria.items() if value is not None or name.startswith("json")}


def as_matcher(method: str | Matcher, path: str | re.Pattern[str], criteria: Criteria) -> Matcher:
    """A matcher of what was given: itself, or all else. Raises UsageError for a matcher and more beside it."""
    if isinstance(method, str) or not isinstance(method, Matcher):
        return match(method, path, **criteria)
    beside = ["a path"] if path != "*" else [f"{name}=" for name in _given(criteria)]
    if beside:
        raise UsageError(
            f"a matcher is the whole of what is asked for; for {beside[0]} beside it, write matcher & match(...)"
        )
    return method


def basic_auth(user: str, password: str) -> Matcher:
    """Requests with these credentials by the Basic scheme (RFC 7617)."""
    if not isinstance(user, str) or not isinstance(password, str) or ":" in user:
        raise UsageError(f"basic_auth() takes a name without a colon, and a password; not {user!r}, {password!r}")
    token = b64encode(f"{user}:{password}".encode()).decode("ascii")
    return _authorization("Basic", token)


def bearer(token: str) -> Matcher:
    """Requests with this token by the Bearer scheme (RFC 6750)."""
    if not isinstance(token, str) or not token:
        raise UsageError(f"bearer() takes the token as a str, not {token!r}")
    return _authorization("Bearer", token)


def _authorization(scheme: str, credentials: str) -> Matcher:
    # RFC 9110 section 11.1: the scheme is the same in small letters, the credentials are not.
    expected = re.compile(rf"\A(?i:{scheme}) +{re.escape(credentials)}\Z")
    return Named("headers", {"Authorization": expected})


def _check_method(method: str) -> str:
    if isinstance(method, list | tuple | set):
        raise UsageError(f"one method, or '*' for any, not {method!r}: for several, combine match(...) | match(...)")
    if not isinstance(method, str) or not grammar.TOKEN.fullmatch(method):
        first = "; it comes first, the path follows it" if "/" in str(method) else ""
        raise UsageError(f"a method is a word such as GET, or '*' for any, not {method!r}{first}")
    if method != method.upper():
        raise UsageError(f"methods are case-sensitive, and {method!r} is none that is in use: {method.upper()!r}?")
    return method


def criteria(matcher: Matcher) -> tuple[Matcher, ...]:
    """The parts of a matcher that must all be met."""
    return matcher.parts if isinstance(matcher, AllOf) else (matcher,)
