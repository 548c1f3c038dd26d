"""What origin() and allow() take for a name, and whom it means."""

import pytest

from pytest_httpserve.errors import UsageError
from pytest_httpserve.scripting.origins.names import (
    host_pattern,
    origin_pattern,
    raw_address,
)
from pytest_httpserve.wire.origin import origin_of, split_authority


@pytest.mark.parametrize(
    ("text", "shown", "meant", "others"),
    [
        ("https://api.test", "https://api.test", [("api.test", 443)], [("api.test", 80), ("x.api.test", 443)]),
        ("HTTPS://API.Test:443/", "https://api.test", [("api.test", 443)], [("api_test", 443)]),
        ("http://api.test:8080", "http://api.test:8080", [("api.test", 8080)], [("api.test", 80)]),
        ("http://*.api.test", "http://*.api.test", [("a.api.test", 80), ("a.b.api.test", 80)], [("api.test", 80)]),
        ("https://api.test:*", "https://api.test:*", [("api.test", 1), ("api.test", 65535)], [("b.test", 1)]),
        ("https://*", "https://*", [("a", 443)], [("a", 80)]),
        ("http://[::1]:81", "http://[::1]:81", [("::1", 81)], [("::1", 80)]),
        ("https://bücher.test", "https://xn--bcher-kva.test", [("xn--bcher-kva.test", 443)], []),
    ],
)
def test_an_origin(text: str, shown: str, meant: list[tuple[str, int]], others: list[tuple[str, int]]) -> None:
    pattern = origin_pattern(text)
    assert str(pattern) == shown
    assert all(pattern.takes(*one, pattern.scheme) for one in meant)
    assert not any(pattern.takes(*one, pattern.scheme) for one in others)
    assert not any(pattern.takes(*one, "ftp") for one in meant)


@pytest.mark.parametrize(
    "text",
    [
        *("api.test", "ftp://api.test", "https://", "https://a/b", "https://u@a", "https://a?b", "https://a:0"),
        *("https://a:65536", "https://a:b", "https://[::1", "https://a b", f"https://{'ü' * 80}", 7, None),
    ],
)
def test_what_is_no_origin(text: object) -> None:
    with pytest.raises(UsageError, match="an origin must be http:// or https://"):
        origin_pattern(text)


def test_hosts_that_are_let_through() -> None:
    assert host_pattern("*.internal").takes("db.internal", 5432)
    assert host_pattern("db.internal:5432").takes("db.internal", 5432)
    assert not host_pattern("db.internal:5432").takes("db.internal", 80)
    for wrong in ("https://a", "a/b", "", 7):
        with pytest.raises(UsageError, match=r"allow\(\) takes hosts"):
            host_pattern(wrong)


def test_the_address_of_a_raw_tunnel() -> None:
    pattern = origin_pattern("https://a.test:99")
    assert raw_address(None, pattern) == ("a.test", 99)
    assert raw_address("127.0.0.1:5432", pattern) == ("127.0.0.1", 5432)
    assert raw_address("[::1]:5432", pattern) == ("::1", 5432)
    for wrong in ("127.0.0.1", "*:5", 5):
        with pytest.raises(UsageError, match="to= must be a host and a port"):
            raw_address(wrong, pattern)
    with pytest.raises(UsageError, match="to= must be a host and a port"):
        raw_address(None, origin_pattern("https://*.test"))


@pytest.mark.parametrize(
    ("authority", "scheme", "host", "port"),
    [
        ("A.test", "https", "a.test", 443),
        ("a.test:", "http", "a.test", 80),
        ("a.test:81", "http", "a.test", 81),
        ("[::1]", "http", "::1", 80),
        ("[::1]:81", "http", "::1", 81),
        ("a.test:" + "9" * 5000, "http", "a.test", 65_536),
        ("a.test", "ftp", "a.test", 0),
    ],
)
def test_an_authority(authority: str, scheme: str, host: str, port: int) -> None:
    assert split_authority(authority, scheme) == (host, port)


def test_an_origin_as_a_text() -> None:
    assert origin_of("https", "a.test", 443) == "https://a.test"
    assert origin_of("http", "a.test", 443) == "http://a.test:443"
    assert origin_of("http", "::1", 80) == "http://[::1]"
