"""The criteria that ``match`` takes, and every function with the same arguments."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, TypedDict, Unpack

from pytest_httpserve.elsewhere import CRITERIA, called_here
from pytest_httpserve.errors import UsageError
from pytest_httpserve.scripting.record.request import Request
from pytest_httpserve.scripting.routing.contents import BodyIs, FilesAre, JsonIs, Named, QueryIs, TypeIs
from pytest_httpserve.scripting.routing.matchers import AllOf, Matcher, MethodIs, PathIs, Where


class Criteria(TypedDict, total=False):
    """The keyword arguments of ``match``, and of the functions that pass them on."""

    query: Mapping[str, Any] | str | None
    query_exact: Mapping[str, Any] | None
    headers: Mapping[str, Any] | None
    cookies: Mapping[str, Any] | None
    content_type: Any
    json: Any
    json_contains: Any
    form: Mapping[str, Any] | None
    form_exact: Mapping[str, Any] | None
    files: Mapping[str, Any] | None
    body: bytes | str | re.Pattern[str] | re.Pattern[bytes] | None
    where: Callable[[Request], object] | Matcher | None


# Each criterion by its name. For the JSON criteria, None is JSON's null; for all others it means: not given. The second
# argument is true if another criterion sets the type of the body, or the type does not matter.
_CRITERIA: dict[str, Callable[[Any, bool], Matcher]] = {
    "query": lambda given, _: QueryIs(given) if isinstance(given, str) else Named("query", given),
    "query_exact": lambda given, _: Named("query", given, exact=True),
    "headers": lambda given, _: Named("headers", given),
    "cookies": lambda given, _: Named("cookies", given),
    "form": lambda given, _: Named("form", given),
    "form_exact": lambda given, _: Named("form", given, exact=True),
    "content_type": lambda given, _: TypeIs(given),
    "files": lambda given, _: FilesAre(given),
    "json": lambda given, any_type: JsonIs(given, any_type=any_type),
    "json_contains": lambda given, any_type: JsonIs(given, part=True, any_type=any_type),
    "body": lambda given, _: BodyIs(given),
    "where": lambda given, _: given if isinstance(given, Matcher) else Where(given),
}

# Pairs of criteria, one for the whole and one for a part of it, and what they are about.
_WHOLES = (("json", "json_contains", "body"), ("query_exact", "query", "query"), ("form_exact", "form", "form"))


def match(method: str = "*", path: str | re.Pattern[str] = "*", **criteria: Unpack[Criteria]) -> Matcher:
    """A matcher for requests that meet all the given criteria.

    ``query``, ``headers``, ``cookies`` and ``form`` name values that must be there (None: must not be there, a list:
    repeated); ``query_exact`` and ``form_exact`` name all that may be there. A str as ``query`` is the whole query.
    ``json`` is the whole body, ``json_contains`` what it must contain. Both require a media type for JSON, unless
    ``content_type`` or ``headers`` asks for another one, or ``content_type=None`` allows any. ``body`` is bytes, a str
    or a pattern; ``files`` has the contents of uploads by field. ``where`` is your own predicate, or another matcher.
    Raises UsageError for a wrong value.
    """
    make = _target if isinstance(method, str) and isinstance(path, str) else _target.__wrapped__
    target = make(method, path)
    if not criteria:
        return target
    for whole, part, of in _WHOLES:
        if whole in criteria and part in criteria:
            raise UsageError(f"{whole}= is the whole {of}, {part}= a part of it: give one of them")
    any_type = _says_type(criteria)
    return AllOf([target, *(_CRITERIA[name](value, any_type) for name, value in _given(criteria).items())])


def _says_type(criteria: Criteria) -> bool:
    """Whether the test itself says what the Content-Type must be, or that it may be any."""
    headers = criteria.get("headers")
    return "content_type" in criteria or (
        isinstance(headers, Mapping) and any(str(name).lower() == "content-type" for name in headers)
    )


@lru_cache(1024)
def _target(method: str, path: str | re.Pattern[str]) -> AllOf:
    return AllOf((MethodIs(method), PathIs(path)))


def _given(criteria: Criteria) -> dict[str, object]:
    """The criteria that were given. Raises UsageError for an unknown one."""
    for name in criteria:
        if name not in _CRITERIA:
            if hint := called_here(name, CRITERIA):
                raise UsageError(f"there is no criterion {name}={hint}")
            raise UsageError(f"there is no criterion {name}=; there are {', '.join(f'{one}=' for one in _CRITERIA)}")
    return {name: value for name, value in criteria.items() if value is not None or name.startswith("json")}


def as_matcher(method: str | Matcher, path: str | re.Pattern[str], criteria: Criteria) -> Matcher:
    """``method`` if it is a matcher, else a matcher for all the arguments. Raises UsageError for a matcher and more."""
    if isinstance(method, str) or not isinstance(method, Matcher):
        return match(method, path, **criteria)
    beside = ["a path"] if path != "*" else [f"{name}=" for name in _given(criteria)]
    if beside:
        raise UsageError(f"a matcher already says everything; to add {beside[0]}, write matcher & match(...)")
    return method
