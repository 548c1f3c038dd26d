"""What becomes of a request that goes no further: refused, given up because what answers has failed, or broken off."""

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


# Of a client whose request breaks no rule.
_NO_MISTAKES = (HTTPStatus.BAD_REQUEST, HTTPStatus.PROXY_AUTHENTICATION_REQUIRED)


def fail(answering: Answering, error: BaseException) -> None:
    """An exception in what answers, or in what was to choose who does. Told before the client hears of it: the test may
    end as soon as it does."""
    broken_exchange(answering)
    text = answering.record_exception(error)
    answering.passage.abandon()
    give_up(answering, Response(500, text=text))


def give_up(answering: Answering, response: Response | None = None) -> None:
    """What answers has failed: the client hears of it, if it has heard nothing yet; the connection ends."""
    stream, writer = answering.stream, answering.writer
    heard = stream.status is not None and writer.anything
    stream.lasts = False
    if not heard and answering.connection.transport.failure is None:
        stream.forget_response()
        with contextlib.suppress(Exception):  # it is the failure that counts
            send_last(answering, response or error_response(HTTPStatus.INTERNAL_SERVER_ERROR))


def refuse(answering: Answering, error: RequestError) -> None:
    """A request that cannot be served is in the journal, with what was wrong with it, and fails the test: before the
    client hears of it, for the test may end as soon as it does."""
    journal = answering.script.journal
    if not error.rule and error.status in _NO_MISTAKES:
        broken_exchange(answering, str(error))  # what answers does not take it: a path above its root, say
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
    """The client has ended within the body, which an application has read as far as it came, and answered."""
    if answering.exchange is not None and not answering.exchange.refused:
        refuse(answering, within_body())


def break_off(answering: Answering, text: str, *, whole: bool) -> None:
    """The client has gone: nothing counts its request, unless the ``whole`` of it was here."""
    broken_exchange(answering, text if whole else (text + _shortfall(answering),))


def broken_exchange(answering: Answering, error: str | Refusal | None = None) -> Exchange:
    """The exchange in hand, with the ``error`` in which it broke off; if it did before there was one, of what came of
    the request."""
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
    """Whether the client alone has brought it about: not a fault that the test asked for, nor the server's end."""
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
    """Method and target of a request line, as far as there is one."""
    line = answering.stream.line
    if line.text:
        return line.method, line.target
    first = answering.transcript.request.lstrip(b"\r\n").partition(b"\n")[0].decode("latin-1")
    method, _, rest = first.partition(" ")
    return method.strip(), rest.split(" ")[0].strip()
