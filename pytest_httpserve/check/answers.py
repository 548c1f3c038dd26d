"""Entries with valid answers that need work from the client: redirects, statuses, codings."""

from __future__ import annotations

import email.utils
import gzip
import time
from collections.abc import Mapping
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING

from pytest_httpserve.check.entry import BODY, PATH, Ending, Entry, Should, Tell, answer, good, should
from pytest_httpserve.scripting.answers.responses import Response

if TYPE_CHECKING:
    from pytest_httpserve.scripting.httpserve import HTTPServe
    from pytest_httpserve.scripting.record.request import Request

# Redirects. A client that does not follow them is not wrong: perhaps nobody told it to.

_FOLLOW = should("follow it", Ending.BODY, unclear=(Ending.STATUS, Ending.FAILED))
_STOP = should("report an error", Ending.FAILED, unclear=(Ending.STATUS,))
_PEM = b"-----BEGIN CERTIFICATE-----"


def _redirect(*locations: str, status: int = 302) -> Tell:
    """Redirect from PATH to the first location, and so on; the body is at the last."""

    def tell(server: HTTPServe) -> None:
        for source, target in pairwise((PATH, *locations)):
            server.on("*", source).redirect(target, status)
        server.on("*", locations[-1]).respond(good())

    return tell


def _absolute(server: HTTPServe) -> None:
    server.on("*", PATH).redirect(server.url_for("/there"))
    server.on("*", "/there").respond(good())


def _loop(server: HTTPServe) -> None:
    server.on("*", PATH).redirect("/there")
    server.on("*", "/there").redirect(PATH)


def _endless(server: HTTPServe) -> None:
    server.on("*", PATH).redirect("/there/1")
    server.on("*", "/there/{number:int}").handle(
        lambda request: Response.redirect(f"/there/{request.path_params['number'] + 1}")
    )


def _to_file(server: HTTPServe) -> None:
    server.on("*", PATH).redirect(server.ca.pem_path.as_uri())


def _redirect_entry(name: str, what: str, ought: Should, tell: Tell, forbidden: bytes = b"") -> Entry:
    return Entry(name, "redirects", what, ought, tell, forbidden=forbidden)


REDIRECTS = (
    _redirect_entry("redirect", "302 to another path", _FOLLOW, _redirect("/there")),
    _redirect_entry("redirect_308", "308 to another path", _FOLLOW, _redirect("/there", status=308)),
    _redirect_entry("redirect_absolute", "302 to a whole URL", _FOLLOW, _absolute),
    _redirect_entry("redirect_chain", "five redirects in a row", _FOLLOW, _redirect("/1", "/2", "/3", "/4", "/5")),
    _redirect_entry("redirect_loop", "two paths redirect to each other", _STOP, _loop),
    _redirect_entry("redirect_endless", "each path redirects to a new one", _STOP, _endless),
    _redirect_entry("redirect_nowhere", "302 without a Location", _STOP, answer(lambda: Response(302))),
    _redirect_entry(
        "redirect_malformed",
        "302 to something that is not a URL",
        _STOP,
        answer(lambda: Response(302, headers={"Location": "http://[::1"})),
    ),
    _redirect_entry("redirect_to_file", "302 to a file of the client's machine", _STOP, _to_file, _PEM),
)

# Statuses. Some clients leave the status to their user, such as curl without --fail.

_REPORT = should("report an error", Ending.FAILED, unclear=(Ending.STATUS,))
_TRY_LATER = should(
    "ask again after a second, or report an error", Ending.BODY, Ending.FAILED, unclear=(Ending.STATUS,)
)
_REPEAT_OR_REPORT = should(
    "report an error, after some tries or at once", Ending.FAILED, unclear=(Ending.STATUS, Ending.WAITING)
)
_NOT_NOW = should("report an error, or wait an hour", Ending.FAILED, unclear=(Ending.STATUS, Ending.WAITING))


def _later(status: int, seconds: int) -> Response:
    return Response(status, text="Not now.", headers={"Retry-After": str(seconds)})


def _until(server: HTTPServe) -> None:
    """Send a date two seconds away: without fractions of a second, that is at least one second."""

    def later(request: Request) -> Response:
        date = email.utils.formatdate(time.time() + 2, usegmt=True)
        return Response(503, text="Not now.", headers={"Retry-After": date})

    server.on("*", PATH).handle(later).respond(good())


def _status_entry(name: str, what: str, ought: Should, tell: Tell, wait: float = 0.0, lasts: float = 0.0) -> Entry:
    return Entry(name, "statuses", what, ought, tell, wait=wait, lasts=lasts)


STATUSES = (
    _status_entry("not_found", "404", _REPORT, answer(lambda: Response(404, text="There is no such page."))),
    _status_entry("unauthorized", "401, which asks for credentials", _REPORT, answer(Response.unauthorized)),
    _status_entry("server_error", "500, each time", _REPEAT_OR_REPORT, answer(lambda: Response(500, text="Alas."))),
    _status_entry(
        "too_many_requests",
        "429 with Retry-After: 1, once",
        _TRY_LATER,
        answer(partial(_later, 429, 1), good),
        wait=1.0,
        lasts=1.0,
    ),
    _status_entry(
        "unavailable",
        "503 with Retry-After: 1, once",
        _TRY_LATER,
        answer(partial(_later, 503, 1), good),
        wait=1.0,
        lasts=1.0,
    ),
    _status_entry(
        "unavailable_until",
        "503 with a date in Retry-After, once",
        _TRY_LATER,
        _until,
        wait=1.0,
        lasts=2.0,
    ),
    _status_entry(
        "unavailable_for_long", "503 with Retry-After: 3600", _NOT_NOW, answer(partial(_later, 503, 3600)), wait=3600.0
    ),
)

# Codings. A client that did not ask for one may pass the body on coded: the answer says how it is coded.

_DECODE = should("decode the body", Ending.BODY, unclear=(Ending.CODED,))
_NOTICE = should("report an error", Ending.FAILED, unclear=(Ending.CODED,))
_ZIPPED = gzip.compress(BODY, mtime=0)
_MEMBERS = gzip.compress(BODY[:100], mtime=0) + gzip.compress(BODY[100:], mtime=0)
_CHECKSUM = 8  # its offset from the end (RFC 1952 section 2.3.1)
_BROKEN = _ZIPPED[:-_CHECKSUM] + bytes(4) + _ZIPPED[4 - _CHECKSUM :]


def _coded_entry(name: str, what: str, ought: Should, coded: bytes, coding: str = "gzip") -> Entry:
    headers: Mapping[str, str] = {"Content-Type": "application/json", "Content-Encoding": coding}
    tell = answer(lambda: Response(body=coded, headers=headers))
    return Entry(name, "codings", what, ought, tell, coding=coding, coded=coded)


CODINGS = (
    _coded_entry("gzip", "a body in gzip", _DECODE, _ZIPPED),
    _coded_entry("gzip_members", "a body in gzip that has two members", _DECODE, _MEMBERS),
    _coded_entry("gzip_false", "a body that claims to be in gzip, but is not", _NOTICE, BODY),
    _coded_entry("gzip_cut", "a body in gzip whose end is missing", _NOTICE, _ZIPPED[: len(_ZIPPED) // 2]),
    _coded_entry("gzip_checksum", "a body in gzip with a wrong checksum", _NOTICE, _BROKEN),
    _coded_entry("coding_unknown", "a body in an unknown coding", _NOTICE, BODY, "x-unknown"),
)

ENTRIES = REDIRECTS + STATUSES + CODINGS
