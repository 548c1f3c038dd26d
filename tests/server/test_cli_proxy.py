"""The command line as a proxy: ``python -m pytest_httpserve --proxy`` serves a directory for each host."""

import socket
import ssl
import threading
from collections.abc import Iterator
from functools import partial
from http.client import HTTPConnection, HTTPResponse, HTTPSConnection
from pathlib import Path

import pytest

from pytest_httpserve.__main__ import certify
from pytest_httpserve.errors import UsageError
from pytest_httpserve.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pytest_httpserve.server.cli.console import LoggedRequests, Tally
from pytest_httpserve.server.cli.hosts import hosts_in
from pytest_httpserve.server.cli.options import parse
from pytest_httpserve.server.cli.proxy import proxy_class


class Files(LoggedRequests, SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    strict = True
    tally = Tally()


@pytest.fixture
def hosts(tmp_path: Path) -> Path:
    """A directory with those of two hosts, and with what is none."""
    for host in ("a.test", "B.test", "192.0.2.7"):
        (tmp_path / "hosts" / host).mkdir(parents=True)
        (tmp_path / "hosts" / host / "name.txt").write_text(host)
    (tmp_path / "hosts" / ".git").mkdir()
    (tmp_path / "hosts" / "no host").mkdir()
    (tmp_path / "hosts" / "read me.txt").write_text("not a host")
    return tmp_path / "hosts"


@pytest.fixture
def trusting() -> ssl.SSLContext:
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


@pytest.fixture
def proxy(hosts: Path, tmp_path: Path, trusting: ssl.SSLContext) -> Iterator[tuple[str, int]]:
    """Host and port of a proxy for them."""
    found = hosts_in(str(hosts))
    authority, certificate = certify(list(found))
    trusting.load_verify_locations(cadata=authority.decode())
    (tmp_path / "server.pem").write_bytes(certificate)
    handler = proxy_class(Files, str(hosts), found, str(tmp_path / "server.pem"))
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(hosts))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield "127.0.0.1", server.server_port
        server.shutdown()


def fetch(connection: HTTPConnection, target: str) -> tuple[int, bytes]:
    connection.request("GET", target)
    answer = connection.getresponse()
    return answer.status, answer.read()


def test_the_hosts_are_the_directories_that_are_called_like_one(hosts: Path, tmp_path: Path) -> None:
    assert list(hosts_in(str(hosts))) == ["192.0.2.7", "b.test", "a.test"]
    with pytest.raises(UsageError, match="--proxy serves a directory for each host, and there is none in"):
        hosts_in(str(hosts / "a.test"))


@pytest.mark.parametrize("host", ["a.test", "b.test", "B.TEST:8443"])
def test_a_tunnel_leads_to_the_files_of_its_host(
    proxy: tuple[str, int], trusting: ssl.SSLContext, capsys: pytest.CaptureFixture[str], host: str
) -> None:
    name, _, port = host.partition(":")
    client = HTTPSConnection(*proxy, context=trusting, timeout=10)
    client.set_tunnel(name, int(port or 443))
    for _ in range(3):  # over one connection, which rests between them
        assert fetch(client, "/name.txt")[1].lower() == name.lower().encode()
    assert fetch(client, "/none")[0] == 404
    client.close()
    log = capsys.readouterr().err
    assert f"GET https://{host.lower()}/name.txt 200 6 bytes" in log
    assert log.count("CONNECT") == 1


def test_a_tunnel_without_tls(proxy: tuple[str, int]) -> None:
    client = HTTPConnection(*proxy, timeout=10)
    client.set_tunnel("a.test", 80)
    assert fetch(client, "/name.txt") == fetch(client, "/name.txt") == (200, b"a.test")
    client.close()


def test_a_whole_url_leads_to_the_files_of_its_host(proxy: tuple[str, int]) -> None:
    client = HTTPConnection(*proxy, timeout=10)
    for host in ("a.test", "A.TEST:8080", "192.0.2.7"):
        name = host.partition(":")[0].lower()
        assert fetch(client, f"http://{host}/name.txt?a=1") == (200, name.encode())
    assert fetch(client, "/a.test/name.txt") == (200, b"a.test")  # of the directory that has them all
    assert fetch(client, f"http://127.0.0.1:{proxy[1]}/read%20me.txt") == (200, b"not a host")
    client.close()


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ("GET http://c.test/ HTTP/1.1\nHost: a\n", 502),
        ("GET http://../name.txt HTTP/1.1\nHost: a\n", 502),
        ("GET http://.git/config HTTP/1.1\nHost: a\n", 502),
        ("GET http://a.test/../b.test/name.txt HTTP/1.1\nHost: a\n", 404),
        ("CONNECT c.test:443 HTTP/1.1\nHost: a\n", 502),
        ("CONNECT a.test HTTP/1.1\nHost: a\n", 400),
        ("CONNECT a.test:443 HTTP/1.1\nHost: a\n\nsent too early\n", 400),
    ],
)
def test_what_is_refused(proxy: tuple[str, int], asked: str, status: int) -> None:
    with socket.create_connection(proxy, timeout=10) as client:
        client.sendall(f"{asked}Connection: close\n\n".replace("\n", "\r\n").encode())
        answer = HTTPResponse(client)
        answer.begin()
        assert answer.status == status


def test_a_tunnel_has_no_tunnels_in_it(proxy: tuple[str, int], trusting: ssl.SSLContext) -> None:
    client = HTTPSConnection(*proxy, context=trusting, timeout=10)
    client.set_tunnel("a.test", 443)
    client.request("CONNECT", "b.test:443")
    assert client.getresponse().status == 501
    client.close()


def test_a_client_that_speaks_no_tls_in_its_tunnel(proxy: tuple[str, int]) -> None:
    client = HTTPConnection(*proxy, timeout=10)
    client.set_tunnel("a.test", 443)
    assert fetch(client, "/name.txt")[0] == 400
    client.close()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--tls"], "--proxy makes certificates for its hosts itself, and speaks plain HTTP to its clients"),
        (["--tls-cert", "cert.pem"], "--proxy makes certificates for its hosts"),
        (["--spa"], r"--spa answers with index\.html, and there is none in '.*192\.0\.2\.7'"),
    ],
)
def test_options_that_do_not_go_together(hosts: Path, options: list[str], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        parse(["--proxy", "--directory", str(hosts), *options])


def test_other_options_hold_for_each_host(hosts: Path) -> None:
    for page in ("a.test", "B.test", "192.0.2.7"):
        (hosts / page / "index.html").write_text("page")
    options = parse(["--proxy", "--spa", "--cors", "--cgi", "--directory", str(hosts)])
    assert options.proxy and options.spa and options.cors and options.cgi
