"""The TLS settings of a server, checked when they are made."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, replace
from pathlib import Path
from typing import cast

from pytest_httpserve.arguments import check_above_zero, check_switch
from pytest_httpserve.errors import UsageError
from pytest_httpserve.tls.certificate import KEY_TYPES, Certificate

# The faults of a certificate, and the faults of a handshake
CERTIFICATE_FAULTS = ("expired", "not_yet_valid", "wrong_host", "self_signed", "untrusted", "missing_chain", "revoked")
HANDSHAKE_FAULTS = ("old_tls", "no_common_cipher", "handshake_reset", "handshake_stall", "plain_http")
TLS_GALLERY = CERTIFICATE_FAULTS + HANDSHAKE_FAULTS

VERSIONS = ("1.0", "1.1", "1.2", "1.3")

CertificateArgument = Certificate | str | os.PathLike[str] | tuple[str | os.PathLike[str], str | os.PathLike[str]]
SNIArgument = Mapping[str, Certificate | str | None] | Sequence[str]


_HTTP_1 = ("http/1.1",)


@dataclass(frozen=True, slots=True)
class TLS:
    """The TLS settings of a server. By default it works, with a certificate from the test CA; ``fault`` breaks it.

    ``fault`` is one of TLS_GALLERY. The certificate is for ``localhost``, ``127.0.0.1``, ``::1``, the server's own
    address, and ``names``. ``key_type`` is ``ecdsa`` or ``rsa``; with ``intermediate``, an intermediate CA issues the
    certificate. ``certificate`` is your own certificate instead: a Certificate, the path of a PEM file with
    certificate, chain and key, or two paths, of a certificate and its key.

    ``tls_versions`` lists the versions to speak, from ``1.0`` to ``1.3``; ``ciphers`` is the ciphers for TLS 1.2 and
    earlier, in OpenSSL's format; ``alpn`` lists the protocols to agree on. ``client_cert`` (``optional`` or
    ``required``) asks clients for a certificate from the test CA. ``sni`` adds certificates for clients that ask for
    certain names: a list of names, or a mapping from names to a Certificate, to None for a certificate from the test
    CA, or to a fault of certificates. A handshake may take ``handshake_timeout`` seconds.

    ``clock`` decides when a certificate is ``expired`` or ``not_yet_valid``, for a client that does not use the system
    clock: a function that returns seconds since the epoch, such as ``time.time`` in a test that has frozen it.

    Raises UsageError for a wrong value, and for settings that contradict each other.
    """

    fault: str | None = None
    _: KW_ONLY
    names: Sequence[str] | str = ()
    tls_versions: Sequence[str] | str = ("1.2", "1.3")
    ciphers: str | None = None
    alpn: Sequence[str] | str = _HTTP_1
    key_type: str = "ecdsa"
    intermediate: bool = False
    client_cert: str | None = None
    certificate: CertificateArgument | None = None
    sni: SNIArgument = ()
    handshake_timeout: float = 10.0
    clock: Callable[[], float] | None = None

    @property
    def certificates_by_name(self) -> tuple[tuple[str, Certificate | str | None], ...]:
        """``sni`` as pairs of a name and a certificate, None, or a fault."""
        return cast("tuple[tuple[str, Certificate | str | None], ...]", self.sni)

    def __post_init__(self) -> None:
        _one_of("a fault of TLS", self.fault, (None, *TLS_GALLERY))
        _one_of("key_type=", self.key_type, KEY_TYPES)
        _one_of("client_cert=", self.client_cert, (None, "optional", "required"))
        self._set("names", _texts("names=", self.names))
        self._set("alpn", _protocols(self.alpn))
        self._set("tls_versions", _versions(self.tls_versions))
        self._set("sni", _sni(self.sni))
        if self.ciphers is not None and not isinstance(self.ciphers, str):
            allowed = "text in the format of OpenSSL, such as 'ECDHE+AESGCM'"
            raise UsageError(f"ciphers= must be {allowed}, not {self.ciphers!r}")
        check_switch("intermediate=", self.intermediate)
        if self.clock is not None and not callable(self.clock):
            raise UsageError(f"clock= must be a function that returns seconds since the epoch, not {self.clock!r}")
        check_above_zero("handshake_timeout=", self.handshake_timeout, "a number of seconds")
        _check_certificate(self.certificate)
        self._check_together()

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)  # how a frozen dataclass sets its own attributes

    def _check_together(self) -> None:
        if self.certificate is not None:
            if self.fault in CERTIFICATE_FAULTS:
                raise UsageError(f"certificate= is used as it is: it cannot be made {self.fault!r}")
            for name in ("names", "intermediate"):
                if getattr(self, name):
                    raise UsageError(f"certificate= is used as it is: leave out {name}=")
        if self.fault == "old_tls" and self.tls_versions != ("1.2", "1.3"):
            raise UsageError("the fault 'old_tls' decides the versions: leave out tls_versions=")
        if self.fault == "no_common_cipher" and self.ciphers is not None:
            raise UsageError("the fault 'no_common_cipher' decides the ciphers: leave out ciphers=")


def as_tls(given: object, http2: bool | str = False) -> TLS | None:
    """The TLS that ``tls=`` asks for: True, the name of a fault, or a TLS; None for None and False.

    With ``http2``, clients are offered HTTP/2 first or, if it is ``only``, nothing else.
    """
    if given is None or given is False:
        return None
    if given is True:
        return TLS(alpn=_with_http2(_HTTP_1, http2))
    if isinstance(given, str):
        return TLS(given, alpn=_with_http2(_HTTP_1, http2))
    if isinstance(given, TLS):
        return replace(given, alpn=_with_http2(given.alpn, http2)) if http2 else given
    raise UsageError(f"tls= must be True, a TLS, or a fault of TLS ({', '.join(TLS_GALLERY)}), not {given!r}")


def _with_http2(protocols: Sequence[str], http2: bool | str) -> Sequence[str]:
    if http2 == "only":
        return ("h2",)
    return ("h2", *(protocol for protocol in protocols if protocol != "h2")) if http2 else protocols


def read_certificate(given: CertificateArgument, roots: Sequence[Path]) -> Certificate:
    """The user's own certificate. Raises UsageError for a file that is in none of ``roots``."""
    if isinstance(given, Certificate):
        return given
    paths = given if isinstance(given, tuple) else (given,)
    contents = [_find(Path(path), roots).read_bytes() for path in paths]
    return Certificate(chain=contents[0], key=contents[1] if len(contents) > 1 else b"")


