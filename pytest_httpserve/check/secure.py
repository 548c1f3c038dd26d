"""Entries for TLS: each certificate and handshake of the gallery, and some good ones."""

from __future__ import annotations

from pytest_httpserve.check.entry import GIVE_UP, REPORT, TAKE, Ending, Entry, Should, answer, good, should
from pytest_httpserve.tls.settings import TLS, TLS_GALLERY

_REFUSE = should("refuse it without sending a request", Ending.FAILED)
_WHAT = {
    "expired": "the certificate has expired",
    "not_yet_valid": "the certificate is not valid yet",
    "wrong_host": "the certificate is for another host",
    "self_signed": "the certificate is signed by its own key",
    "untrusted": "the certificate is from an unknown CA",
    "missing_chain": "the intermediate certificate is missing",
    "revoked": "the certificate is revoked",
    "old_tls": "the server speaks TLS 1.0 and 1.1 only",
    "no_common_cipher": "the server has no cipher in common with the client",
    "handshake_reset": "the connection is reset during the handshake",
    "handshake_stall": "the server is silent during the handshake",
    "plain_http": "the port does not speak TLS",
}
_OTHERS: dict[str, Should] = {
    # Checking for revocation costs a request, and most clients do not do it.
    "revoked": should("refuse it, if it checks for revocation", Ending.FAILED, unclear=(Ending.TRUSTING,)),
    "handshake_stall": GIVE_UP,
}

BAD = tuple(
    Entry(name, "tls", _WHAT[name], _OTHERS.get(name, _REFUSE), answer(good), tls=name, distrusts=True)
    for name in TLS_GALLERY
)
GOOD = (
    Entry(
        "intermediate",
        "tls",
        "a certificate from an intermediate CA, with its chain",
        TAKE,
        answer(good),
        TLS(intermediate=True),
    ),
    Entry("rsa_key", "tls", "a certificate with an RSA key", TAKE, answer(good), TLS(key_type="rsa")),
    Entry("tls_1_2", "tls", "the server speaks TLS 1.2 only", TAKE, answer(good), TLS(tls_versions="1.2")),
    Entry("tls_1_3", "tls", "the server speaks TLS 1.3 only", TAKE, answer(good), TLS(tls_versions="1.3")),
)
MUTUAL = (
    Entry(
        "client_certificate",
        "tls",
        "the server asks for a client certificate",
        REPORT,
        answer(good),
        TLS(client_cert="required"),
    ),
)
ENTRIES = GOOD + BAD + MUTUAL
