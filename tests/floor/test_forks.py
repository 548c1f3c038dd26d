"""A child of multiprocessing has copies of all that its parent has open, and none of its threads."""

import pytest

from tests.floor.conftest import Floor

pytestmark = pytest.mark.needs("os.fork")

CHILD = """
import contextlib, errno, multiprocessing, struct, warnings

fork = multiprocessing.get_context("fork")
# Python 3.12 and later warn of it where there are threads.
pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")


@contextlib.contextmanager
def child():
    '''Lives until the block ends.'''
    mine, other = socket.socketpair()
    def live():
        mine.close()  # so that the end of the parent's is the end
        other.sendall(b"I am")
        other.recv(1)
    process = fork.Process(target=live)
    process.start()
    other.close()
    try:
        assert mine.recv(4) == b"I am"
        yield
    finally:
        mine.close()
        process.join(20)
        assert process.exitcode == 0


def in_child(code, *arguments):
    '''What the code returns there.'''
    queue = fork.SimpleQueue()
    process = fork.Process(target=lambda: queue.put(code(*arguments)))
    process.start()
    process.join(20)
    if process.exitcode is None:
        process.kill()
        process.join()
        pytest.fail("the child hangs")
    assert process.exitcode == 0
    return queue.get()


def refused(server):
    with socket.socket() as client:
        client.settimeout(10)
        return client.connect_ex(("127.0.0.1", server.port)) == errno.ECONNREFUSED


def answers(server):
    return fetch(server.url_for("/a")) == (200, "well")


@pytest.fixture
def server(httpserve):
    httpserve.on("GET", "/a").respond(text="well")
    assert answers(httpserve)
    return httpserve
"""


def test_a_server_refuses_and_comes_back(floor: Floor) -> None:
    floor(CHILD + """
def test_it(server):
    with child():
        for _ in range(3):
            server.refuse()
            assert refused(server)
            server.resume()
            assert answers(server)
            server.restart()
            assert answers(server)
        server.hang() if sys.platform == "linux" else None
        server.resume()
        assert answers(server)
""")  # fmt: skip


def test_after_a_stop_connections_are_refused(floor: Floor) -> None:
    floor(CHILD + """
def test_it(server, httpserve_factory):
    with child():
        server.stop()
        assert refused(server)

def test_of_http_server():
    from pytest_httpserve.server import BaseHTTPRequestHandler, ThreadingHTTPServer
    server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    server.port = server.server_port
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    with child():
        server.server_close()
        thread.join()
        assert refused(server)
""", passed=2)  # fmt: skip


def test_a_reset_reaches_the_client(floor: Floor) -> None:
    floor(CHILD + """
def test_it(server):
    from pytest_httpserve.faults import Reset
    server.on("GET", "/reset").respond(fault=Reset())
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as client:
        client.sendall(b"GET /a HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n")
        assert client.recv(1000).endswith(b"well")
        with child():
            client.sendall(b"GET /reset HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n")
            with pytest.raises(ConnectionResetError):
                client.recv(1000)
""")  # fmt: skip


def test_a_connection_ends_for_its_client(floor: Floor) -> None:
    floor(CHILD + """
def test_it(server):
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as client:
        client.sendall(b"GET /a HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n")
        assert client.recv(1000).endswith(b"well")
        with child():
            server.restart()
            assert client.recv(1000) == b""
""")  # fmt: skip


def test_the_child_makes_servers_of_its_own(floor: Floor) -> None:
    floor(CHILD + """
def test_it(server, httpserve_factory):
    def code():
        own = httpserve_factory()
        own.on("GET", "/a").respond(text="well")
        return answers(own), len(own.exchanges), answers(server)
    for _ in range(3):
        assert in_child(code) == (True, 1, True)
        assert answers(server)
    assert len(server.exchanges) == 7

def test_without_one_before(httpserve_factory):
    def code():
        own = httpserve_factory()
        own.on("GET", "/a").respond(text="well")
        return answers(own)
    assert in_child(code)

def test_a_context(server):
    from pytest_httpserve import HTTPServe
    def code():
        with HTTPServe() as own:
            own.on("GET", "/a").respond(text="well")
            return answers(own)
    assert in_child(code)
""", passed=3)  # fmt: skip


