"""Origins in a test: httpserve_env, the marker serve_origins, and what fails the test."""

from collections.abc import Callable

import pytest

Suite = Callable[..., pytest.RunResult]


def test_httpserve_env_leads_programs_to_origins_whichever_fixture_comes_first(suite: Suite) -> None:
    result = suite(
        """
        import subprocess, sys
        import pytest

        SDK = "import urllib.request as u; print(u.urlopen('https://api.test/v1/me', timeout=10).read().decode())"

        def run(env):
            return subprocess.check_output([sys.executable, "-c", SDK], env=env, text=True)

        def test_server_first(httpserve, httpserve_env):
            api = httpserve.origin("https://api.test")
            api.on("GET", "/v1/me").respond(text="seven")
            assert run(httpserve_env) == "seven\\n"
            api.assert_requested("GET", "/v1/me", times=1)

        def test_variables_first(httpserve_env, httpserve_factory):
            api = httpserve_factory().origin("https://api.test")
            api.on("GET", "/v1/me").respond(text="seven")
            assert run(httpserve_env) == "seven\\n"

        def test_no_origins(httpserve_env, httpserve):
            assert "http_proxy" not in httpserve_env
        """.replace("\n        ", "\n")
    )
    result.assert_outcomes(passed=3)


def test_the_marker_takes_the_process_over(suite: Suite) -> None:
    result = suite(
        """
        import os
        import pytest
        import urllib.request
        import client

        def fetch(url):
            return urllib.request.urlopen(url, timeout=10).read()

        @pytest.mark.serve_origins(allow="127.0.0.1")
        def test_led(httpserve, httpserve_factory, monkeypatch):
            httpserve.origin("https://api.test").on("GET", "/").respond(text="secure")
            assert fetch("https://api.test/") == b"secure"
            real = httpserve_factory()
            real.on("GET", "/").respond(text="real")
            monkeypatch.setenv("no_proxy", "")
            monkeypatch.setenv("NO_PROXY", "")
            urllib.request.install_opener(None)
            assert fetch(real.url_for("/")) == b"real"
            assert httpserve.exchanges[-1].origin == real.base_url

        def test_not_led(httpserve):
            assert httpserve.base_url not in os.environ.values()
        """.replace("\n        ", "\n")
    )
    result.assert_outcomes(passed=2)


def test_a_host_that_no_origin_answers_for_fails_the_test(suite: Suite) -> None:
    result = suite(
        """
        import pytest
        import urllib.error, urllib.request

        @pytest.mark.serve_origins
        def test_it(httpserve):
            httpserve.origin("https://api.test").on("GET", "/").respond(text="secure")
            urllib.request.urlopen("https://api.test/", timeout=10).read()
            with pytest.raises(OSError):
                urllib.request.urlopen("https://tracker.test/pixel", timeout=10)
        """.replace("\n        ", "\n")
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "no origin answers tracker.test port 443, which was asked for by CONNECT tracker.test:443",
            "  there is https://api.test",
            "*CONNECT api.test:443 -> 200*",
            "*GET / at https://api.test -> 200*",
            "*CONNECT tracker.test:443 -> 502*",
        ]
    )


@pytest.mark.parametrize(
    ("marks", "message"),
    [
        (
            "@pytest.mark.serve_origins('https://a.test')",
            "*@pytest.mark.serve_origins: serve_origins() takes 0 positional*",
        ),
        ("@pytest.mark.serve_origins(alow='a')", "*serve_origins: serve_origins() got an unexpected keyword*'alow'*"),
        ("@pytest.mark.serve_origins(allow='https://a')", "*@pytest.mark.serve_origins: allow() takes hosts*"),
    ],
)
def test_a_marker_that_is_wrong_is_one_sentence(suite: Suite, marks: str, message: str) -> None:
    result = suite(f"import pytest\n{marks}\ndef test_it(httpserve): pass\n")

    result.stdout.fnmatch_lines([message])
    assert "Traceback" not in result.stdout.str()


def test_a_proxy_may_speak_tls(suite: Suite) -> None:
    result = suite(
        """
        import os, pytest, urllib3

        @pytest.mark.serve_origins
        @pytest.mark.serve_tls
        def test_it(httpserve):
            httpserve.origin("https://a.test").on("GET", "/").respond(text="well")
            proxy = os.environ["HTTPS_PROXY"]
            assert proxy == httpserve.base_url
            with urllib3.ProxyManager(proxy, ca_certs=os.environ["SSL_CERT_FILE"]) as pool:
                assert pool.request("GET", "https://a.test/", timeout=20).data == b"well"
        """
    )
    result.assert_outcomes(passed=1)


def test_the_marker_is_for_a_test_with_a_server(suite: Suite) -> None:
    result = suite("import pytest\n@pytest.mark.serve_origins\ndef test_it(): pass\n")

    result.stdout.fnmatch_lines(["*@pytest.mark.serve_origins: this is for the server of the httpserve fixture*"])


def test_a_sweep_has_the_faults_of_the_proxy(suite: Suite) -> None:
    result = suite(
        """
        import pytest
        import requests
        from pytest_httpserve.faults import Close, Refuse, Reset

        @pytest.mark.serve_origins
        @pytest.mark.serve_faults([Reset(phase="connect"), Close(phase="connect"), Refuse(503)])
        def test_retries(httpserve):
            httpserve.origin("https://api.test").on("GET", "/").respond(text="well")
            with requests.Session() as session:
                retries = requests.adapters.Retry(total=1, backoff_factor=0)
                session.mount("https://", requests.adapters.HTTPAdapter(max_retries=retries))
                assert session.get("https://api.test/", timeout=5).text == "well"
        """.replace("\n        ", "\n"),
        "-v",
    )
    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(["*test_retries?reset-connect? PASSED*", "*test_retries?refuse-503? PASSED*"])
