"""A CA in a file: its certificate and its key in one PEM file that only the owner can read."""

from __future__ import annotations

import os
import stat
from datetime import UTC, datetime
from pathlib import Path

import trustme
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from pytest_httpserve import clock
from pytest_httpserve.errors import UsageError
from pytest_httpserve.tls.files import put, read, status_of


def authority_at(path: Path) -> trustme.CA:
    """The CA in this file; makes one if there is no file. Raises UsageError, with the path, for an unusable file."""
    try:
        _check_folder(path)
        if not os.path.lexists(path):
            authority = trustme.CA()
            if put(path, authority.private_key_pem.bytes() + authority.cert_pem.bytes()):
                return authority
            # If another process was faster, its CA is the one to use.
        _check_file(path)
        pem = read(path)
    except OSError as error:
        raise UsageError(f"the CA file {path} can be neither read nor made: {error.strerror}") from None
    return _checked(path, pem)


def _check_folder(path: Path) -> None:
    """Refuse a folder that others can write: they could replace the file."""
    mode = status_of(path.parent).st_mode
    if os.name == "posix" and mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
        raise UsageError(f"the CA file {path} is in a folder that others can write: chmod o-w {path.parent}")


def _check_file(path: Path) -> None:
    """Refuse anything but a private file of ours, before reading it: reading a pipe could wait for ever."""
    status = status_of(path)
    if not stat.S_ISREG(status.st_mode):
        raise UsageError(f"the CA file {path} is not a file but a folder, a pipe or a device")
    if os.name == "posix" and status.st_mode & 0o077:
        can = "read" if status.st_mode & 0o044 else "write"
        raise UsageError(f"the CA file {path} holds a key that others can {can}: chmod 600 {path}")
    if hasattr(os, "getuid") and status.st_uid not in (os.getuid(), 0):
        raise UsageError(f"the CA file {path} belongs to another user")


def _checked(path: Path, pem: bytes) -> trustme.CA:
    try:
        certificate = x509.load_pem_x509_certificate(pem)
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError):
        raise UsageError(
            f"the CA file {path} must hold a certificate and its key, in PEM and not encrypted; without the file, a "
            "new CA is made"
        ) from None
    if key.public_key() != certificate.public_key():
        raise UsageError(f"the CA file {path} holds a key that does not belong to its certificate")
    if not _may_issue(certificate):
        raise UsageError(f"the CA file {path} holds a certificate that is not a CA certificate")
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
    """Whether this is a CA's (RFC 5280 section 4.2.1.9), and its key may sign certificates (section 4.2.1.3)."""
    try:
        if not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca:
            return False
        return certificate.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
    except x509.ExtensionNotFound as error:
        return error.oid == x509.KeyUsage.oid  # key usage may be missing
