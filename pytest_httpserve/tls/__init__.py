"""Certificates for tests: a CA that no client trusts by default, good and bad certificates, and ways to trust it."""

from __future__ import annotations

from pytest_httpserve.tls.authority import CertificateAuthority
from pytest_httpserve.tls.certificate import Certificate
from pytest_httpserve.tls.settings import TLS, TLS_GALLERY

__all__ = ["TLS", "TLS_GALLERY", "Certificate", "CertificateAuthority"]