def _find(path: Path, roots: Sequence[Path]) -> Path:
    tried = list(dict.fromkeys(root / path for root in roots))
    for candidate in tried:
        if os.path.isfile(candidate):
            return candidate
    raise UsageError(f"certificate={str(path)!r}: there is no such file; tried {', '.join(map(str, tried))}")


def _one_of(given: str, value: object, known: Sequence[object]) -> None:
    if value not in known:
        names = ", ".join(str(one) for one in known if one is not None)
        raise UsageError(f"{given} must be one of {names}, not {value!r}")


def _texts(given: str, values: object) -> tuple[str, ...]:
    texts = (values,) if isinstance(values, str) else values
    if not isinstance(texts, Sequence) or not all(isinstance(text, str) and text for text in texts):
        raise UsageError(f"{given} must be a text or a list of texts, not {values!r}")
    return tuple(texts)


def _protocols(values: object) -> tuple[str, ...]:
    protocols = _texts("alpn=", values)
    for protocol in protocols:
        if not protocol.isascii() or len(protocol) > 255:
            raise UsageError(f"alpn= must have names of protocols such as 'http/1.1', not {protocol!r}")
    return protocols


def _versions(values: object) -> tuple[str, ...]:
    versions = _texts("tls_versions=", values)
    for version in versions:
        _one_of("tls_versions=", version, VERSIONS)
    places = sorted({VERSIONS.index(version) for version in versions})
    if not places or places != list(range(places[0], places[-1] + 1)):
        raise UsageError(f"tls_versions= must have at least one version, and no gap, not {values!r}")
    return tuple(VERSIONS[place] for place in places)


def _sni(given: object) -> tuple[object, ...]:
    """The certificates by name, as pairs. Names are in lower case, as on the wire."""
    if not isinstance(given, Mapping):
        if isinstance(given, tuple) and all(isinstance(pair, tuple) for pair in given):
            return given  # from another TLS, by dataclasses.replace
        given = dict.fromkeys(_texts("sni=", given))
    for name, value in given.items():
        if not isinstance(name, str) or not name:
            raise UsageError(f"sni= must have names such as 'api.example.test', not {name!r}")
        if not isinstance(value, Certificate):
            _one_of(f"sni={{{name!r}: ...}}", value, (None, *CERTIFICATE_FAULTS))
    return tuple((name.lower(), value) for name, value in given.items())


def _check_certificate(given: object) -> None:
    paths = given if isinstance(given, tuple) else (given,)
    if isinstance(given, Certificate) or given is None:
        return
    if len(paths) > 2 or not paths or not all(isinstance(path, str | os.PathLike) and path for path in paths):
        allowed = "a Certificate, the path of a PEM file, or the paths of a certificate and its key"
        raise UsageError(f"certificate= must be {allowed}, not {given!r}")
