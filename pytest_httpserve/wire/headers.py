"""Header fields: an ordered, case-insensitive multi-map."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TypeVar, overload

Field = tuple[str, str]
_Default = TypeVar("_Default")


class Headers(Mapping[str, str]):
    """The header fields of a message.

    ``fields`` holds every field line as ``(name, value)``, in order and in the sender's spelling. As a mapping, names
    are case-insensitive, and a value combines all lines of that name, joined by ``", "`` (RFC 9110 section 5.2), or by
    ``"; "`` for Cookie (RFC 6265 section 5.4). ``get_all`` keeps the lines apart, which Set-Cookie needs. A ``Headers``
    object never changes.
    """

    __slots__ = ("_combined", "fields")

    def __init__(self, fields: Iterable[Field] | Mapping[str, str] = ()) -> None:
        if isinstance(fields, Headers):
            fields = fields.fields  # its items() are the combined values
        elif isinstance(fields, Mapping):
            fields = fields.items()
        self.fields: tuple[Field, ...] = tuple(fields)
        combined = {name.lower(): value for name, value in self.fields}
        if len(combined) != len(self.fields):
            combined = _combine(self.fields)
        self._combined = combined

    def __getitem__(self, name: str) -> str:
        return self._combined[name.lower()]

    @overload
    def get(self, name: str, /) -> str | None: ...

    @overload
    def get(self, name: str, /, default: str | _Default) -> str | _Default: ...

    def get(self, name: str, /, default: str | _Default | None = None) -> str | _Default | None:
        # Mapping.get() raises and catches a KeyError for each missing name, and most names are missing.
        return self._combined.get(name.lower(), default)

    def get_all(self, name: str) -> list[str]:
        """The value of every line called ``name``, in order; empty if there is none."""
        wanted = name.lower()
        if wanted not in self._combined:
            return []
        return [value for key, value in self.fields if key.lower() == wanted]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._combined

    def __iter__(self) -> Iterator[str]:
        seen: set[str] = set()
        for name, _ in self.fields:
            if (key := name.lower()) not in seen:
                seen.add(key)
                yield name

    def __len__(self) -> int:
        return len(self._combined)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Headers):
            return self._combined == other._combined
        if isinstance(other, Mapping):
            return self._combined == {str(name).lower(): value for name, value in other.items()}
        return NotImplemented

    def __hash__(self) -> int:
        return hash(frozenset(self._combined.items()))

    def __repr__(self) -> str:
        return f"Headers({list(self.fields)!r})"


def _combine(fields: Iterable[Field]) -> dict[str, str]:
    lines: dict[str, list[str]] = {}
    for name, value in fields:
        lines.setdefault(name.lower(), []).append(value)
    return {key: ("; " if key == "cookie" else ", ").join(values) for key, values in lines.items()}
