"""A test CA, made on the spot by trustme: what it issues, and how clients come to trust it."""

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
    """Import trustme, and with it cryptography, and let that see a time: it keeps the class of the first one, and would
    refuse all others later if a test had frozen the clock meanwhile."""
    with clock.real_datetime():
        import trustme

        trustme.CA()


class CertificateAuthority:
    """A CA with a key of its own: whoever trusts ``pem`` trusts all that it issues, and nothing else.

    Files that are asked for (``pem_path`` and others) are written to ``folder``, by default a temporary one of this
    process.
    """

    def __init__(self, *, folder: Path | None = None, authority: trustme.CA | None = None) -> None:
        _bring_in()  # which takes its time: only those who need a certificate wait for it
        import trustme

        self.folder = folder
        self.trustme: trustme.CA = authority or trustme.CA()
        self._intermediate: CertificateAuthority | None = None
        self._revoked: list[Certificate] = []

    @classmethod
    def at(cls, path: str | os.PathLike[str], *, folder: Path | None = None) -> Self:
        """The CA whose certificate and key are in this file; it is made if there is none.

        Of several who make it at once, in any process, all get the same. Raises UsageError, with the path, for a file
        that holds no valid CA with its key, or that others than its owner can read.
        """
        _bring_in()
        from pytest_httpserve.tls.stored import authority_at

        return cls(folder=folder, authority=authority_at(Path(path)))

    # What a client is to trust

    @property
    def pem(self) -> bytes:
        """The CA's own certificate: what a client is to trust."""
        return self.trustme.cert_pem.bytes()

    @property
    def pem_path(self) -> Path:
        """A file with the CA's own certificate."""
        return keep(self.folder, "ca", self.pem)

    @property
    def bundle_path(self) -> Path:
        """A file with the CA's own certificate and those of the public CAs that certifi knows."""
        return keep(self.folder, "ca-and-public", trust.bundle(self.pem))

    def env(self, *, public: bool = False) -> dict[str, str]:
        """Environment variables with which most programs trust this CA; with ``public``, the public CAs as well."""
        return trust.variables(self.bundle_path if public else self.pem_path)

    def client_ssl_context(
        self, *, certificate: Certificate | None = None, check_revocation: bool = False
    ) -> ssl.SSLContext:
        """A new context that trusts this CA alone, and shows ``certificate`` to servers that ask for one.

        With ``check_revocation`` it refuses what the CA has revoked up to now.
        """
        import ssl

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2  # as most builds of Python have it
        context.load_verify_locations(cadata=self.pem.decode())
        if check_revocation:
            with passing(self.crl) as path:
                context.load_verify_locations(path)
            context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
        if certificate is not None:
            with passing(certificate.pem) as path:
                context.load_cert_chain(path)
        return context

    # What it issues

    def issue(
        self,
        *names: str,
        key_type: str = "ecdsa",
        not_before: datetime | None = None,
        not_after: datetime | None = None,
    ) -> Certificate:
        """A certificate for host names, IP addresses and e-mail addresses; the first name is its common name, too.

        The zone of an IPv6 address (``fe80::1%eth0``) is left out: it means nothing outside its machine (RFC 6874).
        ``key_type`` is ``ecdsa`` or ``rsa``. Raises UsageError for a name that no certificate can have, and when there
        is none at all.
        """
        import trustme

        if not names:
            raise UsageError("a certificate needs at least one name")
        if key_type not in KEY_TYPES:
            raise UsageError(f"key_type= is one of {', '.join(KEY_TYPES)}, not {key_type!r}")
        try:
            leaf = self.trustme.issue_cert(
                *(name.partition("%")[0] for name in names),
                common_name=names[0] if len(names[0]) <= 64 else None,  # the most that X.509 has room for
                key_type=trustme.KeyType[key_type.upper()],
                not_before=not_before,
                not_after=not_after,
            )
        # Of idna, ipaddress or cryptography; none of them has more in common. A name that is no str has no methods.
        except (ValueError, AttributeError, TypeError) as error:
            raise UsageError(f"no certificate can be issued for {', '.join(map(repr, names))}: {error}") from None
        chain = b"".join(part.bytes() for part in leaf.cert_chain_pems)
        return Certificate(chain=chain, key=leaf.private_key_pem.bytes(), folder=self.folder)

    def issue_client(self, *names: str, key_type: str = "ecdsa") -> Certificate:
        """A certificate for a client, by which a server with ``client_cert=`` knows it: ``issue_client("ada@a.test")``.

        Without a name, it is one for ``client.test``.
        """
        return self.issue(*(names or ("client.test",)), key_type=key_type)

    @property
    def intermediate(self) -> CertificateAuthority:
        """A CA whose own certificate is issued by this one, and stands in the chain of all that it issues."""
        if self._intermediate is None:
            self._intermediate = CertificateAuthority(folder=self.folder, authority=self.trustme.create_child_ca())
        return self._intermediate

    # What it takes back

    def revoke(self, certificate: Certificate) -> None:
        """From now on, ``crl`` lists this certificate, which the CA has issued."""
        self._revoked.append(certificate)

    @property
    def crl(self) -> bytes:
        """The certificates that were revoked up to now: a CRL (RFC 5280 section 5) as PEM.

        That of the intermediate CA follows, if there is one.
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
    """The CA of this process, for servers that were given none."""
    return CertificateAuthority()
