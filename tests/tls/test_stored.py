"""A CA in a file: made once, used again, and refused in one clear sentence."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from pytest_httpserve import CertificateAuthority, UsageError

NOW = datetime.now(UTC)


def write(path: Path, content: bytes, mode: int = 0o600) -> Path:
    path.write_bytes(content)
    path.chmod(mode)
    return path


def made_by_hand(
    *,
    since: datetime = NOW - timedelta(days=9),
    until: datetime = NOW + timedelta(days=9),
    ca: bool | None = True,
    signs: bool | None = True,
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | None = None,
) -> bytes:
    """Certificate and key of a CA, as somebody else's program would make them."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "by hand")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(since).not_valid_after(until)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    if ca is not None:
        builder = builder.add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    if signs is not None:
        usage = x509.KeyUsage(True, False, False, False, False, signs, signs, False, False)
        builder = builder.add_extension(usage, critical=True)
    certificate = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    return certificate + key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def test_it_is_made_and_used_again(tmp_path: Path) -> None:
    made = CertificateAuthority.at(tmp_path / "ca.pem")
    again = CertificateAuthority.at(str(tmp_path / "ca.pem"))

    assert again.pem == made.pem
    assert (tmp_path / "ca.pem").stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [tmp_path / "ca.pem"]
    assert b"PRIVATE KEY" not in made.pem


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(made_by_hand(), id="of another program"),
        pytest.param(made_by_hand(key=rsa.generate_private_key(65537, 2048)), id="rsa"),
    ],
)
def test_what_it_issues_is_trusted(tmp_path: Path, content: bytes) -> None:
    from tests.tls.test_authority import handshake

    authority = CertificateAuthority.at(write(tmp_path / "ca.pem", content))

    handshake(authority.issue("localhost"), authority, "localhost", tmp_path)
    handshake(authority.intermediate.issue("localhost"), authority, "localhost", tmp_path)


def encrypted() -> bytes:
    certificate = made_by_hand().partition(b"-----BEGIN PRIVATE")[0]
    key = ec.generate_private_key(ec.SECP256R1())
    secret = serialization.BestAvailableEncryption(b"secret")
    return certificate + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, secret)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (lambda: b"", "must hold a certificate and its key, in PEM and not encrypted"),
        (lambda: b"no PEM", "must hold a certificate and its key, in PEM and not encrypted"),
        (lambda: CertificateAuthority().pem, "must hold a certificate and its key, in PEM and not encrypted"),
        (encrypted, "must hold a certificate and its key, in PEM and not encrypted"),
        (lambda: CertificateAuthority().issue("a.test").pem, "holds a certificate that is not a CA certificate"),
        (lambda: made_by_hand(ca=False), "holds a certificate that is not a CA certificate"),
        (lambda: made_by_hand(ca=None), "holds a certificate that is not a CA certificate"),
        (lambda: made_by_hand(signs=False), "holds a certificate that is not a CA certificate"),
        (
            lambda: made_by_hand().partition(b"-----BEGIN PRIVATE")[0] + CertificateAuthority().issue("a").key,
            "holds a key that does not belong to its certificate",
        ),
        (lambda: made_by_hand(until=NOW - timedelta(days=2)), r"has expired, on \d{4}-\d\d-\d\d"),
        (lambda: made_by_hand(since=NOW + timedelta(days=2)), r"is not valid before \d{4}-\d\d-\d\d"),
    ],
)
def test_a_file_that_is_none_is_refused(tmp_path: Path, content: Callable[[], bytes], sentence: str) -> None:
    path = write(tmp_path / "ca.pem", content())

    with pytest.raises(UsageError, match=rf"^the CA file {path} {sentence}"):
        CertificateAuthority.at(path)


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "ca.pem", made_by_hand(), 0o640)

    with pytest.raises(UsageError, match=rf"holds a key that others can read: chmod 600 {path}$"):
        CertificateAuthority.at(path)


def test_a_path_where_nothing_can_be_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "nowhere" / "ca.pem", write(tmp_path / "file", b"") / "ca.pem"):
        with pytest.raises(UsageError, match=rf"^the CA file {path} can be neither read nor made: "):
            CertificateAuthority.at(path)


def test_all_who_make_it_at_once_get_the_same(tmp_path: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: CertificateAuthority.at(tmp_path / "ca.pem").pem, range(16)))

    assert len(set(made)) == 1
    assert os.listdir(tmp_path) == ["ca.pem"]


@pytest.mark.needs("os.mkfifo")
def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "ca.pem", 0o600)
    for path in (tmp_path / "ca.pem", tmp_path):
        with pytest.raises(UsageError, match=rf"^the CA file {path} is not a file but a folder, a pipe or a device$"):
            CertificateAuthority.at(path)


@pytest.mark.skipif(os.name != "posix", reason="others are another matter there")
def test_a_file_or_a_folder_that_others_can_write_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "ca.pem", b"", 0o622)
    with pytest.raises(UsageError, match=rf"^the CA file {path} holds a key that others can write: chmod 600 {path}$"):
        CertificateAuthority.at(path)
    path.unlink()
    tmp_path.chmod(0o707)
    with pytest.raises(UsageError, match=rf"^the CA file {path} is in a folder that others can write: chmod o-w "):
        CertificateAuthority.at(path)
    tmp_path.chmod(0o1777)  # as that of temporary files: there, each may remove but their own
    CertificateAuthority.at(path)
