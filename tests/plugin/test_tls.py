"""HTTPS by marker and factory, the CA of a run, and clients that trust it."""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from pytest_httpserve import TLS, TLS_GALLERY, CertificateAuthority, HTTPServe, UsageError

Factory = Callable[..., HTTPServe]
Suite = Callable[..., pytest.RunResult]


def get(server: HTTPServe, path: str) -> str:
    return requests.get(server.url_for(path), verify=str(server.ca.pem_path), timeout=10, proxies={"https": ""}).text


@pytest.mark.serve_tls
def test_the_marker_makes_it_https(httpserve: HTTPServe) -> None:
    httpserve.on("GET", "/a").respond(text="hidden")

    assert httpserve.url_for("/a").startswith("https://127.0.0.1:")
    assert get(httpserve, "/a") == "hidden"


@pytest.mark.serve_tls("expired")
class TestMarkerOfAClass:
    def test_it_counts_for_its_tests(self, httpserve: HTTPServe) -> None:
        with pytest.raises(requests.exceptions.SSLError, match="certificate has expired"):
            get(httpserve, "/a")

    @pytest.mark.serve_tls(names=["api.example.test"])
    def test_the_closest_counts(self, httpserve: HTTPServe) -> None:
        httpserve.on("GET", "/a").respond(text="hidden")

        assert get(httpserve, "/a") == "hidden"


def test_http_and_https_stand_side_by_side(httpserve: HTTPServe, httpserve_factory: Factory) -> None:
    secure = httpserve_factory(tls=True)
    httpserve.on("GET", "/a").respond(text="open")
    secure.on("GET", "/a").respond(text="hidden")

    assert (get(httpserve, "/a"), get(secure, "/a")) == ("open", "hidden")
    assert httpserve.base_url.startswith("http://")


@pytest.mark.serve_tls
def test_the_factory_makes_plain_servers_unless_asked(httpserve: HTTPServe, httpserve_factory: Factory) -> None:
    assert httpserve_factory().base_url.startswith("http://")


@pytest.mark.needs("IPv6")
def test_ipv6_has_its_name_in_the_certificate(httpserve_factory: Factory) -> None:
    server = httpserve_factory(tls=True, host="::1")
    server.on("GET", "/a").respond(text="six")

    assert get(server, "/a") == "six"


def test_another_address_has_its_name_in_the_certificate(httpserve_factory: Factory) -> None:
    server = httpserve_factory(tls=True, host="127.0.0.53")
    server.on("GET", "/a").respond(text="other")

    assert get(server, "/a") == "other"


@pytest.mark.parametrize("fault", TLS_GALLERY)
def test_the_gallery_can_be_parametrized(httpserve_factory: Factory, fault: str) -> None:
    assert httpserve_factory(tls=fault).base_url.startswith("https://")


@pytest.mark.parametrize("tls", [*(pytest.param(fault, marks=pytest.mark.serve_tls(fault)) for fault in TLS_GALLERY)])
def test_the_gallery_can_be_marked(httpserve: HTTPServe, tls: str) -> None:
    assert httpserve.base_url.startswith("https://")


def test_servers_of_one_run_have_one_ca(
    httpserve_factory: Factory, httpserve_ca: CertificateAuthority, httpserve_session: HTTPServe
) -> None:
    assert httpserve_factory(tls=True).ca is httpserve_ca
    assert httpserve_session.ca is httpserve_ca


@pytest.mark.serve_tls
def test_the_client_trusts_and_knows_the_url(httpserve: HTTPServe, httpserve_client: requests.Session) -> None:
    httpserve.on("POST", "/a").respond(201)

    assert httpserve_client.post("/a", json={"a": 1}).status_code == 201
    httpserve.assert_requested("POST", "/a", json={"a": 1})


def test_the_client_follows_from_http_to_https(
    httpserve: HTTPServe, httpserve_factory: Factory, httpserve_client: requests.Session
) -> None:
    secure = httpserve_factory(tls=True)
    secure.on("GET", "/a").respond(text="hidden")
    httpserve.on("GET", "/a").redirect(secure.url_for("/a"))

    assert httpserve_client.get("/a").text == "hidden"
    assert httpserve_client.get(secure.url_for("/a")).text == "hidden"


