"""A leaf certificate with its key."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from pytest_httpserve.tls.files import keep

KEY_TYPES = ("ecdsa", "rsa")


@dataclass(frozen=True, slots=True)
class Certificate:
    """A leaf certificate as PEM.

    ``chain`` is the certificate followed by any intermediate ones, ``key`` its private key, not encrypted. The files
    are written when first asked for, to ``folder`` or a temporary one of this process, and only their owner can read
    them.
    """

    chain: bytes
    key: bytes = field(repr=False)  # a failing test shows values in its report, which may be kept for long
    folder: Path | None = field(default=None, repr=False, compare=False)

    @property
    def pem(self) -> bytes:
        """Key and chain in one, as ``ssl.SSLContext.load_cert_chain`` accepts them."""
        return self.key + self.chain

    @property
    def spki_hash(self) -> str:
        """The SHA-256 of its public key (the SubjectPublicKeyInfo of RFC 5280) in base64, for key pinning."""
        import base64
        import hashlib

        from cryptography import x509
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        key = x509.load_pem_x509_certificate(self.chain).public_key()
        info = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return base64.b64encode(hashlib.sha256(info).digest()).decode("ascii")

    @property
    def pem_path(self) -> Path:
        """A file with key and chain."""
        return keep(self.folder, "certificate-and-key", self.pem)

    @property
    def chain_path(self) -> Path:
        """A file with the chain alone."""
        return keep(self.folder, "certificate", self.chain)

    @property
    def key_path(self) -> Path:
        """A file with the key alone."""
        return keep(self.folder, "key", self.key)
