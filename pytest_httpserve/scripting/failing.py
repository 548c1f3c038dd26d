"""Requests that fail: refused, given up because a handler failed, or broken off by the client."""

from __future__ import annotations

import contextlib
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING

from pytest_httpserve.errors import BrokenOff, RequestError
from pytest_httpserve.scripting.answering import within_body
from pytest_httpserve.scripting.answers.error_responses import error_response, refusal
from pytest_httpserve.scripting.answers.responses import Response
from pytest_httpserve.scripting.answers.sending import send_last
from pytest_httpserve.scripting.record.exchange import Exchange
from pytest_httpserve.scripting.reports import refusals
from pytest_httpserve.scripting.routing.routes import NOT_FOUND
from pytest_httpserve.wire.head import speaks_tls

if TYPE_CHECKING:
    from pytest_httpserve.scripting.answering import Answering
    from pytest_httpserve.scripting.record.entries import Refusal


# Statuses for requests that may break no rule.
_NO_MISTAKES = (HTTPStatus.BAD_REQUEST, HTTPStatus.PROXY_AUTHENTICATION_REQUIRED)


def fail(answering: Answering, error: BaseException) -> None:
    """Fail the test with an exception raised while choosing an answer or answering. The failure is recorded before the
    client gets its response, since the test may end right then."""
    broken_exchange(answering)
    text = answering.record_exception(error)
    answering.passage.abandon()
    give_up(answering, Response(500, text=text))


def give_up(answering: Answering, response: Response | None = None) -> None:
    """Give up a request. Unless a response has begun, the client gets a 500. The connection is closed."""
    stream, writer = answering.stream, answering.writer
    heard = stream.status is not None and writer.anything
    stream.lasts = False
    if not heard and answering.connection.transport.failure is None:
        stream.forget_response()
        with contextlib.suppress(Exception):  # the failure counts, not this
            send_last(answering, response or error_response(HTTPStatus.INTERNAL_SERVER_ERROR))


def refuse(answering: Answering, error: RequestError) -> None:
    """Refuse a request: record what was wrong with it, fail the test, and answer. The failure is recorded before the
    client gets its response, since the test may end right then."""
    journal = answering.script.journal
    if not error.rule and error.status in _NO_MISTAKES:
        broken_exchange(answering, str(error))  # the mount refuses it, such as for a path above its root
    else:
        before = _exchange_before(answering) if answering.exchange is None else None
        text = refusals.said(error, journal.redacted)
        if isinstance(error, BrokenOff) or error.status == HTTPStatus.REQUEST_TIMEOUT:
            text += _shortfall(answering)
        exchange = broken_exchange(answering, (text,))
        if _is_clients_mistake(answering, exchange, error):
            journal.record_failure(refusals.refused(error, exchange, before, journal.redacted), "refused")
    if answering.stream.status is None:
        with contextlib.suppress(OSError):  # the client may have gone, too
            send_last(answering, refusal(error))


def fall_short(answering: Answering) -> None:
    """Refuse a request whose client ended the connection within the body, after an application has answered it."""
    if answering.exchange is not None and not answering.exchange.refused:
        refuse(answering, within_body())


def break_off(answering: Answering, text: str, *, whole: bool) -> None:
    """Note that the client has gone. Its request counts only if the ``whole`` of it had come."""
    broken_exchange(answering, text if whole else (text + _shortfall(answering),))


def broken_exchange(answering: Answering, error: str | Refusal | None = None) -> Exchange:
    """The current exchange, with the ``error`` that broke it off. If there is none yet, make one of the part of the
    request that came."""
    if (exchange := answering.exchange) is not None:
        if error is not None:
            exchange.break_off(error)
        return exchange
    answering.body.leave()
    answering.stream = answering.http1.stream
    if not answering.method:
        answering.method, answering.target = _asked_so_far(answering)
    return answering.record(NOT_FOUND, partial(Exchange, error=error))


def _is_clients_mistake(answering: Answering, exchange: Exchange, error: RequestError) -> bool:
    """Whether only the client is to blame: not a fault that the test asked for, nor the end of the server or test."""
    journal = answering.script.journal
    if exchange.faults or (journal.expects_tls and speaks_tls(answering.transcript.request)):
        return False
    return not isinstance(error, BrokenOff) or not (answering.connection.closing or journal.test_is_over)


def _exchange_before(answering: Answering) -> Exchange | None:
    """The last exchange on the same connection."""
    record = answering.conversation.record
    exchanges = record.exchanges if record is not None else ()
    return exchanges[-1] if exchanges else None


def _shortfall(answering: Answering) -> str:
    return refusals.shortfall(answering.http1.reader, answering.transcript)


def _asked_so_far(answering: Answering) -> tuple[str, str]:
    """Method and target of the request line, as far as it came."""
    line = answering.stream.line
    if line.text:
        return line.method, line.target
    first = answering.transcript.request.lstrip(b"\r\n").partition(b"\n")[0].decode("latin-1")
    method, _, rest = first.partition(" ")
    return method.strip(), rest.split(" ")[0].strip()
