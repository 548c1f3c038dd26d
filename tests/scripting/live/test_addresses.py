"""Hosts, ports and URLs."""

import pytest

from pytest_httpserve.errors import UsageError
from pytest_httpserve.scripting.live.addresses import base_url, check_host, check_port


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "::1", "::", "fe80::1", "::ffff:127.0.0.1"])
def test_an_ip_address_is_taken(host: str) -> None:
    assert check_host(host) == host


@pytest.mark.parametrize(
    "host", ["localhost", "", "127.1", "127.0.0.1:80", "[::1]", "::1%lo", "127.0.0.1\0", "\ud800", None, 127, b"::1"]
)
def test_what_is_no_ip_address_is_refused(host: str) -> None:
    with pytest.raises(UsageError, match=r"^host=.* is not an IP address such as 127\.0\.0\.1 or ::1$"):
        check_host(host)


def test_a_refused_host_says_where_it_came_from() -> None:
    with pytest.raises(UsageError, match=r"^--httpserve-host='example\.org' is not an IP address"):
        check_host("example.org", "--httpserve-host=")


@pytest.mark.parametrize("port", [0, 1, 8080, 65535])
def test_a_port_number_is_taken(port: int) -> None:
    assert check_port(port) == port


@pytest.mark.parametrize("port", [-1, 65536, "80", 80.0, None, True])
def test_what_is_no_port_number_is_refused(port: int) -> None:
    with pytest.raises(UsageError, match=r"^port= must be a number from 0 to 65535, not "):
        check_port(port)


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:81"),
        ("127.0.0.2", "http://127.0.0.2:81"),
        ("::1", "http://[::1]:81"),
        # No client connects to these two: they mean every address of the machine.
        ("0.0.0.0", "http://127.0.0.1:81"),
        ("::", "http://[::1]:81"),
    ],
)
def test_the_url_of_a_server_can_be_connected_to(host: str, url: str) -> None:
    assert base_url(host, 81) == url
