"""Matchers: predicates over requests that can say what they expected and what they got."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Any, NamedTuple

from pytest_httpserve.arguments import check_plain
from pytest_httpserve.errors import UsageError
from pytest_httpserve.scripting.record.readable import brief
from pytest_httpserve.scripting.record.request import Request
from pytest_httpserve.scripting.routing.comparing import Shown
from pytest_httpserve.scripting.routing.paths import PathPattern
from pytest_httpserve.wire import grammar
from pytest_httpserve.wire.target import target_of


class Check(NamedTuple):
    """The result of one criterion for one request. With ``part``, the request may have more than was expected.

    ``error`` is the exception of the test's own code, if it raised one instead of giving a result.
    """

    criterion: str
    passed: bool
    expected: object
    got: object
    part: bool = False
    error: BaseException | None = None


def held(criterion: str, expected: object, got: object, met: Callable[[], object], *, part: bool = False) -> Check:
    """Check a criterion by calling ``met``, which may be code of the test. What it raises is kept and shown."""
    try:
        return Check(criterion, bool(met()), expected, got, part)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # pytest.fail() raises no Exception
        return Check(criterion, False, expected, Shown(f"{type(error).__name__}: {error}"), part, error)


class Matcher(ABC):
    """A predicate over requests. Matchers combine: ``a & b``, ``a | b``, ``~a``. The repr says what it expects.

    ``runs_code`` says whether it calls code of the test, which may be slow.
    """

    runs_code = False

    @abstractmethod
    def checks(self, request: Request) -> list[Check]:
        """The result of each criterion. The request matches if all have passed."""

    def matches(self, request: Request) -> bool:
        """Whether the request meets every criterion. Raises what code of the test raises."""
        for check in self.checks(request):
            if check.error is not None:
                raise check.error
            if not check.passed:
                return False
        return True

    def path_params(self, request: Request) -> dict[str, Any]:
        """The path parameters of a request that matches."""
        return {}

    def __and__(self, other: Matcher) -> Matcher:
        return AllOf((self, other)) if isinstance(other, Matcher) else NotImplemented

    def __or__(self, other: Matcher) -> Matcher:
        return AnyOf((self, other)) if isinstance(other, Matcher) else NotImplemented

    def __invert__(self) -> Matcher:
        return Not(self)


class Lookup(NamedTuple):
    """How to look a route up: by its method, by the pattern of its path, and then by its ``further`` matchers.

    ``has_further_paths`` says whether ``further`` may have path parameters that ``pattern`` does not have.
    """

    method: str
    pattern: PathPattern | None
    further: tuple[Matcher, ...]
    has_further_paths: bool


class AllOf(Matcher):
    """Matches if every part matches."""

    def __init__(self, parts: Iterable[Matcher]) -> None:
        self.parts: tuple[Matcher, ...] = sum((criteria(part) for part in parts), ())
        self.runs_code: bool = any(part.runs_code for part in self.parts)

    @cached_property
    def lookup(self) -> Lookup:
        """How to look up a route with this matcher."""
        method = "*"
        pattern: PathPattern | None = None
        further = []
        for part in self.parts:
            if isinstance(part, MethodIs) and method == "*":
                method = part.method
            # Take the most specific path: ``match(...) & match(headers=...)`` also has one that is ``*``.
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
    """Matches if at least one part matches."""

    def __init__(self, parts: Iterable[Matcher]) -> None:
        self.parts: tuple[Matcher, ...] = tuple(parts)
        self.runs_code: bool = any(part.runs_code for part in self.parts)

    def checks(self, request: Request) -> list[Check]:
        branches = [part.checks(request) for part in self.parts]
        for checks in branches:
            if raised := [check for check in checks if check.error is not None]:
                return raised
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
    """Values that are shown with ``or`` between them."""

    def __repr__(self) -> str:
        return " or ".join(map(brief, self))


class Not(Matcher):
    """Matches if its part does not."""

    def __init__(self, part: Matcher) -> None:
        self.part = part
        self.runs_code: bool = part.runs_code

    def checks(self, request: Request) -> list[Check]:
        inner = self.part.checks(request)
        failed = [check for check in inner if not check.passed]
        if raised := [check for check in failed if check.error is not None]:
            return raised
        names = " & ".join(dict.fromkeys(check.criterion for check in inner))
        shown = failed[0] if failed else inner[0]
        return [Check(f"not ({names})", bool(failed), Unequal(shown.expected), shown.got)]

    def __repr__(self) -> str:
        return f"~({self.part!r})"


class Unequal:
    """A value that is shown as ``anything but`` it."""

    def __init__(self, value: object) -> None:
        self.value = value

    def __repr__(self) -> str:
        return f"anything but {brief(self.value)}"


class MethodIs(Matcher):
    """The method, or ``*`` for any."""

    def __init__(self, method: str) -> None:
        self.method: str = _check_method(method)

    def checks(self, request: Request) -> list[Check]:
        return [Check("method", self.method in ("*", request.sought), self.method, request.method)]

    def __repr__(self) -> str:
        return self.method


class PathIs(Matcher):
    """The path."""

    def __init__(self, path: str | re.Pattern[str]) -> None:
        self.pattern: PathPattern = PathPattern(path)

    def checks(self, request: Request) -> list[Check]:
        target = target_of(request.target)
        passed = self.pattern.match(target.canonical) is not None
        # ``/a%2Fb`` is not the same path as ``/a/b``, but looks the same once decoded.
        got = target.canonical if not passed and "%2F" in target.canonical else request.path
        return [Check("path", passed, Shown(self.pattern.text), Shown(got))]

    def path_params(self, request: Request) -> dict[str, Any]:
        return self.pattern.match(target_of(request.target).canonical) or {}

    def __repr__(self) -> str:
        return self.pattern.text


class Where(Matcher):
    """The test's own predicate."""

    runs_code = True

    def __init__(self, predicate: Callable[[Request], object]) -> None:
        if not callable(predicate):
            raise UsageError(f"where= takes a callable or a matcher, not {predicate!r}")
        check_plain("where=", predicate)
        self.predicate = predicate
        self._name = getattr(predicate, "__name__", repr(predicate))

    def checks(self, request: Request) -> list[Check]:
        verdict: list[object] = []

        def met() -> object:
            verdict.append(self.predicate(request))
            return verdict[0]

        check = held(f"where {self._name}", Shown("a true value"), None, met)
        return [check if check.error is not None else check._replace(got=verdict[0])]

    def __repr__(self) -> str:
        return f"where={self._name}"


def criteria(matcher: Matcher) -> tuple[Matcher, ...]:
    """The parts of a matcher that must all match."""
    return matcher.parts if isinstance(matcher, AllOf) else (matcher,)


def _check_method(method: str) -> str:
    if isinstance(method, list | tuple | set):
        raise UsageError(f"give one method, or '*' for any, not {method!r}; for several, write match(...) | match(...)")
    if not isinstance(method, str) or not grammar.TOKEN.fullmatch(method):
        first = "; the method comes first, then the path" if "/" in str(method) else ""
        raise UsageError(f"a method must be a word such as GET, or '*' for any, not {method!r}{first}")
    if method != method.upper():
        raise UsageError(f"methods are case-sensitive, so {method!r} is not {method.upper()!r}")
    return method
