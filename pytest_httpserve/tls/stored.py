"""A CA in a file: its certificate and its key, in one PEM file that only its owner can read."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import trustme
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from pytest_httpserve import clock
from pytest_httpserve.errors import UsageError
from pytest_httpserve.tls.files import put


def authority_at(path: Path) -> trustme.CA:
    """The CA in this file; made if there is none. Raises UsageError, with the path, for a file that cannot be used."""
    try:
        if not path.exists():
            authority = trustme.CA()
            if put(path, authority.private_key_pem.bytes() + authority.cert_pem.bytes()):
                return authority
            # Somebody else was faster, and that one is the CA.
        mode = path.stat().st_mode
        pem = path.read_bytes()
    except OSError as error:
        raise UsageError(f"the CA file {path} can be neither read nor made: {error.strerror}") from None
    if os.name == "posix" and mode & 0o077:
        raise UsageError(f"the CA file {path} holds a key that others can read: chmod 600 {path}")
    return _checked(path, pem)


def _checked(path: Path, pem: bytes) -> trustme.CA:
    try:
        certificate = x509.load_pem_x509_certificate(pem)
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError):
        raise UsageError(
            f"the CA file {path} does not hold a certificate and its key, not encrypted, as PEM; without the file, a "
            "new CA is made"
        ) from None
    if key.public_key() != certificate.public_key():
        raise UsageError(f"the CA file {path} holds a key that is not that of its certificate")
    if not _may_issue(certificate):
        raise UsageError(f"the CA file {path} holds a certificate that is not that of a CA")
    now = datetime.fromtimestamp(clock.now(), UTC)
    if certificate.not_valid_after_utc <= now:
        raise UsageError(
            f"the CA file {path} has expired, on {certificate.not_valid_after_utc:%Y-%m-%d}; without it, a new CA is "
            "made"
        )
    if certificate.not_valid_before_utc > now:
        raise UsageError(f"the CA file {path} is not valid before {certificate.not_valid_before_utc:%Y-%m-%d}")
    return trustme.CA.from_pem(pem, pem)


def _may_issue(certificate: x509.Certificate) -> bool:
    """Whether this is a CA (RFC 5280 section 4.2.1.9), and its key may sign certificates (section 4.2.1.3)."""
    try:
        if not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca:
            return False
        return certificate.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
    except x509.ExtensionNotFound as error:
        return error.oid == x509.KeyUsage.oid  # which may be missing
