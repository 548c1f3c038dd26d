"""What can be said of a server's TLS, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pytest_httpserve import TLS, TLS_GALLERY, Certificate, CertificateAuthority, UsageError

OWN = Certificate(chain=b"chain", key=b"key")


def test_the_gallery_is_what_the_documentation_says() -> None:
    assert TLS_GALLERY == (
        "expired",
        "not_yet_valid",
        "wrong_host",
        "self_signed",
        "untrusted",
        "missing_chain",
        "revoked",
        "old_tls",
        "no_common_cipher",
        "handshake_reset",
        "handshake_stall",
        "plain_http",
    )


def test_one_text_stands_for_a_list_of_one() -> None:
    assert TLS(names="a.test", alpn="h2", tls_versions="1.2", sni="b.test") == TLS(
        names=["a.test"], alpn=["h2"], tls_versions=["1.2"], sni=["b.test"]
    )


def test_the_order_of_versions_does_not_matter() -> None:
    assert TLS(tls_versions=["1.3", "1.2"]) == TLS(tls_versions=["1.2", "1.3", "1.2"])


def test_settings_can_be_varied() -> None:
    tls = TLS(names=["a.test"], sni={"b.test": "expired", "c.test": OWN})

    assert replace(tls, key_type="rsa") == TLS(
        names=["a.test"], sni={"b.test": "expired", "c.test": OWN}, key_type="rsa"
    )


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"fault": "bad"}, "a fault of TLS must be one of expired, .*, plain_http, not 'bad'"),
        ({"fault": ["expired"]}, "a fault of TLS must be one of"),
        ({"key_type": "dsa"}, "key_type= must be one of ecdsa, rsa, not 'dsa'"),
        ({"client_cert": True}, "client_cert= must be one of optional, required, not True"),
        ({"names": 5}, "names= must be a text or a list of texts, not 5"),
        ({"names": ["a", b"b"]}, "names= must be a text or a list of texts"),
        ({"names": [""]}, "names= must be a text or a list of texts"),
        ({"names": {"a.test"}}, "names= must be a text or a list of texts"),
        ({"tls_versions": "2.0"}, "tls_versions= must be one of 1.0, 1.1, 1.2, 1.3, not '2.0'"),
        ({"tls_versions": []}, "tls_versions= must have at least one version, and no gap"),
        ({"tls_versions": ["1.1", "1.3"]}, "tls_versions= must have at least one version, and no gap"),
        ({"tls_versions": 1.2}, "tls_versions= must be a text or a list of texts, not 1.2"),
        ({"ciphers": ["A"]}, "ciphers= must be text in the format of OpenSSL"),
        ({"alpn": ["ü"]}, "alpn= must have names of protocols such as 'http/1.1', not 'ü'"),
        ({"alpn": ["a" * 256]}, "alpn= must have names of protocols"),
        ({"intermediate": 1}, "intermediate= must be True or False, not 1"),
        ({"sni": {"a.test": "plain_http"}}, "sni={'a.test': ...} must be one of expired, .*, not 'plain_http'"),
        ({"sni": {"": None}}, "sni= must have names such as 'api.example.test', not ''"),
        ({"sni": 5}, "sni= must be a text or a list of texts, not 5"),
        ({"certificate": 5}, "certificate= must be a Certificate, the path of a PEM file, .* not 5"),
        ({"certificate": ("a", "b", "c")}, "certificate= must be a Certificate"),
        ({"certificate": ""}, "certificate= must be a Certificate"),
        ({"certificate": OWN, "fault": "expired"}, "it cannot be made 'expired'"),
        ({"certificate": OWN, "names": ["a"]}, "certificate= is used as it is: leave out names="),
        ({"certificate": OWN, "intermediate": True}, "leave out intermediate="),
        ({"fault": "old_tls", "tls_versions": "1.2"}, "leave out tls_versions="),
        ({"fault": "no_common_cipher", "ciphers": "A"}, "leave out ciphers="),
        ({"handshake_timeout": 0}, "handshake_timeout= must be a number of seconds above 0, not 0"),
        ({"handshake_timeout": float("inf")}, "handshake_timeout= must be a number of seconds"),
        ({"handshake_timeout": "1"}, "handshake_timeout= must be a number of seconds"),
    ],
)
def test_a_wrong_value_is_refused_with_the_value(given: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence.replace("{", r"\{").replace("...}", r"\.\.\.}")):
        TLS(**given)


def test_the_longest_name_of_a_protocol_is_one() -> None:
    assert TLS(alpn="a" * 255).alpn == ("a" * 255,)  # RFC 7301 section 3.1


def test_a_certificate_shows_no_key() -> None:
    assert b"PRIVATE KEY" in (certificate := CertificateAuthority().issue("a.test")).key
    assert "PRIVATE" not in repr(certificate)
    assert "PRIVATE" not in repr(TLS(certificate=certificate))
