"""A known program that is not as it was fails a test; one in a version that is not known is reported."""

import re

import pytest

from tests.versions import OtherVersionWarning, compare_with_known, curl, distribution, nginx, openssl


@pytest.mark.parametrize("is_known", [True, False])
def test_who_is_as_before_is_not_spoken_of(is_known: bool) -> None:
    compare_with_known("nginx 1.99", is_known, [])


def test_a_known_version_must_be_as_it_was() -> None:
    with pytest.raises(AssertionError, match=re.escape("nginx 1.22 is not as it was:\n`GET /`: 404")):
        compare_with_known("nginx 1.22", True, ["`GET /`: 404"])


def test_another_version_is_reported() -> None:
    with pytest.warns(OtherVersionWarning, match=re.escape("nginx 1.99 is not known here, and is not as it was:\n404")):
        compare_with_known("nginx 1.99", False, ["404"])


def test_versions_of_what_is_always_there() -> None:
    assert re.fullmatch(r"\d+\.\d+", distribution("requests"))
    assert re.fullmatch(r"\w+ \d+\.\d+", openssl())


@pytest.mark.needs("nginx")
def test_the_version_of_nginx() -> None:
    assert re.fullmatch(r"\d+\.\d+", nginx())


@pytest.mark.needs("curl")
def test_the_version_of_curl() -> None:
    version, library = curl()
    assert re.fullmatch(r"\d+\.\d+", version)
    assert re.fullmatch(r"\w+ \d+\.\d+|no TLS", library)
