"""How a client takes what comes, and what it does with its connections."""

from __future__ import annotations

import pytest

from tests.trust.trial import Mistake, check, run

pytestmark = pytest.mark.same_everywhere

NOT_NOTICED = "DID NOT RAISE"


def not_taken(fault: str) -> str:
    return f"""
        httpserve.on("GET", "/file").respond(body=bytes(1000), {fault})
        with pytest.raises((OSError, urllib3.exceptions.HTTPError)):
            CLIENT
    """


DOWNLOAD = 'requests.get(httpserve.url_for("/file"), timeout=TIMEOUT)'
GREEDY = """
    with socket.create_connection((httpserve.host, httpserve.port)) as client:
        client.sendall(b"GET /file HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n")
        try:
            while client.recv(65536):
                pass
        except ConnectionError:
            pass  # what has come is good enough
"""
REFUSED = """
    httpserve.on("GET", "/").respond()
    with pytest.raises(requests.exceptions.SSLError):
        CLIENT
"""
VERIFYING = 'requests.get(httpserve.url_for("/"), verify=httpserve_ca.pem_path, timeout=TIMEOUT)'
CARELESS = """
    import warnings
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        requests.get(httpserve.url_for("/"), verify=False, timeout=TIMEOUT)
"""


def not_trusted(fault: str) -> Mistake:
    return Mistake(
        f"a certificate that is {fault}",
        NOT_NOTICED,
        REFUSED,
        VERIFYING,
        CARELESS,
        fixtures="httpserve, httpserve_ca",
        marks=f'@pytest.mark.serve_tls("{fault}")',
    )


BUSY = """
    httpserve.on("GET", "/a").respond(503).expect(max=3)
    CLIENT
"""
POST_ONCE = """
    httpserve.on("POST", "/orders").respond(500).respond(201).expect(times=1)
    CLIENT
"""
LIMITED = """
    clock = Clock()
    limit = httpserve.limit("/", per_second=1, clock=clock)
    httpserve.on("GET", "/a").respond()
    CLIENT
    assert limit.refused_count == 1, "the client asked again before it was to"
"""
PARSED = """
    httpserve.on("GET", "/a").respond({answer})
    CLIENT
    assert taken == {expected}
"""
REUSED = """
    httpserve.on("GET", "/a").respond(text="a page")
    CLIENT
    httpserve.assert_reused()
"""
CLOSED = """
    httpserve.on("GET", "/a").respond(text="a page")
    CLIENT
    httpserve.assert_all_closed(by="client")
"""
TWO = """
    httpserve.on("GET", "/{n:int}").respond(delay=0.5)
    CLIENT
    httpserve.assert_max_concurrent(2)
"""


def threads(number: int) -> str:
    return f"""
        with concurrent.futures.ThreadPoolExecutor({number}) as threads:
            list(threads.map(lambda n: requests.get(httpserve.url_for(f"/{{n}}")), range(6)))
    """


