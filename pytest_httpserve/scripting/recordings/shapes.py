"""The shape of an answer: its status, the names of its header fields, and the structure of its JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from pytest_httpserve.scripting.recordings.entry import Entry, field_of
from pytest_httpserve.wire.framing import HOP_BY_HOP

# Fields that depend on the machine that answers, or on recent requests.
_FLEETING = HOP_BY_HOP | {
    "age",
    "content-length",
    "date",
    "expires",
    "etag",
    "last-modified",
    "retry-after",
    "set-cookie",
}
_MOST_CHANGES = 20


class Shape(NamedTuple):
    """The structure of a JSON value: its ``kinds``; if it is an object, its ``members``, each with whether it is always
    there; if it is a list with elements, the shape of an ``element``."""

    kinds: frozenset[str]
    members: dict[str, tuple[Shape, bool]]
    element: Shape | None


def shape_of(value: Any) -> Shape:  # any JSON value
    """The structure of a value."""
    match value:
        case dict():
            return Shape(frozenset(("object",)), {name: (shape_of(one), True) for name, one in value.items()}, None)
        case list():
            element: Shape | None = None
            for one in value:
                element = shape_of(one) if element is None else _both(element, shape_of(one))
            return Shape(frozenset(("list",)), {}, element)
        case None:
            return Shape(frozenset(("null",)), {}, None)
        case bool():
            return Shape(frozenset(("boolean",)), {}, None)
        case int() | float():
            return Shape(frozenset(("number",)), {}, None)
    return Shape(frozenset(("text",)), {}, None)


def _both(one: Shape, other: Shape) -> Shape:
    """A shape that fits the values of both shapes."""
    members: dict[str, tuple[Shape, bool]] = {}
    for name in (*one.members, *(name for name in other.members if name not in one.members)):
        found = [shape.members[name] for shape in (one, other) if name in shape.members]
        merged = found[0][0] if len(found) == 1 else _both(found[0][0], found[1][0])
        objects = sum("object" in shape.kinds for shape in (one, other))
        members[name] = merged, len(found) == objects and all(always for _, always in found)
    elements = [shape.element for shape in (one, other) if shape.element is not None]
    element = _both(*elements) if len(elements) == 2 else elements[0] if elements else None
    return Shape(one.kinds | other.kinds, members, element)


def changes(recorded: Entry, now: Entry) -> list[str]:
    """One line for each change of the shape. Values do not matter."""
    found = []
    if recorded.status != now.status:
        found.append(f"status {recorded.status}, now {now.status}")
    before, after = (_names(entry) for entry in (recorded, now))
    found += [f"header {name} is no longer there" for name in sorted(before - after)]
    found += [f"header {name} is new" for name in sorted(after - before)]
    if recorded.status == now.status:
        found += _changed_bodies(recorded, now)
    return found[:_MOST_CHANGES] + ([f"and {len(found) - _MOST_CHANGES} more"] if len(found) > _MOST_CHANGES else [])


def _names(entry: Entry) -> set[str]:
    return {name.lower() for name, _ in entry.fields} - _FLEETING


def _changed_bodies(recorded: Entry, now: Entry) -> list[str]:
    before, after = (_json(entry) for entry in (recorded, now))
    if before is None and after is None:
        return []
    if before is None or after is None:
        return ["the body is now JSON" if before is None else "the body is no longer JSON"]
    return list(_changed(before, after, "$"))


def _json(entry: Entry) -> Shape | None:
    body = entry.body
    if not isinstance(body, bytes) or "json" not in field_of(entry.fields, "content-type").lower():
        return None
    try:
        return shape_of(json.loads(body))
    except (ValueError, RecursionError):
        return None


def _changed(before: Shape, after: Shape, place: str) -> Iterator[str]:
    # A null may be something else another time, and the other way round.
    if (gone := after.kinds - before.kinds - {"null"}) and before.kinds != {"null"}:
        yield f"{place}: {_said(before)}, now {' or '.join(sorted(gone))}"
        return
    if "object" in before.kinds and "object" in after.kinds:
        for name, (shape, always) in before.members.items():
            if name in after.members:
                yield from _changed(shape, after.members[name][0], f"{place}.{name}")
            elif always:
                yield f"{place}.{name} is no longer there"
        for name in after.members:
            if name not in before.members:
                yield f"{place}.{name} is new"
    if before.element is not None and after.element is not None:
        yield from _changed(before.element, after.element, f"{place}[]")


def _said(shape: Shape) -> str:
    return " or ".join(sorted(shape.kinds))
