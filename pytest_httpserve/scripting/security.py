"""The TLS side of an HTTPServe: its settings, its CA, and the environment variables that make clients trust the CA.

Nothing here imports ssl for a server without TLS.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_httpserve.errors import UsageError
from pytest_httpserve.scripting.script import Script
from pytest_httpserve.scripting.scripted_server import ScriptedServer

if TYPE_CHECKING:
    from pytest_httpserve.scripting.handshaking import Telling
    from pytest_httpserve.tls import TLS, CertificateAuthority
    from pytest_httpserve.tls.trust import Environment, Opener


class Security:
    """The TLS settings and the CA of a server. ``tls`` is None for a server without TLS.

    ``setenv`` sets an environment variable for the lifetime of the server; without it, this class does so itself.
    ``revocation`` is the plain HTTP server that tells clients about a revoked certificate, while there is one.
    """

    def __init__(
        self,
        tls: TLS | bool | str | None,
        ca: CertificateAuthority | Callable[[], CertificateAuthority] | None,
        roots: Sequence[Path],
        setenv: Callable[[str, str], object] | None,
        http2: bool | str = False,
    ) -> None:
        self.tls: TLS | None = None
        self.revocation: Telling | None = None
        self._ca = ca
        self._setenv = setenv
        self._environment: Environment | None = None
        self._opener: Opener | None = None
        if tls is not None and tls is not False:
            from pytest_httpserve.tls.settings import as_tls, read_certificate

            self.tls = wanted = as_tls(tls, http2)
            if wanted is not None and wanted.certificate is not None:
                self.tls = replace(wanted, certificate=read_certificate(wanted.certificate, roots))
        if ca is not None and not callable(ca):
            from pytest_httpserve.tls import CertificateAuthority

            if not isinstance(ca, CertificateAuthority):
                raise UsageError(f"ca= must be a CertificateAuthority, not {ca!r}")

    @property
    def scheme(self) -> str:
        return "http" if self.tls is None else "https"

    @property
    def ca(self) -> CertificateAuthority:
        """The CA, made when it is first needed."""
        from pytest_httpserve.tls.authority import default_authority

        if self._ca is None:
            self._ca = default_authority()
        elif callable(self._ca):
            self._ca = self._ca()
        return self._ca

    def listen(self, host: str, port: int, script: Script, helper: Callable[[], Telling]) -> ScriptedServer:
        """Make the server. ``helper`` makes and starts another one, for clients that ask about revoked certificates."""
        if self.tls is None:
            return ScriptedServer(host, port, script)
        from pytest_httpserve.scripting.secure_server import make_server

        if self.tls.fault == "revoked":
            self.revocation = helper()
        try:
            return make_server(self.tls, host, port, script, self.ca, self.revocation)
        except BaseException:
            self.end()
            raise

    def trust(self, host: str, *, public: bool) -> None:
        """Make this process and its children trust the CA until ``end``, and reach ``host`` without a proxy."""
        from pytest_httpserve.tls.trust import past_proxies

        self._set({**self.ca.env(public=public), **past_proxies(os.environ, host)})

    def take_over(self, variables: Mapping[str, str]) -> None:
        """Set these proxy variables in this process until ``end``, and forget values that were read before."""
        from pytest_httpserve.tls.trust import Opener

        if self._opener is None:
            self._opener = Opener()
        self._set(variables)

    def _set(self, variables: Mapping[str, str]) -> None:
        from pytest_httpserve.tls.trust import Environment

        if self._setenv is None:
            self._environment = Environment()
            self._setenv = self._environment.set
        for name, value in variables.items():
            self._setenv(name, value)

    def end(self) -> None:
        """Undo all changes: the server has stopped."""
        if self._environment is not None:
            self._environment.restore()
        if self._opener is not None:
            self._opener.restore()
            self._opener = None
        if self.revocation is not None:
            self.revocation.stop()