def test_the_client_heeds_no_proxy_and_no_bundle_of_the_environment(
    httpserve_factory: Factory, httpserve_client: requests.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/ca.pem")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "")
    secure = httpserve_factory(tls=True)
    secure.on("GET", "/a").respond(text="hidden")

    assert httpserve_client.get(secure.url_for("/a")).text == "hidden"


def test_the_client_gives_up_in_the_end(httpserve: HTTPServe, httpserve_client: requests.Session) -> None:
    seen = {}

    def send(request: requests.PreparedRequest, **given: object) -> requests.Response:
        seen.update(given)
        answer = requests.Response()
        answer.status_code = 204
        return answer

    httpserve_client.get_adapter("http://").send = send  # type: ignore[method-assign,assignment]  # to see what it is given
    httpserve_client.get("/a")

    assert seen["timeout"] == 10


def test_the_variables_name_the_ca(httpserve_env: dict[str, str], httpserve_ca: CertificateAuthority) -> None:
    assert set(httpserve_env) == {
        "SSL_CERT_FILE",
        "REQUESTS_CA_BUNDLE",
        "CURL_CA_BUNDLE",
        "PIP_CERT",
        "GIT_SSL_CAINFO",
        "NODE_EXTRA_CA_CERTS",
    }
    assert {Path(path).read_bytes() for path in httpserve_env.values()} == {httpserve_ca.pem}


TRUST = """
    import os, requests, pytest

    def test_one(httpserve_factory):
        first, second = httpserve_factory(tls=True), httpserve_factory(tls=True)
        first.on("GET", "/a").respond(text="well")
        second.trust_env(public=True)
        first.trust_env()
        assert requests.get(first.url_for("/a"), timeout=10).text == "well"

    def test_own(monkeypatch, httpserve_factory):
        httpserve_factory().trust_env()
        monkeypatch.setenv("SSL_CERT_FILE", "mine")

    def test_two():
        assert "SSL_CERT_FILE" not in os.environ
        assert os.environ["REQUESTS_CA_BUNDLE"] == "before"
"""


def test_trust_is_given_back_after_the_test(suite: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "before")
    monkeypatch.setenv("NO_PROXY", "*")
    suite(TRUST).assert_outcomes(passed=3)


def test_a_server_without_pytest_gives_trust_back_when_it_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "before")
    monkeypatch.delenv("CURL_CA_BUNDLE", raising=False)
    with HTTPServe(tls=True) as server:
        server.trust_env()
        server.trust_env(public=True)
        assert os.environ["SSL_CERT_FILE"] == str(server.ca.bundle_path)

    assert os.environ["SSL_CERT_FILE"] == "before"
    assert "CURL_CA_BUNDLE" not in os.environ


@pytest.mark.parametrize(
    ("marker", "sentence"),
    [
        ('"bad"', "@pytest.mark.serve_tls: a fault of TLS must be one of expired, *not 'bad'"),
        ('names=["a b"]', "@pytest.mark.serve_tls: no certificate can be issued for *'a b'*"),
        ('ciphers="NONE"', "@pytest.mark.serve_tls: ciphers='NONE': OpenSSL knows none of them"),
        ('certificate="none.pem"', "@pytest.mark.serve_tls: certificate='none.pem': there is no such file; tried *"),
        ("certificate=__file__", "@pytest.mark.serve_tls: certificate= takes a certificate with its key*"),
        ("nothing=1", "@pytest.mark.serve_tls: *unexpected keyword argument 'nothing'"),
    ],
)
def test_a_wrong_marker_is_one_sentence(suite: Suite, marker: str, sentence: str) -> None:
    result = suite(f"import pytest\n@pytest.mark.serve_tls({marker})\ndef test_it(httpserve): pass\n")

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([sentence])
    result.stdout.no_fnmatch_line("*httpserve/plugin/*")


def test_a_marker_on_a_test_without_server_is_an_error(suite: Suite) -> None:
    result = suite("import pytest\n@pytest.mark.serve_tls\ndef test_it(): pass\n")

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["@pytest.mark.serve_tls: this is for the server of the httpserve fixture*"])


