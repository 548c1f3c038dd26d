"""Modules that a test has replaced, or patched, before the first server."""

import pytest

from tests.floor.conftest import Floor

# What servers are used for, while something is replaced and in a later test.
USES = """
def uses(server):
    server.on("GET", "/a").respond(text="well")
    server.on("GET", "/delay").respond(text="well", delay=0.05)
    server.on("POST", "/a").respond(status=201)
    server.on("GET", "/code")(lambda request: "well")
    for path in ("/a", "/delay", "/code") * 2:
        assert fetch(server.url_for(path)) == (200, "well")
    assert fetch(server.url_for("/a"), "POST", b"a" * 300_000)[0] == 201
    server.restart()
    assert fetch(server.url_for("/a")) == (200, "well")
    assert len(server.exchanges) == 8
"""

LATER = """
def test_later(httpserve):
    uses(httpserve)

def test_later_files(httpserve, tmp_path):
    (tmp_path / "a.txt").write_text("well")
    httpserve.serve_dir(tmp_path)
    assert fetch(httpserve.url_for("/a.txt")) == (200, "well")

def test_later_scripts(httpserve, tmp_path):
    if sys.platform == "win32":
        return
    script = tmp_path / "script"
    script.write_text("#!/bin/sh\\necho Content-Type: text/plain; echo; echo well")
    script.chmod(0o755)
    httpserve.serve_cgi(tmp_path)
    assert fetch(httpserve.url_for("/cgi-bin/script")) == (200, "well\\n")

def test_later_tls(httpserve_factory):
    server = httpserve_factory(tls=True)
    server.on("GET", "/a").respond(text="well")
    connection = http.client.HTTPSConnection("127.0.0.1", server.port, context=server.ca.client_ssl_context())
    connection.request("GET", "/a")
    assert connection.getresponse().read() == b"well"
    connection.close()
"""
LATERS = 4

pytestmark = pytest.mark.needs("select.poll")  # for the script


@pytest.mark.parametrize("platform", ["win32", "darwin", "linux", "java"])
def test_another_platform_before_the_first_server(floor: Floor, platform: str) -> None:
    floor(f"""{USES}
@pytest.fixture
def elsewhere(monkeypatch):
    monkeypatch.setattr(sys, "platform", {platform!r})

def test_it(elsewhere, httpserve, httpserve_factory):
    uses(httpserve)
    if hasattr(socket, "AF_UNIX"):
        assert os.path.exists(httpserve_factory(unix=True).socket_path)

@pytest.mark.skipif(not hasattr(__import__("select"), "epoll"), reason="there is no epoll")
def test_it_waits_by_the_best_that_there_is(httpserve):
    from pytest_httpserve.net.poller import make_poller
    import select
    assert make_poller is select.epoll
{LATER}""", passed=2 + LATERS)  # fmt: skip


# gevent's own subprocess forks, of which Python warns where there are threads.
FORKS = ("-W", "ignore:This process:DeprecationWarning")


def test_gevent_has_patched_everything(floor: Floor) -> None:
    floor(f"""{USES}
import gevent

def test_it(httpserve):
    uses(httpserve)

def test_many(httpserve):
    httpserve.on("GET", "/a").respond(text="well")
    @httpserve.on("GET", "/sleep")
    def sleep(request):
        time.sleep(0.01)
        return "well"
    jobs = [gevent.spawn(fetch, httpserve.url_for(path)) for path in ("/a", "/sleep") * 10]
    gevent.joinall(jobs, timeout=20)
    assert [job.value for job in jobs] == [(200, "well")] * 20
{LATER}""", *FORKS, passed=2 + LATERS, first="import gevent.monkey\ngevent.monkey.patch_all()\n")  # fmt: skip


LATE = """
@pytest.fixture
def late():
    import gevent.monkey
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # gevent's own, of ssl
        gevent.monkey.patch_all()
"""
SENTENCE = "threads were replaced after the first server of the run, as gevent's monkey.patch_all() does"