def test_nothing_that_the_child_does_to_its_copy_concerns_the_parent(floor: Floor) -> None:
    floor(CHILD + """
@pytest.mark.parametrize("name", ["refuse", "hang", "restart", "stop", "start", "reset", "resume"])
def test_it(server, name):
    def code():
        from pytest_httpserve import HTTPServeError
        try:
            getattr(server, name)()
        except HTTPServeError as error:
            return str(error)
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as client:
        client.sendall(b"GET /a HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n")
        assert client.recv(1000).endswith(b"well")
        said = in_child(code)
        assert (said is None) == (name in ("stop", "reset", "start")), said
        client.sendall(b"GET /a HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n")
        assert client.recv(1000).endswith(b"well")
    assert answers(server)
    assert [exchange.response.status for exchange in server.exchanges] == [200] * 4
""", passed=7)  # fmt: skip


def test_a_fork_within_the_handler(floor: Floor) -> None:
    floor(CHILD + """
def test_it(server):
    @server.on("GET", "/fork")
    def answer(request):
        return "well" if in_child(lambda: True) else "not well"
    assert fetch(server.url_for("/fork")) == (200, "well")
    assert answers(server)
""")  # fmt: skip


def test_a_fork_in_the_midst_of_requests(floor: Floor) -> None:
    """Whatever the threads of the parent hold at that moment, nobody will let it go in the child."""
    floor(CHILD + """
def test_it(server, httpserve_factory):
    route = server.on("GET", "/b").respond(text="well")
    over = threading.Event()

    def ask():
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as client:
            while not over.is_set():
                client.sendall(b"GET /b HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n")
                assert client.recv(1000).endswith(b"well")
                server.exchanges, route.calls

    def code():
        server.reset()
        own = httpserve_factory()
        own.on("GET", "/a").respond(text="well")
        return answers(own), len(server.exchanges), len(route.calls)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(20):
            assert in_child(code) == (True, 0, 0)
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert answers(server)
""")  # fmt: skip


def test_a_raw_fork_whose_child_goes_through_pytest(floor: Floor) -> None:
    floor(CHILD + """
def test_it(server):
    process = os.fork()
    if process:
        assert os.waitpid(process, 0)[1] == 0
        assert answers(server)
        return
    try:
        server.stop()
        assert server.exchanges == ()
        server.check_expectations()
        assert not server.take_failures()
    except BaseException:
        import traceback
        traceback.print_exc()
        os._exit(1)
    os._exit(0)
""")  # fmt: skip


def test_the_parent_does_not_spin(floor: Floor) -> None:
    """It is told again and again of what came for a connection that it has closed, and the child has not."""
    floor(CHILD + """
def test_it(server):
    from pytest_httpserve.net import poller
    clients = [socket.create_connection(("127.0.0.1", server.port), timeout=10) for _ in range(3)]
    for client in clients:
        client.sendall(b"GET /a HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n")
        assert client.recv(1000).endswith(b"well")
    with child():
        for client in clients:
            client.sendall(b"GET /a HTTP/1.1\\r\\nHost: a\\r\\nConnection: close\\r\\n\\r\\n")
            assert client.recv(1000).endswith(b"well")
            client.close()
        answers(server)
        begun = time.process_time()
        answers(server)
        threading.Event().wait(0.5)
        assert time.process_time() - begun < 0.25
""")  # fmt: skip


def test_a_test_that_is_run_in_a_fork(floor: Floor, pytester: pytest.Pytester) -> None:
    """As pytest-forked does it."""
    pytester.makeconftest("""
import multiprocessing, os, sys
import pytest
from _pytest.runner import runtestprotocol

def run(item):
    reports = runtestprotocol(item, log=False)
    wrong = [str(report.longrepr) for report in reports if report.failed]
    os.write(2, "\\n".join(wrong).encode())
    os._exit(bool(wrong))

@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item, nextitem):
    if item.get_closest_marker("apart") is None:
        return None
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    process = multiprocessing.get_context("fork").Process(target=run, args=[item])
    process.start()
    process.join(20)
    outcome = "failed" if process.exitcode else "passed"
    if process.exitcode is None:
        process.kill()
        process.join()
        outcome = "failed"
    report = pytest.TestReport(item.nodeid, item.location, {}, outcome, None, "call")
    item.ihook.pytest_runtest_logreport(report=report)
    item.session._setupstate.teardown_exact(nextitem)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True

def pytest_configure(config):
    config.addinivalue_line("markers", "apart: in a fork")
""")
    floor(CHILD + """
@pytest.mark.apart
@pytest.mark.parametrize("number", range(3))
def test_it(server, httpserve_factory, number):
    other = httpserve_factory()
    other.on("GET", "/a").respond(text="well")
    assert answers(other) and answers(server)

def test_between(server):
    pass

@pytest.mark.apart
@pytest.mark.parametrize("number", range(3))
def test_again(server, httpserve_session, number):
    httpserve_session.on("GET", "/a").respond(text="well")
    assert answers(server) and answers(httpserve_session)
""", "-s", passed=7)  # fmt: skip