def test_what_the_tls_library_has_no_more_is_skipped_with_the_reason(
    suite: Suite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ssl, "HAS_TLSv1", False)
    result = suite(
        "import pytest\n"
        "@pytest.mark.serve_tls('old_tls')\ndef test_marked(httpserve): pass\n"
        "def test_made(httpserve_factory): httpserve_factory(tls='old_tls')\n",
        "-rs",
    )

    result.assert_outcomes(skipped=2)
    result.stdout.fnmatch_lines(["SKIPPED*OpenSSL*does not speak TLS 1.0"])


def test_a_failed_handshake_stands_in_the_report_of_a_test_that_fails(suite: Suite) -> None:
    result = suite("""
        import pytest, requests

        @pytest.mark.serve_tls("expired")
        def test_fails(httpserve, httpserve_client):
            httpserve_client.get("/")

        @pytest.mark.serve_tls("expired")
        def test_passes(httpserve, httpserve_client):
            with pytest.raises(requests.exceptions.SSLError):
                httpserve_client.get("/")
    """)

    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        [
            "*Captured httpserve call*",
            "https://127.0.0.1:*",
            "  no TLS with 127.0.0.1 port *: the client sent the alert certificate_expired",
        ]
    )


# The CA of a run, and one that stays

SHARED = """
    import pytest

    @pytest.mark.parametrize("number", range(6))
    def test_it(httpserve_ca, number, worker_id):
        with open("seen", "a") as file:
            print(hash(httpserve_ca.pem), worker_id, httpserve_ca.pem_path.parent, file=file)
"""


def seen(folder: Path) -> list[list[str]]:
    return [line.split() for line in (folder / "seen").read_text().splitlines()]


