"""TLS handshakes of a script: their certificates, handshakes that never end, and their records in the journal."""

from __future__ import annotations

import base64
import ssl
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol, cast

from pytest_httpserve.scripting.answers.responses import Response
from pytest_httpserve.scripting.record.handshakes import Handshake, TLSError, error_of, session_of
from pytest_httpserve.scripting.record.request import Request
from pytest_httpserve.tls.contexts import Names, Ready, issue, make_ready, with_certificate

if TYPE_CHECKING:
    from pytest_httpserve.net.connection import Connection
    from pytest_httpserve.scripting.routing.route import Route
    from pytest_httpserve.tls import TLS, Certificate, CertificateAuthority


class Telling(Protocol):
    """A plain HTTP server that tells clients that a certificate is revoked."""

    def on(self, method: str, path: str, /) -> Route:
        """Add a route."""

    def url_for(self, path: str, /) -> str:
        """The URL of a path."""

    def stop(self) -> object:
        """Stop it."""


def note_end(handshake: Handshake, connection: Connection, seconds: float | None, *, done: bool) -> None:
    """Note that a handshake, which was allowed ``seconds``, is ``done``, or has failed."""
    failure = connection.transport.failure
    if done:
        handshake.succeed(session_of(cast(ssl.SSLSocket, connection.transport.socket)))
        return
    # To this side, a stop of the server looks as if the client had left.
    error = error_of(None if connection.closing else failure, seconds)
    handshake.fail(error)
    if error.alert is not None or isinstance(failure, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        connection.ending.say("client", "FIN")


def never_shake_hands(connection: Connection, handshake: Handshake, *, resets: bool) -> None:
    """Read what a client sends that begins a handshake: only its first bytes if the server ``resets``, else everything
    until it leaves or the server stops. Raises OSError if it has left."""
    acts = "resets the connection" if resets else "says nothing"
    handshake.fail(TLSError(None, f"the server {acts}, as the test asked"))
    while connection.transport.receive(65536) and not resets:
        pass


def ready_for(
    tls: TLS, authority: CertificateAuthority, names: Names, revocation: Telling | None, *, by_name: bool = False
) -> Ready:
    """The certificate and context for these names. ``revocation`` is as in ``make_server``, ``by_name`` as in
    ``make_ready``."""
    if revocation is not None:
        return with_certificate(tls, _revoked(tls, authority, names, revocation), authority)
    return make_ready(tls, authority, names, by_name=by_name)


def _revoked(tls: TLS, authority: CertificateAuthority, names: Names, server: Telling) -> Certificate:
    """A revoked certificate that refers clients to ``server``, and the routes that say so there."""
    from pytest_httpserve.tls.revocation import der, ocsp_answer, with_revocation_urls

    issuer = authority.intermediate if tls.intermediate else authority
    certificate = issue(tls, "revoked", authority, [*names, *tls.names])
    crl_url, ocsp_url = server.url_for("/ca.crl"), server.url_for("/ocsp")
    chain = with_revocation_urls(issuer.trustme, certificate.chain, crl_url, ocsp_url)

    def tell(request: Request) -> Response:
        # RFC 6960 appendix A.1: POST has the request in the body, GET in the path.
        asked = request.body if request.method == "POST" else base64.b64decode(request.path_params["request"])
        answer = ocsp_answer(issuer.trustme, chain, asked)
        return Response(body=answer, headers={"Content-Type": "application/ocsp-response"})

    server.on("GET", "/ca.crl").respond(body=der(issuer.crl), headers={"Content-Type": "application/pkix-crl"})
    server.on("POST", "/ocsp").handle(tell)
    server.on("GET", "/ocsp/{request:path}").handle(tell)
    return replace(certificate, chain=chain)
