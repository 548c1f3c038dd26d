"""The server's own responses: error pages, and answers to requests that it refuses."""

from __future__ import annotations

import html
from http import HTTPStatus

from pytest_httpserve.errors import RequestError
from pytest_httpserve.scripting.answers.responses import Response
from pytest_httpserve.server.base import BaseHTTPRequestHandler
from pytest_httpserve.server.error_page import DEFAULT_ERROR_CONTENT_TYPE, DEFAULT_ERROR_MESSAGE
from pytest_httpserve.wire import grammar
from pytest_httpserve.wire.headers import Field

# An error may quote the request; at most this many characters are sent back.
_MOST_TEXT = 300


def error_response(
    status: int, message: str | None = None, explanation: str | None = None, fields: tuple[Field, ...] = ()
) -> Response:
    """An error page that closes the connection. ``message`` and ``explanation`` default to the standard ones."""
    short, long = BaseHTTPRequestHandler.responses.get(status, ("???", "???"))
    message = short if message is None or not grammar.REASON.fullmatch(message) else message
    page = DEFAULT_ERROR_MESSAGE % {
        "code": status,
        "message": html.escape(message, quote=False),
        "explain": html.escape(long if explanation is None else explanation, quote=False),
    }
    headers = {"Connection": "close", "Content-Type": DEFAULT_ERROR_CONTENT_TYPE, **dict(fields)}
    return Response(status, reason=message, body=page.encode("utf-8", "replace"), headers=headers)


def refusal(error: RequestError) -> Response:
    """The answer to a request that the server refuses."""
    text = str(error)
    text = text if len(text) <= _MOST_TEXT else f"{text[:_MOST_TEXT]}... ({len(text)} characters)"
    if error.status == HTTPStatus.BAD_REQUEST:
        return error_response(error.status, text)
    return error_response(error.status, error.reason, text, error.fields)