def test_the_workers_of_a_run_share_one_ca(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONHASHSEED", "1")
    pytester.makepyfile(SHARED)
    result = pytester.runpytest_subprocess("-p", "xdist", "-n2", "--dist=each", timeout=60)

    result.assert_outcomes(passed=12)
    assert len({pem for pem, _, _ in seen(pytester.path)}) == 1
    assert {worker for _, worker, _ in seen(pytester.path)} == {"gw0", "gw1"}


def test_the_folder_of_a_run_is_gone_after_it(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(SHARED)
    for options in (["-n2"], ["-n0"]):
        pytester.runpytest_subprocess("-p", "xdist", *options, timeout=60).assert_outcomes(passed=6)

    folders = {Path(folder) for _, _, folder in seen(pytester.path)}
    assert len(folders) == 2
    assert not any(folder.exists() for folder in folders)


def test_no_key_lands_in_the_project_or_in_the_report(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        import logging, pytest, requests

        @pytest.mark.serve_tls(client_cert="optional")
        def test_it(httpserve, httpserve_ca, httpserve_client):
            logging.getLogger().setLevel(0)
            httpserve.on("GET", "/a").respond(text="well")
            alice = httpserve_ca.issue_client("alice@example.test")
            httpserve_client.cert = str(alice.pem_path)
            print(httpserve_client.get("/a").text, alice, httpserve_ca)
            assert not alice
    """)
    result = pytester.runpytest_subprocess("--log-level=DEBUG", "-vv", "--basetemp=made", "--showlocals", timeout=60)

    result.assert_outcomes(failed=1)
    assert "PRIVATE KEY" not in result.stdout.str() + result.stderr.str()
    for file in pytester.path.rglob("*"):
        assert not file.is_file() or b"PRIVATE KEY" not in file.read_bytes()


def test_the_files_are_for_their_owner_alone(httpserve_ca: CertificateAuthority) -> None:
    leaf = httpserve_ca.issue("a.test")
    for path in (leaf.pem_path, leaf.key_path, *httpserve_ca.pem_path.parent.iterdir()):
        assert path.stat().st_mode & 0o077 == 0
    assert httpserve_ca.pem_path.parent.stat().st_mode & 0o077 == 0


PRINT = "def test_it(httpserve_ca):\n    print('\\n' + str(hash(httpserve_ca.pem)))\n"


def printed(result: pytest.RunResult) -> str:
    found = re.search(r"^-?\d{10,}$", result.stdout.str(), re.M)
    assert found is not None
    return found[0]


def test_a_ca_that_stays_is_made_once_and_used_again(pytester: pytest.Pytester, suite: Suite) -> None:
    first = printed(suite(PRINT, "--httpserve-ca=ca.pem", "-s"))

    assert (pytester.path / "ca.pem").stat().st_mode & 0o777 == 0o600
    assert printed(suite(PRINT, "--httpserve-ca=ca.pem", "-s")) == first
    assert printed(suite(PRINT, "--httpserve-ca=other.pem", "-s")) != first
    assert printed(suite(PRINT, "-s")) != first


def test_the_path_of_a_configuration_file_is_relative_to_it(pytester: pytest.Pytester, suite: Suite) -> None:
    pytester.makeini("[pytest]\nhttpserve_ca = ca.pem\n")
    (pytester.path / "below").mkdir()
    os.chdir(pytester.path / "below")
    first = printed(suite(PRINT, "-s", str(pytester.path)))

    assert (pytester.path / "ca.pem").exists()
    assert printed(suite(PRINT, "-s", "--httpserve-ca=ca.pem", str(pytester.path))) != first
    assert (pytester.path / "below" / "ca.pem").exists()


def test_all_workers_use_the_ca_that_stays(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONHASHSEED", "1")
    pytester.makepyfile(SHARED)
    options = ["-p", "xdist", "-n4", "--dist=each", "--httpserve-ca=ca.pem"]
    pytester.runpytest_subprocess(*options, timeout=60).assert_outcomes(passed=24)

    assert len({pem for pem, _, _ in seen(pytester.path)}) == 1
    assert CertificateAuthority.at(pytester.path / "ca.pem").pem in (pytester.path / "ca.pem").read_bytes()
    assert [file.name for file in pytester.path.iterdir() if "ca.pem" in file.name] == ["ca.pem"]


def test_a_file_that_is_no_ca_is_refused_in_one_sentence(pytester: pytest.Pytester, suite: Suite) -> None:
    leaf = CertificateAuthority().issue("a.test")
    (pytester.path / "leaf.pem").write_bytes(leaf.pem)
    (pytester.path / "leaf.pem").chmod(0o600)
    result = suite(PRINT, "--httpserve-ca=leaf.pem")

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        ["--httpserve-ca: the CA file */leaf.pem holds a certificate that is not a CA certificate"]
    )


def test_a_plain_session_imports_nothing_of_tls(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        import socket, sys

        before = set(sys.modules)  # from Python 3.14 on, pdb brings ssl along, and pytest brings pdb

        def test_it(httpserve, httpserve_factory):
            httpserve.on("GET", "/a").respond(text="well")
            httpserve_factory()
            with socket.create_connection((httpserve.host, httpserve.port), timeout=10) as client:
                client.sendall(b"GET /a HTTP/1.0\\r\\n\\r\\n")
                assert client.recv(15) == b"HTTP/1.1 200 OK"
            heavy = {"ssl", "trustme", "cryptography", "requests", "certifi", "pytest_httpserve.tls"}
            assert heavy & (set(sys.modules) - before) == set()
    """)
    for options in (["-n0"], ["-n2"]):
        pytester.runpytest_subprocess("-p", "xdist", *options, timeout=60).assert_outcomes(passed=1)


def test_a_test_that_hangs_on_a_stall_is_ended_and_the_next_one_runs(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        import pytest

        @pytest.mark.serve_tls("handshake_stall")
        @pytest.mark.timeout(0.5, func_only=True)
        def test_hangs(httpserve, httpserve_client):
            httpserve_client.get("/")

        @pytest.mark.serve_tls
        def test_runs(httpserve, httpserve_client):
            httpserve.on("GET", "/").respond(204)
            assert httpserve_client.get("/").status_code == 204
    """)
    result = pytester.runpytest_subprocess("-p", "pytest_timeout", timeout=60)

    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*no TLS with 127.0.0.1 port *: the server says nothing, as the test asked"])


def test_settings_of_the_wrong_kind_are_refused() -> None:
    with pytest.raises(UsageError, match=r"^tls= must be True, a TLS, or a fault of TLS .*, not 1"):
        HTTPServe(tls=1)  # type: ignore[arg-type]  # that is the point
    with pytest.raises(UsageError, match=r"^ca= must be a CertificateAuthority, not 'ca\.pem'"):
        HTTPServe(tls=TLS(), ca="ca.pem")  # type: ignore[arg-type]  # that is the point
