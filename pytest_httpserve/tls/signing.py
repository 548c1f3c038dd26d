"""Certificates that trustme cannot issue: self-signed, or with additional extensions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from pytest_httpserve.tls.certificate import Certificate

Key = EllipticCurvePrivateKey | RSAPrivateKey


def authority_parts(authority: trustme.CA) -> tuple[x509.Certificate, Key]:
    """The certificate and the key of a CA."""
    key = load_pem_private_key(authority.private_key_pem.bytes(), password=None)
    return x509.load_pem_x509_certificate(authority.cert_pem.bytes()), cast(Key, key)


def self_signed(certificate: Certificate) -> Certificate:
    """A self-signed certificate with the same names and key."""
    key = cast(Key, load_pem_private_key(certificate.key, password=None))
    subject = x509.load_pem_x509_certificate(certificate.chain).subject
    chain = reissued(certificate.chain, issuer=subject, key=key, drop=[x509.AuthorityKeyIdentifier])
    return Certificate(chain=chain, key=certificate.key, folder=certificate.folder)


def reissued(
    chain: bytes,
    *,
    issuer: x509.Name,
    key: Key,
    add: Iterable[x509.ExtensionType] = (),
    drop: Iterable[type[x509.ExtensionType]] = (),
) -> bytes:
    """A chain with its first certificate signed anew; the rest stays as it is."""
    first, end, rest = chain.partition(b"-----END CERTIFICATE-----\n")
    old = x509.load_pem_x509_certificate(first + end)
    builder = (
        x509.CertificateBuilder()
        .subject_name(old.subject)
        .issuer_name(issuer)
        .public_key(old.public_key())
        .serial_number(old.serial_number)
        .not_valid_before(old.not_valid_before_utc)
        .not_valid_after(old.not_valid_after_utc)
    )
    for extension in old.extensions:
        if not isinstance(extension.value, tuple(drop)):
            builder = builder.add_extension(extension.value, critical=extension.critical)
    for value in add:
        builder = builder.add_extension(value, critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM) + rest
