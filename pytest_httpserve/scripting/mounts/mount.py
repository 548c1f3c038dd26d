"""Mounts: directories and applications under prefixes."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from pytest_httpserve.errors import UsageError
from pytest_httpserve.net.system import check_files
from pytest_httpserve.wire.target import canonical_path

if TYPE_CHECKING:
    from pytest_httpserve.scripting.answers.asked import Asked

Application = Callable[..., Any]  # whatever PEP 3333 or ASGI specify


class Mount(Protocol):
    """Answers the requests under a prefix. The prefix has no slash at the end, so that of ``/`` is empty.

    ``runs_code`` says whether it calls code of the test, which may be slow.
    """

    runs_code: ClassVar[bool]

    @property
    def prefix(self) -> str:
        """The prefix, in its canonical spelling."""

    def describe(self) -> str:
        """Say what is mounted there, for a message."""

    def serve(self, asked: Asked, below: str) -> None:
        """Answer the request. ``below`` is its encoded path without the prefix."""


@dataclass(frozen=True, slots=True)
class DirectoryMount:
    """A directory under a prefix. ``has_scripts`` says that its files are run, and never served as files."""

    runs_code: ClassVar[bool] = False
    has_scripts: ClassVar[bool] = False
    prefix: str
    directory: str


@dataclass(frozen=True, slots=True)
class ApplicationMount:
    """An application, which answers the requests under ``prefix`` with its own code."""

    runs_code: ClassVar[bool] = True
    prefix: str
    application: Application

    def describe(self) -> str:
        """Say what is mounted there, for a message."""
        return f"{_name(self.application)} is mounted"


def _name(thing: object) -> str:
    inner = thing.func if isinstance(thing, functools.partial) else thing
    return getattr(inner, "__qualname__", type(inner).__qualname__)


class Mounts:
    """All mounts of a server. The mount with the longest prefix of a path answers."""

    def __init__(self) -> None:
        self._mounts: tuple[Mount, ...] = ()

    def add(self, mount: Mount) -> None:
        """Add a mount. Raises UsageError if its prefix is taken."""
        for other in self._mounts:
            if other.prefix == mount.prefix:
                at = mount.prefix or "/"
                raise UsageError(f"at={at!r} is taken: {other.describe()} there")
        self._mounts = tuple(sorted((*self._mounts, mount), key=lambda one: -len(one.prefix)))

    def find(self, path: str) -> Mount | None:
        """The mount for a canonical path; None if there is none."""
        for mount in self._mounts:
            if path == mount.prefix or path.startswith(mount.prefix + "/"):
                return mount
        return None

    @property
    def scripts(self) -> tuple[tuple[str, bool], ...]:
        """The CGI directories, each with True: their subdirectories count, too."""
        mounts = self._mounts
        return tuple((one.directory, True) for one in mounts if isinstance(one, DirectoryMount) and one.has_scripts)

    def __iter__(self) -> Iterator[Mount]:
        return iter(self._mounts)

    def clear(self) -> None:
        """Forget all mounts."""
        self._mounts = ()


@functools.lru_cache(256)
def below(prefix: str, path: str) -> str:
    """An encoded path without ``prefix``."""
    return "/" + "/".join(path.split("/")[prefix.count("/") + 1 :])


def find_directory(path: Path, roots: Sequence[Path], verb: str) -> Path:
    """The directory ``path``, looked up in each of ``roots`` in turn.

    Raises UsageError, which lists the paths tried. ``verb`` names the method that was given the path.
    """
    check_files()
    tried = list(dict.fromkeys(root / path for root in roots))
    for candidate in tried:
        if os.path.isdir(candidate):  # unlike Path.is_dir(), this never raises
            return candidate
    for candidate in tried:
        if os.path.exists(candidate):
            raise UsageError(f"{verb}({str(path)!r}): {candidate} is a file, not a directory")
    raise UsageError(f"{verb}({str(path)!r}): there is no such directory; tried {', '.join(map(str, tried))}")


def check_prefix(at: str, given: str) -> str:
    """The canonical spelling of a prefix. Raises UsageError if it is not a path. ``given`` names the argument."""
    if not isinstance(at, str) or not at.startswith("/") or "//" in at or "?" in at or "#" in at:
        raise UsageError(f"{given} must be a path such as / or /static, not {at!r}")
    return canonical_path(at.rstrip("/"))


def search_roots(given: tuple[Path, ...] | None) -> tuple[Path, ...]:
    """The directories in which to look for relative paths: those that were given, or the current directory."""
    if given is not None:
        return given
    try:
        return (Path.cwd(),)
    except FileNotFoundError:  # it has been removed
        return (Path(),)
