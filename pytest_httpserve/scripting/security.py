"""The TLS side of one HTTPServe: what was said of it, its CA, and who is made to trust that.

Nothing here imports ssl for a server without it.
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
    """Settings and CA of a server; ``tls`` is None for one without TLS.

    ``setenv`` sets an environment variable for as long as the server is meant to live; without it, that is done here.
    ``revocation`` is the server, of plain HTTP, that tells of a revoked certificate, while there is one.
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
                raise UsageError(f"ca= is a CertificateAuthority, not {ca!r}")

    @property
    def scheme(self) -> str:
        return "http" if self.tls is None else "https"

    @property
    def ca(self) -> CertificateAuthority:
        """The CA; made when first asked for."""
        from pytest_httpserve.tls.authority import default_authority

        if self._ca is None:
            self._ca = default_authority()
        elif callable(self._ca):
            self._ca = self._ca()
        return self._ca

    def listen(self, host: str, port: int, script: Script, helper: Callable[[], Telling]) -> ScriptedServer:
        """The server itself. ``helper`` makes a further one, started, for clients that ask about a certificate."""
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
        """Let this process, and those that it starts, trust the CA until ``end``, and ask ``host`` past any proxy."""
        from pytest_httpserve.tls.trust import past_proxies

        self._set({**self.ca.env(public=public), **past_proxies(os.environ, host)})

    def take_over(self, variables: Mapping[str, str]) -> None:
        """Set these variables of this process, which name proxies, until ``end``. Who has read them before forgets."""
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
        """The server has stopped."""
        if self._environment is not None:
            self._environment.restore()
        if self._opener is not None:
            self._opener.restore()
            self._opener = None
        if self.revocation is not None:
            self.revocation.stop()
