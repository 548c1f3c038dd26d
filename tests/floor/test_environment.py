"""Proxies of the environment, and guards against threads that a test leaves."""

from tests.floor.conftest import Floor

# A client that goes by the environment, and a proxy that is none.
ASKS = """
import ssl, urllib.request

@pytest.fixture
def proxy(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # where nobody is

ASK = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1], timeout=20).read().decode())"

def asked(url, environment):
    import subprocess
    return subprocess.run([sys.executable, "-c", ASK, url], env=environment, capture_output=True, text=True).stdout
"""


def test_a_proxy_is_passed_by(floor: Floor) -> None:
    floor(f"""{ASKS}
@pytest.mark.serve_tls
def test_env(proxy, httpserve, httpserve_env):
    httpserve.on("GET", "/a").respond(text="well")
    assert asked(httpserve.url_for("/a"), os.environ | httpserve_env) == "well\\n"

def test_trust_env(proxy, httpserve):
    httpserve.on("GET", "/a").respond(text="well")
    assert asked(httpserve.url_for("/a"), os.environ) == ""
    httpserve.trust_env()
    assert asked(httpserve.url_for("/a"), os.environ) == "well\\n"
    assert urllib.request.urlopen(httpserve.url_for("/a"), timeout=20).read() == b"well"
    os.environ.pop("NO_PROXY"), os.environ.pop("no_proxy")

def test_exceptions_of_others_stay(proxy, monkeypatch, httpserve_env, httpserve_factory):
    assert httpserve_env["NO_PROXY"] == httpserve_env["no_proxy"] == "localhost,127.0.0.1,::1"
    monkeypatch.setenv("no_proxy", "example.org, localhost")
    httpserve_factory().trust_env()
    assert os.environ["NO_PROXY"] == os.environ["no_proxy"] == "example.org,localhost,127.0.0.1,::1"

def test_without_a_proxy(monkeypatch, proxy, httpserve_factory):
    monkeypatch.delenv("http_proxy"), monkeypatch.delenv("https_proxy")
    httpserve_factory().trust_env()
    assert not {{"NO_PROXY", "no_proxy"}} & os.environ.keys()
""", passed=4)  # fmt: skip


def test_a_guard_against_threads(floor: Floor) -> None:
    floor("""
@pytest.fixture(autouse=True)
def no_thread_is_left():
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before

@pytest.fixture
def httpserve_config():
    return {"keep_threads": False}

@pytest.mark.parametrize("number", range(3))
def test_it(httpserve, httpserve_factory, number):
    for server in (httpserve, httpserve_factory()):
        server.on("GET", "/a").respond(text="well")
        server.on("GET", "/delay").respond(text="well", delay=0.05)
        assert fetch(server.url_for("/a")) == (200, "well")
        assert fetch(server.url_for("/delay")) == (200, "well")

@pytest.mark.serve_tls("revoked")
def test_with_a_helper(httpserve):
    pass
""", passed=4)  # fmt: skip
