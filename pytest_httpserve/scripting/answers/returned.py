"""Make responses of what scripted handlers return."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from pytest_httpserve.errors import UsageError
from pytest_httpserve.scripting.answers.responses import Response

# The response for a text of up to this many characters is kept.
_KEPT_TEXT = 1_024


def make_response(result: object) -> Response:
    """What a scripted handler returned, as a response. Raises UsageError for anything else."""
    match result:
        case Response():
            return result
        case None:
            return Response(204)
        case str():
            return _text(result) if len(result) <= _KEPT_TEXT else Response(text=result)
        case bytes() | bytearray():
            return Response(body=bytes(result))
        case Mapping():
            return Response(json=dict(result))
        case list():
            return Response(json=result)
        case (int() as status, content):
            return _with_status(status, content)
        case (int() as status, content, headers):
            return _with_status(status, content, headers)
        case Iterator():
            return Response(stream=result)
    raise UsageError(
        "a handler must return a Response, str, bytes, dict, list, (status, body), (status, body, headers), None or an "
        f"iterator, not {result!r}"
    )


# Handlers often return the same text again, and making a response takes a third of the time of serving it.
@lru_cache(256)
def _text(text: str) -> Response:
    return Response(text=text)


def _with_status(status: int, content: object, headers: Any = None) -> Response:  # a function may return anything
    match content:
        case None:
            return Response(status, headers=headers)
        case str():
            return Response(status, text=content, headers=headers)
        case bytes() | bytearray():
            return Response(status, body=bytes(content), headers=headers)
        case Iterator():
            return Response(status, stream=content, headers=headers)
        case Mapping():
            return Response(status, json=dict(content), headers=headers)
    return Response(status, json=content, headers=headers)
