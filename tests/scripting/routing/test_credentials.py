"""Credentials in a request: each scheme takes what proves them, and says what is wrong with all else."""

import hashlib
import re
from typing import Any

import pytest

from pytest_httpserve import Request, digest_auth
from pytest_httpserve.errors import UsageError
from pytest_httpserve.scripting.routing.matchers import Check
from pytest_httpserve.wire.headers import Headers

# The example of RFC 7616 section 3.9.1.
USER, PASSWORD = "Mufasa", "Circle of Life"
TARGET = "/dir/index.html"
GIVEN: dict[str, str | None] = {
    "username": USER,
    "realm": "http-auth@example.org",
    "uri": TARGET,
    "algorithm": "MD5",
    "nonce": "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
    "nc": "00000001",
    "cnonce": "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
    "qop": "auth",
    "response": "8ca523f5e9506fed4657c9700eebdbec",
}
EXPECTED = "Digest credentials of 'Mufasa'"


def asked(credentials: str | None, method: str = "GET", target: str = TARGET) -> Request:
    fields = [("Authorization", credentials)] if credentials is not None else []
    return Request(method, target, Headers(fields), (1, 1), ("127.0.0.1", 50_000))


def digest(given: dict[str, str | None]) -> str:
    return "Digest " + ", ".join(f'{name}="{value}"' for name, value in given.items() if value is not None)


def checked(credentials: str | None, **target: str) -> Check:
    [check] = digest_auth(USER, PASSWORD).checks(asked(credentials, **target))
    assert (check.criterion, repr(check.expected)) == ("header Authorization", EXPECTED)
    return check


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"algorithm": "md5"},
        {"algorithm": None},
        {"response": "8CA523F5E9506FED4657C9700EEBDBEC"},
        {"algorithm": "SHA-256", "response": "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"},
    ],
)
def test_the_examples_of_the_rfc_are_taken(changed: dict[str, str | None]) -> None:
    check = checked(digest(GIVEN | changed))

    assert (check.passed, repr(check.got)) == (True, EXPECTED)
    assert digest_auth(USER, PASSWORD).matches(asked(digest(GIVEN | changed)))


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256", "SHA-512-256"])
@pytest.mark.parametrize("of_session", [False, True])
@pytest.mark.parametrize("qop", ["auth", None])
def test_each_algorithm_proves_the_password(algorithm: str, of_session: bool, qop: str | None) -> None:
    """As RFC 7616 section 3.4 puts it together; without qop, as RFC 2069 did."""

    def hashed(text: str) -> str:
        name = {"MD5": "md5", "SHA-256": "sha256", "SHA-512-256": "sha512_256"}[algorithm]
        return hashlib.new(name, text.encode(), usedforsecurity=False).hexdigest()

    secret = hashed(f"{USER}:{GIVEN['realm']}:{PASSWORD}")
    if of_session:
        secret = hashed(f"{secret}:{GIVEN['nonce']}:{GIVEN['cnonce']}")
    fresh = f"{GIVEN['nonce']}:{GIVEN['nc']}:{GIVEN['cnonce']}:auth" if qop else GIVEN["nonce"]
    response = hashed(f"{secret}:{fresh}:{hashed(f'PUT:{TARGET}')}")
    given = GIVEN | {"algorithm": algorithm + "-sess" * of_session, "qop": qop, "response": response}

    assert checked(digest(given), method="PUT").passed
    assert not checked(digest(given), method="GET").passed


@pytest.mark.parametrize(
    ("credentials", "wrong"),
    [
        (None, "(not there)"),
        ("Basic YTpi", "credentials with the scheme 'Basic'"),
        ("", "credentials with the scheme ''"),
        *((digest(GIVEN | {name: None}), f"Digest credentials without {name}")
          for name in ("username", "realm", "nonce", "uri", "response")),
        (digest(GIVEN | {"username": "Simba"}), "Digest credentials of 'Simba'"),
        (digest(GIVEN | {"uri": "/"}), "Digest credentials for '/', not '/dir/index.html'"),
        (digest(GIVEN | {"qop": "auth-int"}), "Digest credentials with qop='auth-int'"),
        (digest(GIVEN | {"algorithm": "SHA-1"}), "Digest credentials by 'SHA-1'"),
        (digest(GIVEN | {"algorithm": "MD5-session"}), "Digest credentials by 'MD5-session'"),
        (digest(GIVEN | {"response": "0" * 32}), "a response made with another password"),
        (digest(GIVEN | {"nc": "00000002"}), "a response made with another password"),
        (digest(GIVEN | {"cnonce": None}), "a response made with another password"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(credentials: str | None, wrong: str) -> None:
    check = checked(credentials)

    assert (check.passed, repr(check.got)) == (False, wrong)


@pytest.mark.parametrize("written", ['Digest\tx="y"', "digest {0}", "Digest {0},", "Digest   {0}"])
def test_a_field_is_read_as_it_may_be_written(written: str) -> None:
    check = checked(written.format(digest(GIVEN).removeprefix("Digest ")))

    assert check.passed is ("{0}" in written)


def test_a_value_may_be_a_token_and_have_escapes() -> None:
    user = 'a "b" \\'
    credentials = digest(GIVEN | {"username": r"a \"b\" \\"}).replace('qop="auth"', "qop=auth")
    [check] = digest_auth(user, PASSWORD).checks(asked(credentials))

    assert repr(check.got) == "a response made with another password"
    assert repr(digest_auth(user, PASSWORD)) == f"digest_auth({user!r}, ...)"


@pytest.mark.parametrize("given", [(None, "c"), ("a", None), (b"a", "b")])
def test_credentials_that_cannot_be_are_refused(given: Any) -> None:
    said = f"digest_auth() takes a name and a password, not {given[0]!r}, {given[1]!r}"
    with pytest.raises(UsageError, match=f"^{re.escape(said)}$"):
        digest_auth(*given)
