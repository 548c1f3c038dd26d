"""The test CA: what it issues is what TLS clients accept, and only those who trust it."""

from __future__ import annotations

import ssl

import pytest

from pytest_httpserve.errors import UsageError
from pytest_httpserve.tls import Certificate, CertificateAuthority


def handshake(certificate: Certificate, trusted: CertificateAuthority, host: str, folder: object) -> None:
    """A whole TLS handshake in memory, as a client that asks for ``host``. Raises ssl.SSLError if it refuses."""
    file = f"{folder}/server.pem"
    with open(file, "wb") as pem:
        pem.write(certificate.pem)
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_context.load_cert_chain(file)
    client_context = ssl.create_default_context(cadata=trusted.pem.decode())
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context.wrap_bio(to_client, to_server, server_hostname=host)
    server = server_context.wrap_bio(to_server, to_client, server_side=True)
    for side in (client, server, client, server):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue  # the other side's turn
    assert client.cipher() is not None


@pytest.fixture(scope="module")
def authority() -> CertificateAuthority:
    return CertificateAuthority()


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "::1", "api.example.test"])
def test_a_certificate_is_good_for_each_of_its_names(
    authority: CertificateAuthority, host: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    certificate = authority.issue("localhost", "127.0.0.1", "::1", "*.example.test")

    handshake(certificate, authority, host, tmp_path_factory.mktemp("tls"))


def test_a_certificate_is_good_for_no_other_name(
    authority: CertificateAuthority, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        handshake(authority.issue("localhost"), authority, "other.test", tmp_path_factory.mktemp("tls"))


def test_who_trusts_one_authority_does_not_trust_another(
    authority: CertificateAuthority, tmp_path_factory: pytest.TempPathFactory
) -> None:
    stranger = CertificateAuthority()

    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(stranger.issue("localhost"), authority, "localhost", tmp_path_factory.mktemp("tls"))


def test_the_zone_of_an_address_is_left_out(
    authority: CertificateAuthority, tmp_path_factory: pytest.TempPathFactory
) -> None:
    handshake(authority.issue("fe80::1%eth0"), authority, "fe80::1", tmp_path_factory.mktemp("tls"))


def test_the_pem_of_the_authority_holds_no_key(authority: CertificateAuthority) -> None:
    assert authority.pem.startswith(b"-----BEGIN CERTIFICATE-----")
    assert b"PRIVATE KEY" not in authority.pem


def test_key_and_chain_come_apart(authority: CertificateAuthority) -> None:
    certificate = authority.issue("localhost")

    assert b"PRIVATE KEY" in certificate.key
    assert b"PRIVATE KEY" not in certificate.chain
    assert certificate.pem == certificate.key + certificate.chain


@pytest.mark.parametrize("name", ["under_score.test", "two words", "a..b", ""])
def test_a_name_that_no_certificate_can_have_is_refused(authority: CertificateAuthority, name: str) -> None:
    with pytest.raises(UsageError, match=r"^no certificate can be issued for"):
        authority.issue(name)


def test_a_certificate_without_names_is_refused(authority: CertificateAuthority) -> None:
    with pytest.raises(UsageError, match="at least one name"):
        authority.issue()
