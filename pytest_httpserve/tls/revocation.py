"""Revoked certificates: CRLs (RFC 5280), OCSP answers (RFC 6960), and leaf certificates that say where to find them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID

from pytest_httpserve import clock
from pytest_httpserve.tls.signing import authority_parts, reissued

_AGE = timedelta(hours=1)  # of a revocation, so that no client's clock is behind it
_REASON = x509.ReasonFlags.key_compromise


def with_revocation_urls(authority: trustme.CA, chain: bytes, crl_url: str, ocsp_url: str) -> bytes:
    """A certificate, reissued with the URLs where clients can check for its revocation."""
    points = x509.CRLDistributionPoints(
        [x509.DistributionPoint([x509.UniformResourceIdentifier(crl_url)], None, None, None)]
    )
    access = x509.AuthorityInformationAccess(
        [x509.AccessDescription(AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier(ocsp_url))]
    )
    issuer, key = authority_parts(authority)
    return reissued(chain, issuer=issuer.subject, key=key, add=[points, access])


def crl(authority: trustme.CA, revoked: Iterable[bytes]) -> bytes:
    """A CRL that lists these certificates (PEM), as PEM."""
    issuer, key = authority_parts(authority)
    now = datetime.fromtimestamp(clock.now(), UTC)
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.subject)
        .last_update(now - _AGE)
        .next_update(now + timedelta(days=30))
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
        .add_extension(x509.CRLNumber(int(now.timestamp() * 1e6)), critical=False)
    )
    for chain in revoked:
        entry = x509.RevokedCertificateBuilder().serial_number(x509.load_pem_x509_certificate(chain).serial_number)
        builder = builder.add_revoked_certificate(
            entry.revocation_date(now - _AGE).add_extension(x509.CRLReason(_REASON), critical=False).build()
        )
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def der(pem: bytes) -> bytes:
    """A CRL in DER, the form in which clients fetch it (RFC 5280 section 4.2.1.13)."""
    return x509.load_pem_x509_crl(pem).public_bytes(serialization.Encoding.DER)


def ocsp_answer(authority: trustme.CA, revoked: bytes, request: bytes) -> bytes:
    """The answer to an OCSP request: that this certificate is revoked. Other certificates are refused."""
    certificate = x509.load_pem_x509_certificate(revoked)
    try:
        asked = ocsp.load_der_ocsp_request(request)
    except ValueError:
        return _refusal(ocsp.OCSPResponseStatus.MALFORMED_REQUEST)
    if asked.serial_number != certificate.serial_number:
        return _refusal(ocsp.OCSPResponseStatus.UNAUTHORIZED)
    issuer, key = authority_parts(authority)
    now = datetime.fromtimestamp(clock.now(), UTC)
    answer = (
        ocsp.OCSPResponseBuilder()
        .add_response(
            cert=certificate,
            issuer=issuer,
            algorithm=asked.hash_algorithm,
            cert_status=ocsp.OCSPCertStatus.REVOKED,
            this_update=now - _AGE,
            next_update=now + timedelta(days=30),
            revocation_time=now - _AGE,
            revocation_reason=_REASON,
        )
        .responder_id(ocsp.OCSPResponderEncoding.HASH, issuer)
    )
    for extension in asked.extensions:
        if isinstance(extension.value, x509.OCSPNonce):  # RFC 8954: ties the answer to the request
            answer = answer.add_extension(extension.value, critical=False)
    return answer.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def _refusal(status: ocsp.OCSPResponseStatus) -> bytes:
    return ocsp.OCSPResponseBuilder.build_unsuccessful(status).public_bytes(serialization.Encoding.DER)
