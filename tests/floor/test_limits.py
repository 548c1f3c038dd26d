"""What a machine has no more of: one sentence says so, nothing is left, and the next test is as ever."""

import pytest

from tests.floor.conftest import Floor

NO_THREADS = """
@pytest.fixture
def no_threads(monkeypatch):
    def refuse(*given, **named):
        raise RuntimeError("can't start new thread")
    for name in ("_start_new_thread", "_start_joinable_thread"):  # of 3.12, of 3.13
        monkeypatch.setattr(threading, name, refuse, raising=False)
"""
NO_MORE = "the system has no more threads"

FULL = """
import resource

@pytest.fixture
def leave(request):
    '''Leave so many descriptors, of 64.'''
    held, before = [], resource.getrlimit(resource.RLIMIT_NOFILE)
    def fill(left):
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, before[1]))
        try:
            while True:
                held.append(os.dup(1))
        except OSError:
            pass
        for _ in range(left):
            os.close(held.pop())
    def end():
        while held:
            os.close(held.pop())
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    fill.end = end
    yield fill
    end()

def descriptors():
    return len(os.listdir("/proc/self/fd"))
"""


def test_no_thread_for_the_first_server(floor: Floor) -> None:
    floor(f"""{NO_THREADS}
def test_it(no_threads, httpserve_factory):
    from pytest_httpserve import HTTPServe, HTTPServeError
    with pytest.raises(HTTPServeError, match={NO_MORE!r}):
        httpserve_factory()
    with pytest.raises(HTTPServeError, match={NO_MORE!r}):
        HTTPServe().start()
""")  # fmt: skip


def test_no_thread_for_what_waits(floor: Floor) -> None:
    result = floor(f"""{NO_THREADS}
def test_it(httpserve, no_threads):
    httpserve.on("GET", "/delay").respond(text="well", delay=0.05)
    httpserve.on("GET", "/a").respond(text="well")
    assert fetch(httpserve.url_for("/delay"))[0] == 500
    assert fetch(httpserve.url_for("/a")) == (200, "well")
""", passed=0, failed=1)  # fmt: skip
    result.stdout.fnmatch_lines([f"*NoMoreThreads: {NO_MORE}*"])


@pytest.mark.needs("/proc/self/fd", "select.epoll")
def test_no_descriptors_for_a_server(floor: Floor) -> None:
    floor(f"""{FULL}
@pytest.mark.parametrize("left", range(4))
@pytest.mark.parametrize("own", [True, False])
def test_it(leave, httpserve_factory, left, own):
    from pytest_httpserve import HTTPServe, HTTPServeError
    start = httpserve_factory if not own else lambda: HTTPServe().start()
    start().stop()
    threading.Event().wait(0.05)  # its own loop ends
    before = descriptors()
    leave(left)
    with pytest.raises(HTTPServeError, match="Too many open files") if own or not left else contextlib.nullcontext():
        start().stop()
    leave.end()
    assert descriptors() <= before
""", passed=8, first="import contextlib\n")  # fmt: skip


@pytest.mark.needs("/proc/self/fd", "select.epoll")
def test_no_descriptor_for_a_file_does_not_say_that_there_is_none(floor: Floor) -> None:
    result = floor(f"""{FULL}
def test_it(leave, httpserve, tmp_path):
    (tmp_path / "a.txt").write_text("well")
    httpserve.serve_dir(tmp_path)
    httpserve.on("GET", "/b").respond(text="well")
    with socket.create_connection(("127.0.0.1", httpserve.port), timeout=20) as client:
        client.sendall(b"GET /a.txt HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n")
        assert client.recv(1000).startswith(b"HTTP/1.1 200 ")
        client.sendall(b"GET /b HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n")  # when this is answered, the file is closed
        assert client.recv(1000).startswith(b"HTTP/1.1 200 ")
        leave(0)
        client.sendall(b"GET /a.txt HTTP/1.1\\r\\nHost: a\\r\\nConnection: close\\r\\n\\r\\n")
        assert client.recv(1000).startswith(b"HTTP/1.1 500 ")
""", passed=0, failed=1)  # fmt: skip
    result.stdout.fnmatch_lines(["*Too many open files*"])


@pytest.mark.needs("socket.AF_UNIX")
def test_a_temporary_folder_with_a_long_path(floor: Floor) -> None:
    floor("""
@pytest.fixture
def deep(monkeypatch, tmp_path):
    deep = tmp_path / ("a" * 100)
    deep.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(deep))
    return deep

def test_it(deep, httpserve_factory):
    server = httpserve_factory(unix=True)
    server.on("GET", "/a").respond(text="well")
    path = server.socket_path
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(path)
        client.sendall(b"GET /a HTTP/1.0\\r\\n\\r\\n")
        assert b"".join(iter(lambda: client.recv(1000), b"")).endswith(b"well")
    server.stop()
    assert not os.path.exists(os.path.dirname(path))
    assert os.listdir(deep) == []
""")  # fmt: skip


def test_no_temporary_folder(floor: Floor) -> None:
    """Which is where the files of certificates and of sockets are, and large bodies."""
    result = floor("""
@pytest.fixture
def gone(monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", os.path.join(os.getcwd(), "nowhere"))

def test_it(gone, httpserve_factory):
    from pytest_httpserve import HTTPServe, HTTPServeError
    with pytest.raises(HTTPServeError, match="cannot use .*nowhere.*: No such file"):
        httpserve_factory(tls=True)

@pytest.mark.serve_checks(ignore="errors")
def test_upload(gone, httpserve):
    httpserve.on("POST", "/a").respond(status=201)
    assert fetch(httpserve.url_for("/a"), "POST", b"a" * 3_000_000)[0] == 500
    assert fetch(httpserve.url_for("/a"), "POST", b"a" * 3_000)[0] == 201

def test_upload_fails_the_test(gone, httpserve):
    httpserve.on("POST", "/a").respond(status=201)
    assert fetch(httpserve.url_for("/a"), "POST", b"a" * 3_000_000)[0] == 500
""", passed=2, failed=1)  # fmt: skip
    result.stdout.fnmatch_lines(["*No such file or directory*nowhere*"])


def test_no_current_folder(floor: Floor) -> None:
    """One that has been removed can no more be written than one that is read-only."""
    floor("""
@pytest.fixture
def nowhere(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    tmp_path.rmdir()

@pytest.mark.skipif(sys.platform == "win32", reason="nobody removes it there")
def test_it(nowhere, httpserve, httpserve_factory):
    from pytest_httpserve import HTTPServe, UsageError
    httpserve.on("GET", "/a").respond(text="well")
    assert fetch(httpserve.url_for("/a")) == (200, "well")
    httpserve_factory(tls=True)
    with HTTPServe() as own:
        own.on("GET", "/a").respond(text="well")
        assert fetch(own.url_for("/a")) == (200, "well")
        with pytest.raises(UsageError, match="no such directory"):
            own.serve_dir("files")
""")  # fmt: skip