MISTAKES = [
    # What does not come as a whole
    Mistake("a body that was cut, taken for whole", NOT_NOTICED, not_taken("fault=Truncate(10)"), DOWNLOAD, GREEDY),
    Mistake(
        "a body that broke off, taken for whole", NOT_NOTICED, not_taken("fault=Close(after=10)"), DOWNLOAD, GREEDY
    ),
    Mistake(
        "a body that was reset, taken for whole", NOT_NOTICED, not_taken("fault=Reset(after=10)"), DOWNLOAD, GREEDY
    ),
    Mistake("a head without a body, taken for whole", NOT_NOTICED, not_taken("fault=Close(after=0)"), DOWNLOAD, GREEDY),
    Mistake(
        "an error taken for an answer",
        NOT_NOTICED,
        """
        httpserve.on("GET", "/a").respond(500, json={"error": "down"})
        with pytest.raises(requests.HTTPError):
            CLIENT
        """,
        'requests.get(httpserve.url_for("/a")).raise_for_status()',
        'requests.get(httpserve.url_for("/a")).json()',
    ),
    Mistake(
        "a part taken for the whole",
        NOT_NOTICED,
        """
        httpserve.on("GET", "/a").respond(206, body=b"well", headers={"Content-Range": "bytes 4-7/8"})
        with pytest.raises(ValueError):
            CLIENT
        """,
        """
        if requests.get(httpserve.url_for("/a")).status_code != 200:
            raise ValueError("not the whole")
        """,
        'requests.get(httpserve.url_for("/a")).raise_for_status()',
    ),
    Mistake(
        "silence taken for an empty answer",
        NOT_NOTICED,
        """
        httpserve.on("GET", "/a").respond(fault=Stall())
        with pytest.raises(requests.Timeout):
            CLIENT
        """,
        'requests.get(httpserve.url_for("/a"), timeout=0.2)',
        """
        try:
            requests.get(httpserve.url_for("/a"), timeout=0.2)
        except requests.Timeout:
            pass
        """,
    ),
    # Whom it trusts
    *map(not_trusted, ("expired", "wrong_host", "self_signed", "untrusted")),
    # What it makes of an answer
    Mistake(
        "text in the wrong encoding",
        "assert 'grÃ¼n' == 'grün'",
        PARSED.format(answer='text="grün"', expected='"grün"'),
        'taken = requests.get(httpserve.url_for("/a")).text',
        'taken = requests.get(httpserve.url_for("/a")).content.decode("latin-1")',
    ),
    Mistake(
        "gzip that is not undone",
        "== b'well'",
        PARSED.format(answer='text="well", gzip=True', expected='b"well"'),
        'taken = requests.get(httpserve.url_for("/a")).content',
        'taken = requests.get(httpserve.url_for("/a"), stream=True).raw.read(decode_content=False)',
    ),
    Mistake(
        "the first of two cookies",
        "assert {'a': '1'} == {'a': '1', 'b': '2'}",
        PARSED.format(answer='cookies={"a": "1", "b": "2"}', expected='{"a": "1", "b": "2"}'),
        'taken = dict(requests.get(httpserve.url_for("/a")).cookies)',
        'taken = dict([requests.get(httpserve.url_for("/a")).headers["Set-Cookie"].split(",")[0].split("=")])',
    ),
    Mistake(
        "chunks taken for the body",
        "== b'well'",
        PARSED.format(answer='stream=["we", "ll"]', expected='b"well"'),
        'taken = requests.get(httpserve.url_for("/a")).content',
        """
            answer = say(httpserve, b"GET /a HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n")
            taken = answer.partition(b"\\r\\n\\r\\n")[2]
            """,
    ),
    # Tries
    Mistake(
        "tries without end",
        "was called 4 times, expected at most 3 times",
        BUSY,
        'for _ in range(3):\n    requests.get(httpserve.url_for("/a"))',
        'for _ in range(4):\n    requests.get(httpserve.url_for("/a"))',
    ),
    Mistake(
        "an order tried again that may have been taken",
        "was called 2 times, expected once",
        POST_ONCE,
        'requests.post(httpserve.url_for("/orders"))',
        'while requests.post(httpserve.url_for("/orders")).status_code != 201:\n    pass',
    ),
    Mistake(
        "a try before its time",
        "the client asked again before it was to",
        LIMITED,
        """
            for _ in range(2):
                answer = requests.get(httpserve.url_for("/a"))
                clock.advance(int(answer.headers.get("Retry-After", 0)))
            requests.get(httpserve.url_for("/a"))
            """,
        """
            for _ in range(3):
                requests.get(httpserve.url_for("/a"))
            """,
    ),
    Mistake(
        "a broken connection that is the end",
        "ConnectionError",
        """
        httpserve.on("GET", "/a").respond(fault=Reset()).respond(text="well")
        CLIENT
        """,
        """
        with requests.Session() as session:
            session.mount("http://", requests.adapters.HTTPAdapter(max_retries=1))
            session.get(httpserve.url_for("/a"))
        """,
        'requests.get(httpserve.url_for("/a"))',
    ),
    # Connections
    Mistake(
        "a connection for each request",
        "3 exchanges came over 3 connections, expected at most 1",
        REUSED,
        """
            with requests.Session() as session:
                for _ in range(3):
                    session.get(httpserve.url_for("/a"))
            """,
        'for _ in range(3):\n    requests.get(httpserve.url_for("/a"))',
    ),
    Mistake(
        "a connection that is left open",
        "1 of 1 connection still open",
        CLOSED,
        """
            with requests.Session() as session:
                session.get(httpserve.url_for("/a"))
            """,
        """
            connection = http.client.HTTPConnection(httpserve.host, httpserve.port)
            connection.request("GET", "/a")
            connection.getresponse().read()
            """,
    ),
    Mistake(
        "more at once than is allowed",
        "requests were in progress at once, expected at most 2",
        TWO,
        threads(2),
        threads(6),
    ),
]


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return run(MISTAKES, tmp_path_factory.mktemp("taken"))


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda one: one.identifier)
def test_what_a_client_must_not_take_is_noticed(ended: dict[str, str], mistake: Mistake) -> None:
    check(ended, mistake)
