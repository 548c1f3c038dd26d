"""The header fields for one state of a file in one coding."""

from __future__ import annotations

import os
from functools import lru_cache
from typing import NamedTuple

from pytest_httpserve.server.files.conditions import Validators
from pytest_httpserve.wire.headers import Field


class Representation(NamedTuple):
    """``about`` has the fields of every answer with the file or a part of it; ``kept`` those of them that a 304 needs
    (RFC 9110 section 15.4.5); ``whole`` the fields of an answer with the whole file."""

    size: int
    validators: Validators
    about: tuple[Field, ...]
    kept: tuple[Field, ...]
    whole: tuple[Field, ...]


def representation(status: os.stat_result, modified: str, media_type: str, coding: str | None) -> Representation:
    """The representation of a file with this status; ``modified`` is the date of its last change as text.

    ``coding`` is its content coding, empty if it has none, and None if there is no choice of codings.
    """
    return _representation(status.st_size, status.st_mtime_ns, status.st_mtime, modified, media_type, coding)


@lru_cache(256)
def _representation(
    size: int, changed: int, seconds: float, modified: str, media_type: str, coding: str | None
) -> Representation:
    # A file and its precompressed copy can have the same time and size.
    etag = f'"{changed:x}-{size:x}-{coding}"' if coding else f'"{changed:x}-{size:x}"'
    # In the order and spelling of http.server, which programs compare; our own fields come last.
    media: Field = ("Content-type", media_type)
    coded: tuple[Field, ...] = (("Content-Encoding", coding),) if coding else ()
    vary: tuple[Field, ...] = (("Vary", "Accept-Encoding"),) if coding is not None else ()
    kept = (("Last-Modified", modified), ("ETag", etag), *vary)
    about = (media, *kept, *coded)
    whole = (media, ("Content-Length", str(size)), *kept, *coded, ("Accept-Ranges", "bytes"))
    return Representation(size, Validators(etag, int(seconds)), about, kept, whole)
