"""A thousand clients that send garbage, and eight that notice nothing of it."""

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from pytest_httpserve import HTTPServe

# In a process of its own: it connects a thousand times, keeps all connections open, says something that is no request
# on each, and leaves in one of several ways when it is told to.
GARBAGE = """
import random, socket, struct, sys

draw = random.Random(6)
kinds = [
    lambda: draw.randbytes(200),
    lambda: b"GET / HTTP/1.1\\r\\nHost",
    lambda: b"\\x16\\x03\\x01\\x02\\x00\\x01\\x00\\x01\\xfc\\x03\\x03" + draw.randbytes(100),
    lambda: b"POST /a HTTP/1.1\\r\\nHost: x\\r\\nContent-Length: 1\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n",
    lambda: b"POST /a HTTP/1.1\\r\\nHost: x\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\nzz\\r\\n",
    lambda: b"GET /a HTTP/1.1\\r\\n" + b"X: " + b"y" * 30_000 + b"\\r\\n",
    lambda: b"",
]
clients = []
for number in range(1000):
    client = socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=60)
    try:
        client.sendall(kinds[number % len(kinds)]())
    except OSError:
        pass  # it was refused before its end
    clients.append(client)
print("all are there", flush=True)
sys.stdin.readline()
for number, client in enumerate(clients):
    if number % 2:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
"""


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.needs("more than select")
def test_a_thousand_clients_send_garbage_and_eight_notice_nothing(server: HTTPServe) -> None:
    server.ignore("refused")
    server.on("*", "/a").respond(text="well")
    before, threads = descriptors(), set(threading.enumerate())

    def ask(times: int) -> int:
        with requests.Session() as session:
            for _ in range(times):
                answer = session.get(server.url_for("/a"), timeout=60)
                assert (answer.status_code, answer.text) == (200, "well")
        return times

    with (
        subprocess.Popen(
            [sys.executable, "-c", GARBAGE, server.host, str(server.port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as crowd,
        ThreadPoolExecutor(8) as good,
    ):
        asked = [good.submit(ask, 60) for _ in range(8)]
        assert crowd.stdout is not None
        assert crowd.stdout.readline() == "all are there\n"
        asked += [good.submit(ask, 20) for _ in range(8)]
        assert sum(one.result(120) for one in asked) == 640
        crowd.communicate("\n", timeout=60)

    server.assert_all_closed(timeout=60)
    assert len(server.connections) == 1000 + 16
    good_ones = [one for one in server.exchanges if one.status == 200]
    assert len(good_ones) == 640
    assert {one.status for one in server.exchanges} <= {None, 200, 400, 408, 431, 501}
    assert server.failures == ()
    server.stop()
    assert descriptors() <= before
    for thread in set(threading.enumerate()) - threads:
        thread.join(10)
        assert not thread.is_alive(), f"{thread.name} goes on"
