"""A test CA, made on the spot by trustme: it issues certificates, and helps clients to trust it."""

from __future__ import annotations

import functools
import os
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Self

from pytest_httpserve import clock
from pytest_httpserve.errors import UsageError
from pytest_httpserve.tls import trust
from pytest_httpserve.tls.certificate import KEY_TYPES, Certificate
from pytest_httpserve.tls.files import keep, passing

if TYPE_CHECKING:
    import ssl

    import trustme


@functools.cache
def _bring_in() -> None:
    """Import trustme and cryptography, and pass cryptography a real datetime: it keeps the class of the first one that
    it sees, and if a test had frozen the clock by then, it would refuse all later ones."""
    with clock.real_datetime():
        import trustme

        trustme.CA()


class CertificateAuthority:
    """A CA with its own key: a client that trusts ``pem`` trusts the certificates it issues, and no others.

    Files (``pem_path`` and others) are written when first asked for, to ``folder``, by default a temporary folder of
    this process.
    """

    def __init__(self, *, folder: Path | None = None, authority: trustme.CA | None = None) -> None:
        _bring_in()  # slow: so only when somebody needs a certificate
        import trustme

        self.folder = folder
        self.trustme: trustme.CA = authority or trustme.CA()
        self._intermediate: CertificateAuthority | None = None
        self._revoked: list[Certificate] = []

    @classmethod
    def at(cls, path: str | os.PathLike[str], *, folder: Path | None = None) -> Self:
        """The CA whose certificate and key are in this file; makes a new CA if there is no such file.

        Callers that do this at the same time, in any process, all get the same CA. Raises UsageError, with the path,
        for a file without a valid CA and its key, or one that others than its owner can read.
        """
        _bring_in()
        from pytest_httpserve.tls.stored import authority_at

        return cls(folder=folder, authority=authority_at(Path(path)))

    # For clients

    @property
    def pem(self) -> bytes:
        """The CA's own certificate, for clients to trust."""
        return self.trustme.cert_pem.bytes()

    @property
    def pem_path(self) -> Path:
        """A file with the CA's own certificate."""
        return keep(self.folder, "ca", self.pem)

    @property
    def bundle_path(self) -> Path:
        """A file with the CA's own certificate and those of certifi's public CAs."""
        return keep(self.folder, "ca-and-public", trust.bundle(self.pem))

    def env(self, *, public: bool = False) -> dict[str, str]:
        """Environment variables that make most programs trust this CA; with ``public``, the public CAs as well."""
        return trust.variables(self.bundle_path if public else self.pem_path)

    def client_ssl_context(
        self, *, certificate: Certificate | None = None, check_revocation: bool = False
    ) -> ssl.SSLContext:
        """A new context that trusts this CA alone, and presents ``certificate`` to servers that ask for one.

        With ``check_revocation`` it refuses certificates that the CA has revoked up to now.
        """
        import ssl

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2  # the default in most builds of Python
        context.load_verify_locations(cadata=self.pem.decode())
        if check_revocation:
            with passing(self.crl) as path:
                context.load_verify_locations(path)
            context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
        if certificate is not None:
            with passing(certificate.pem) as path:
                context.load_cert_chain(path)
        return context

    # Issuing

    def issue(
        self,
        *names: str,
        key_type: str = "ecdsa",
        not_before: datetime | None = None,
        not_after: datetime | None = None,
    ) -> Certificate:
        """A certificate for host names, IP addresses and e-mail addresses; the first name is its common name, too.

        The zone of an IPv6 address (``fe80::1%eth0``) is left out: it means nothing outside its machine (RFC 6874).
        ``key_type`` is ``ecdsa`` or ``rsa``. Raises UsageError for a name that no certificate can have, and for no
        names.
        """
        import trustme

        if not names:
            raise UsageError("a certificate needs at least one name")
        if key_type not in KEY_TYPES:
            raise UsageError(f"key_type= must be one of {', '.join(KEY_TYPES)}, not {key_type!r}")
        try:
            leaf = self.trustme.issue_cert(
                *(name.partition("%")[0] for name in names),
                common_name=names[0] if len(names[0]) <= 64 else None,  # the longest that X.509 allows
                key_type=trustme.KeyType[key_type.upper()],
                not_before=not_before,
                not_after=not_after,
            )
        # From idna, ipaddress or cryptography, which share no narrower class; the last two for a name that is no str.
        except (ValueError, AttributeError, TypeError) as error:
            raise UsageError(f"no certificate can be issued for {', '.join(map(repr, names))}: {error}") from None
        chain = b"".join(part.bytes() for part in leaf.cert_chain_pems)
        return Certificate(chain=chain, key=leaf.private_key_pem.bytes(), folder=self.folder)

    def issue_client(self, *names: str, key_type: str = "ecdsa") -> Certificate:
        """A certificate that identifies a client to a server with ``client_cert=``: ``issue_client("ada@a.test")``.

        Without a name, it is for ``client.test``.
        """
        return self.issue(*(names or ("client.test",)), key_type=key_type)

    @property
    def intermediate(self) -> CertificateAuthority:
        """An intermediate CA: this CA issues its certificate, which is in the chain of every certificate it issues."""
        if self._intermediate is None:
            self._intermediate = CertificateAuthority(folder=self.folder, authority=self.trustme.create_child_ca())
        return self._intermediate

    # Revoking

    def revoke(self, certificate: Certificate) -> None:
        """Revoke a certificate that this CA has issued: from now on, ``crl`` lists it."""
        self._revoked.append(certificate)

    @property
    def crl(self) -> bytes:
        """The certificates revoked up to now: a CRL (RFC 5280 section 5) as PEM.

        The intermediate CA's CRL follows, if there is an intermediate CA.
        """
        from pytest_httpserve.tls.revocation import crl

        own = crl(self.trustme, [certificate.chain for certificate in self._revoked])
        return own + self._intermediate.crl if self._intermediate is not None else own

    @property
    def crl_path(self) -> Path:
        """A file with the CRL as it is now."""
        return keep(self.folder, "crl", self.crl)


@functools.cache
def default_authority() -> CertificateAuthority:
    """The CA of this process, for servers that were not given one."""
    return CertificateAuthority()
