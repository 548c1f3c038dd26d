"""A test CA and the certificates that it issues, made on the spot by trustme and trusted by nobody unasked."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_httpserve.errors import UsageError


@dataclass(frozen=True, slots=True)
class Certificate:
    """A leaf certificate as PEM.

    ``chain`` is the certificate followed by what links it to its CA, ``key`` its private key, not encrypted.
    """

    chain: bytes
    key: bytes

    @property
    def pem(self) -> bytes:
        """Key and chain, as ``ssl.SSLContext.load_cert_chain`` takes them from one file."""
        return self.key + self.chain


class CertificateAuthority:
    """A CA with a key of its own: whoever trusts ``pem`` trusts all that it issues, and nothing else."""

    def __init__(self) -> None:
        import trustme  # brings cryptography along: only those who need a certificate wait for it

        self._authority = trustme.CA()

    @property
    def pem(self) -> bytes:
        """The CA's own certificate: what a client is to trust."""
        return self._authority.cert_pem.bytes()

    def issue(self, *names: str) -> Certificate:
        """A server certificate for host names and IP addresses.

        The zone of an IPv6 address (``fe80::1%eth0``) is left out: it means nothing outside its machine (RFC 6874).
        Raises UsageError for a name that no certificate can have, and when there is none at all.
        """
        if not names:
            raise UsageError("a server certificate needs at least one name")
        try:
            leaf = self._authority.issue_cert(*(name.partition("%")[0] for name in names))
        except ValueError as error:  # of idna, ipaddress or cryptography; none of them has more in common
            raise UsageError(f"no certificate can be issued for {', '.join(map(repr, names))}: {error}") from None
        chain = b"".join(part.bytes() for part in leaf.cert_chain_pems)
        return Certificate(chain=chain, key=leaf.private_key_pem.bytes())
