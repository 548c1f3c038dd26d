"""Tested code closes a descriptor twice: the second time, it is one of ours."""

import pytest

from tests.floor.conftest import Floor

FOUND = """
def own_files():
    '''What the servers of the session wait by, and wake up by.'''
    import gc
    from pytest_httpserve.net.loop import Loop
    loop = next(one for one in gc.get_objects() if isinstance(one, Loop) and one._waiting is not None)
    return loop._waiting.poller.fileno(), loop._waiting.wake._files

def answers(httpserve):
    httpserve.on("GET", "/a").respond(text="well")
    return fetch(httpserve.url_for("/a")) == (200, "well")
"""
SAID = "*some code has closed the descriptor with which the servers wait for their clients*"

pytestmark = pytest.mark.needs("select.epoll")


@pytest.mark.parametrize(
    "close", ["os.close(poller)", "os.close(wake[0])", "os.close(wake[1])", "os.closerange(poller, max(wake) + 1)"]
)
def test_the_test_that_closes_it_fails_and_the_next_does_not(floor: Floor, close: str) -> None:
    result = floor(f"""{FOUND}
def test_before(httpserve):
    assert answers(httpserve)

def test_it(httpserve):
    assert answers(httpserve)
    poller, wake = own_files()
    {close}

def test_next(httpserve):
    assert answers(httpserve)
""", passed=2, failed=1)  # fmt: skip
    result.stdout.fnmatch_lines(["*_ test_it _*", SAID])


@pytest.mark.parametrize("taken", ["os.open(os.devnull, os.O_RDWR)", "socket.socketpair()", "os.pipe()"])
def test_a_server_goes_on_in_the_test_that_closes_it(floor: Floor, taken: str) -> None:
    """Also when the number is another file's at once, which is not closed in turn."""
    result = floor(f"""{FOUND}
def test_it(httpserve):
    assert answers(httpserve)
    poller, wake = own_files()
    os.close(poller)
    other = {taken}
    assert answers(httpserve)
    with socket.create_connection(("127.0.0.1", httpserve.port), timeout=20) as kept:
        for _ in range(3):
            kept.sendall(b"GET /a HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n")
            assert kept.recv(1000).startswith(b"HTTP/1.1 200 ")
    os.fstat(poller)
    for one in other if isinstance(other, tuple) else [other]:
        one.close() if hasattr(one, "close") else os.close(one)
""", passed=0, failed=1)  # fmt: skip
    result.stdout.fnmatch_lines([SAID, "*= 1 failed, 1 passed*"])


def test_it_is_told_once(floor: Floor) -> None:
    result = floor(f"""{FOUND}
def test_it(httpserve):
    assert answers(httpserve)
    os.close(own_files()[0])
    assert answers(httpserve)
    assert answers(httpserve)
""", passed=0, failed=1)  # fmt: skip
    assert len([line for line in result.outlines if line.startswith("some code has closed the descriptor")]) == 1


def test_without_pytest_the_server_says_it(floor: Floor) -> None:
    floor(f"""{FOUND}
def test_it():
    from pytest_httpserve import HTTPServe, ServerFailure
    with pytest.raises(ServerFailure, match="the descriptor with which the servers wait"):
        with HTTPServe() as server:
            assert answers(server)
            os.close(own_files()[0])
            assert answers(server)
""")  # fmt: skip
