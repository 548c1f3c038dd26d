"""A server's SSL context: its certificates, good or bad, chosen by name, and its handshake settings."""

from __future__ import annotations

import ssl
import warnings
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import NamedTuple
from weakref import WeakKeyDictionary

from pytest_httpserve import clock
from pytest_httpserve.errors import UnsupportedError, UsageError
from pytest_httpserve.tls.authority import CertificateAuthority
from pytest_httpserve.tls.certificate import Certificate
from pytest_httpserve.tls.files import passing
from pytest_httpserve.tls.settings import TLS, VERSIONS

_LONG = timedelta(days=30)  # no clock is that wrong
_OLD = ("1.0", "1.1")
_NO_ENCRYPTION = "eNULL"  # no client offers it unless told to
_ELSEWHERE = "elsewhere.test"

Names = Sequence[str]
Make = Callable[[str], ssl.SSLContext | None]


class Ready(NamedTuple):
    """What a server needs for TLS."""

    certificate: Certificate
    context: ssl.SSLContext


# For each CA, a cache by the servers' settings: making a context takes longer than a handshake.
_READY: WeakKeyDictionary[CertificateAuthority, dict[object, Ready]] = WeakKeyDictionary()


def make_ready(tls: TLS, authority: CertificateAuthority, names: Names, *, by_name: bool = False) -> Ready:
    """The certificate and context of a server with these names; the same for all servers with the same settings.

    With ``by_name``, a client that asks for any other name gets a certificate for that name.

    Settings with a user's certificate or clock are not cached: a test may have made either for itself.

    Raises UsageError for an invalid certificate, name or cipher, UnsupportedError for a feature that this machine's TLS
    library no longer has.
    """
    key = (tls, tuple(names), by_name)
    kept = _READY.setdefault(authority, {})
    ready = kept.get(key)
    if ready is None:
        given = tls.certificate
        assert given is None or isinstance(given, Certificate)  # files are read by now
        certificate = given if given is not None else issue(tls, tls.fault, authority, [*names, *tls.names])
        made = partial(_made_for, tls, authority) if by_name and given is None else None
        ready = with_certificate(tls, certificate, authority, made)
        own = [value for _, value in tls.certificates_by_name if isinstance(value, Certificate)]
        if given is None and tls.clock is None and not own:
            kept[key] = ready
    return ready


def _made_for(tls: TLS, authority: CertificateAuthority, name: str) -> ssl.SSLContext | None:
    try:
        return make_ready(tls, authority, (name,)).context
    except UsageError:  # no certificate can have this name
        return None


def with_certificate(
    tls: TLS, certificate: Certificate, authority: CertificateAuthority, make: Make | None = None
) -> Ready:
    """A new context with this certificate, and with those that clients may ask for by name; ``make`` makes contexts
    for names that are not in the settings."""
    context = _bare_context(tls, certificate, authority)
    others = {}
    for name, value in tls.certificates_by_name:
        special = value if isinstance(value, Certificate) else issue(tls, value, authority, [name])
        others[name] = _bare_context(tls, special, authority)
    context.sni_callback = _choose(others, make)
    return Ready(certificate, context)


def _choose(
    others: dict[str, ssl.SSLContext], make: Make | None
) -> Callable[[ssl.SSLObject, str | None, ssl.SSLContext], None]:
    def choose(connection: ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> None:
        connection.asked_for = name  # type: ignore[attr-defined]  # the ssl module tells the name here only
        if name is None:
            return
        other = others.get(name.lower())
        if other is None and make is not None:
            other = make(name.lower())
        if other is not None:
            connection.context = other

    return choose


def _bare_context(tls: TLS, certificate: Certificate, authority: CertificateAuthority) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if tls.fault == "old_tls":
        _set_versions(context, _OLD)
    elif tls.fault == "no_common_cipher":
        _set_versions(context, ("1.2",))  # the ciphers of TLS 1.3 cannot be chosen
    else:
        _set_versions(context, tls.tls_versions)
    _set_ciphers(context, tls)
    if tls.alpn:
        context.set_alpn_protocols(list(tls.alpn))
    if tls.client_cert is not None:
        context.verify_mode = ssl.CERT_REQUIRED if tls.client_cert == "required" else ssl.CERT_OPTIONAL
        context.load_verify_locations(cadata=authority.pem.decode())
    try:
        with passing(certificate.pem) as path:
            # Without a password, OpenSSL would ask on the terminal for an encrypted key's password.
            context.load_cert_chain(path, password="")
    except (ssl.SSLError, ValueError) as error:
        raise UsageError(f"certificate= takes a certificate with its key, in PEM and not encrypted: {error}") from None
    return context


def _set_versions(context: ssl.SSLContext, versions: Sequence[str]) -> None:
    there = dict(zip(VERSIONS, (ssl.HAS_TLSv1, ssl.HAS_TLSv1_1, ssl.HAS_TLSv1_2, ssl.HAS_TLSv1_3), strict=True))
    if missing := [version for version in versions if not there[version]]:
        raise UnsupportedError(f"{ssl.OPENSSL_VERSION} does not speak TLS {' and '.join(missing)}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the test asked for the old versions
        context.minimum_version = ssl.TLSVersion[_name(versions[0])]
        context.maximum_version = ssl.TLSVersion[_name(versions[-1])]


def _name(version: str) -> str:
    return "TLSv1" if version == "1.0" else f"TLSv{version.replace('.', '_')}"


def _set_ciphers(context: ssl.SSLContext, tls: TLS) -> None:
    weak = tls.fault in ("old_tls", "no_common_cipher") or tls.tls_versions[0] in _OLD
    if tls.ciphers is None and not weak:
        return
    chosen = _NO_ENCRYPTION if tls.fault == "no_common_cipher" else tls.ciphers or "DEFAULT"
    try:
        # OpenSSL allows TLS 1.1, and ciphers without encryption, at security level 0 only.
        context.set_ciphers(f"{chosen}:@SECLEVEL=0" if weak else chosen)
    except ssl.SSLError:
        if tls.ciphers is None:
            raise UnsupportedError(f"{ssl.OPENSSL_VERSION} has no ciphers {chosen!r} at level 0") from None
        raise UsageError(f"ciphers={tls.ciphers!r}: OpenSSL knows none of them") from None


# The certificates of the gallery


def issue(tls: TLS, fault: str | None, authority: CertificateAuthority, names: Names) -> Certificate:
    """A certificate for these names, with the fault if it is a fault of certificates."""
    if fault == "untrusted":
        authority = CertificateAuthority(folder=authority.folder)
    issuer = authority.intermediate if tls.intermediate or fault == "missing_chain" else authority
    seconds = (tls.clock or clock.now)()
    now = datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)  # X.509 is in UTC, and trustme takes no zones
    certificate = issuer.issue(
        *dict.fromkeys([_ELSEWHERE] if fault == "wrong_host" else names),
        key_type=tls.key_type,
        not_after=now - _LONG if fault == "expired" else None,
        not_before={"not_yet_valid": now + _LONG, "expired": now - 2 * _LONG}.get(fault or ""),
    )
    if fault == "self_signed":
        from pytest_httpserve.tls.signing import self_signed

        return self_signed(certificate)
    if fault == "missing_chain":
        return Certificate(chain=_first(certificate.chain), key=certificate.key, folder=certificate.folder)
    if fault == "revoked":
        issuer.revoke(certificate)
    return certificate


def _first(chain: bytes) -> bytes:
    first, end, _ = chain.partition(b"-----END CERTIFICATE-----\n")
    return first + end
