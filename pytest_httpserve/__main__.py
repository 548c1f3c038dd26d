"""``python -m pytest_httpserve``: serves a directory from the command line."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_httpserve.server.cli.main import main


def certify(names: Sequence[str]) -> tuple[bytes, bytes]:
    """A new CA's certificate, and a server's for ``names`` with its key, all as PEM."""
    from pytest_httpserve.tls import CertificateAuthority

    authority = CertificateAuthority()
    return authority.pem, authority.issue(*names).pem


if __name__ == "__main__":
    raise SystemExit(main(certify=certify))