def test_gevent_patches_after_the_first_server(floor: Floor) -> None:
    """Every later test hung; now it says so. Nothing takes back what gevent has patched."""
    floor(f"""{USES}{LATE}
def test_first(httpserve):
    uses(httpserve)

def test_it(late, httpserve_factory):
    from pytest_httpserve import HTTPServe, HTTPServeError
    for start in (httpserve_factory, lambda: HTTPServe().start()):
        with pytest.raises(HTTPServeError, match={SENTENCE.partition(",")[0]!r}):
            start()
""", passed=2, first="import warnings\n", last="")  # fmt: skip


def test_gevent_patches_while_a_server_runs(floor: Floor) -> None:
    result = floor(f"""{LATE}
def test_it(httpserve, late):
    httpserve.on("GET", "/delay").respond(text="well", delay=0.05)
    assert fetch(httpserve.url_for("/delay"))[0] == 500
""", passed=0, failed=1, first="import warnings\n", last="")  # fmt: skip
    result.stdout.fnmatch_lines([f"*NoMoreThreads: {SENTENCE}*"])


@pytest.mark.parametrize("fixtures", ["fs, httpserve", "httpserve, fs"])
def test_a_fake_file_system(floor: Floor, fixtures: str) -> None:
    floor(f"""{USES}
def test_it({fixtures}):
    uses(httpserve)
    fs.create_file("/greeting", contents="well")
    httpserve.on("GET", "/greeting").respond(file="/greeting")
    assert fetch(httpserve.url_for("/greeting")) == (200, "well")

@pytest.mark.serve_checks(ignore="unanswered")
def test_unanswered({fixtures}):
    status, text = fetch(httpserve.url_for("/nothing"))
    assert status == 404 and "nothing answers" in text.lower(), text
    httpserve.explain("GET", "/a"), httpserve.har()

def test_nothing_fake_is_left():
    for name, module in list(sys.modules.items()):
        if name.startswith("pytest_httpserve"):
            for value in vars(module).values():
                assert "pyfakefs" not in str(type(value).__module__), name
{LATER}""", passed=3 + LATERS, plugins=("pyfakefs.pytest_plugin",))  # fmt: skip


@pytest.mark.parametrize("fixtures", ["fs, httpserve", "httpserve, fs"])
def test_tls_in_a_fake_file_system(floor: Floor, fixtures: str) -> None:
    """OpenSSL reads the system's files: certificates, and what clients are to trust, are there."""
    floor(f"""{USES}
import ssl

def asks(server):
    server.on("GET", "/a").respond(text="well")
    connection = http.client.HTTPSConnection("127.0.0.1", server.port, context=server.ca.client_ssl_context())
    connection.request("GET", "/a")
    assert connection.getresponse().read() == b"well"
    connection.close()

@pytest.mark.serve_tls
def test_it({fixtures}):
    asks(httpserve)
    ssl.create_default_context(cafile=httpserve.ca.pem_path)

@pytest.mark.serve_tls("revoked")
def test_revoked({fixtures}):
    asks(httpserve)

@pytest.mark.serve_tls
def test_client({fixtures}, httpserve_client):
    fs.add_real_file(httpserve.ca.pem_path)
    httpserve.on("GET", "/a").respond(text="well")
    assert httpserve_client.get("/a").text == "well"

@pytest.mark.serve_tls
def test_later_client(httpserve, httpserve_client):
    httpserve.on("GET", "/a").respond(text="well")
    assert httpserve_client.get("/a").text == "well"
{LATER}""", passed=4 + LATERS, plugins=("pyfakefs.pytest_plugin",))  # fmt: skip


def test_a_directory_of_a_fake_file_system_is_refused(floor: Floor) -> None:
    """Its descriptors mean nothing to the system, or other files."""
    floor(f"""{USES}
def test_it(fs, httpserve):
    from pytest_httpserve import UsageError
    fs.create_file("/site/a.txt", contents="well")
    with pytest.raises(UsageError, match="this test has replaced the file system"):
        httpserve.serve_dir("/site")

@pytest.mark.serve_checks(ignore="errors")
def test_late(httpserve, tmp_path, fs):
    fs.create_file(tmp_path / "a.txt", contents="well")
    fs.pause()
    httpserve.serve_dir(tmp_path)
    fs.resume()
    assert fetch(httpserve.url_for("/a.txt"))[0] in (404, 500)
{LATER}""", passed=2 + LATERS, plugins=("pyfakefs.pytest_plugin",))  # fmt: skip
