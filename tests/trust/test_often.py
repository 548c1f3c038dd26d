"""How often a client sends what it sends, in which order, and where to: what is missing fails as what is too much."""

from __future__ import annotations

import pytest

from tests.trust.trial import Mistake, check, run

pytestmark = pytest.mark.same_everywhere

USER = """
    httpserve.on("GET", "/users/7").respond(json={"id": 7})
    CLIENT
"""
ONCE = """
    httpserve.on("POST", "/orders").respond(201)
    CLIENT
    httpserve.assert_requested("POST", "/orders", times=1)
"""
STEPS = """
    httpserve.on("*").respond()
    CLIENT
    httpserve.assert_requested_in_order(["POST /login", "POST /orders"])
"""
CALLED = """
    httpserve.on("POST", "/metrics").respond(204).expect()
    CLIENT
"""
PAGES = """
    for number in (1, 2, 3):
        page = httpserve.on("GET", "/items", query={"page": number})
        page.respond(json={"next": number + 1 if number < 3 else None}).expect()
    CLIENT
"""
KEY = """
    orders = httpserve.on("POST", "/orders").respond(503).respond(201)
    CLIENT
    first, second = (call.request.headers["Idempotency-Key"] for call in orders.calls)
    assert first == second
"""
RETRY = """
    orders = httpserve.on("POST", "/orders", body=b"tea").respond(503).respond(201).expect(times=2)
    CLIENT
"""
MOVED = """
    httpserve.on("POST", "/old").redirect("/new", status=307)
    httpserve.on("POST", "/new", body=b"tea").respond(201).expect()
    CLIENT
"""
ELSEWHERE = """
    other = httpserve.on("GET", "/elsewhere", where=lambda request: "Authorization" not in request.headers)
    other.respond().expect()
    httpserve.on("GET", "/here").redirect("/elsewhere")
    CLIENT
"""
NOTHING_ELSE = """
    httpserve.on("GET", "/a").respond(text="cached", headers={"Cache-Control": "max-age=60"})
    CLIENT
    httpserve.assert_requested("GET", "/a", times=1)
"""
OFFLINE = """
    CLIENT
    httpserve.assert_no_requests()
"""

IN_TURN = """
    httpserve.on("*").respond()
    CLIENT
    assert [exchange for exchange in httpserve.exchanges if exchange.pipelined] == []
"""
PAST_THE_PROXY = """
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", httpserve_factory().base_url)
    httpserve.on("GET", "/users/7").respond(json={"id": 7})
    CLIENT
"""
GET_DIRECTLY = """
    with requests.Session() as session:
        session.trust_env = False
        session.get(httpserve.url_for("/users/7"))
"""

MISTAKES = [
    Mistake(
        "an order sent twice",
        "POST /orders was requested 2 times, expected once",
        ONCE,
        'requests.post(httpserve.url_for("/orders"))',
        'requests.post(httpserve.url_for("/orders")); requests.post(httpserve.url_for("/orders"))',
    ),
    Mistake(
        "an order before the login",
        "step 2, POST /orders, was not requested after POST /login",
        STEPS,
        'requests.post(httpserve.url_for("/login")); requests.post(httpserve.url_for("/orders"))',
        'requests.post(httpserve.url_for("/orders")); requests.post(httpserve.url_for("/login"))',
    ),
    Mistake(
        "a call that is not made",
        "was never called, expected once",
        CALLED,
        'requests.post(httpserve.url_for("/metrics"))',
        "pass",
    ),
    Mistake(
        "the last page left out",
        "was never called, expected once",
        PAGES,
        """
            page = 1
            while page:
                page = requests.get(httpserve.url_for("/items"), params={"page": page}).json()["next"]
            """,
        """
            for page in (1, 2):
                requests.get(httpserve.url_for("/items"), params={"page": page})
            """,
    ),
    Mistake(
        "a page too many",
        "nothing answers GET /items?page=4: the nearest route differs in query page: expected '3', got '4'",
        PAGES,
        """
            for page in (1, 2, 3):
                requests.get(httpserve.url_for("/items"), params={"page": page})
            """,
        """
            for page in (1, 2, 3, 4):
                requests.get(httpserve.url_for("/items"), params={"page": page})
            """,
    ),
    Mistake(
        "another key for the second try",
        "assert '0' == '1'",
        KEY,
        """
            for number in range(2):
                requests.post(httpserve.url_for("/orders"), headers={"Idempotency-Key": "0"})
            """,
        """
            for number in range(2):
                requests.post(httpserve.url_for("/orders"), headers={"Idempotency-Key": str(number)})
            """,
    ),
    Mistake(
        "no second try",
        "was called once, expected 2 times",
        RETRY,
        """
            while requests.post(httpserve.url_for("/orders"), data=b"tea").status_code == 503:
                pass
            """,
        'requests.post(httpserve.url_for("/orders"), data=b"tea")',
    ),
    Mistake(
        "a second try without a body",
        "nothing answers POST /orders: the nearest route differs in body: expected b'tea', got b''",
        RETRY,
        """
            while requests.post(httpserve.url_for("/orders"), data=b"tea").status_code == 503:
                pass
            """,
        """
            body = iter([b"tea"])
            for _ in range(2):
                requests.post(httpserve.url_for("/orders"), data=next(body, b""))
            """,
        shows="✗ body",
    ),
    Mistake(
        "a redirect that makes a GET of a POST",
        "nothing answers GET /new: the nearest route differs in method: expected 'POST', got 'GET'; also in body",
        MOVED,
        'requests.post(httpserve.url_for("/old"), data=b"tea")',
        """
            moved = requests.post(httpserve.url_for("/old"), data=b"tea", allow_redirects=False)
            requests.get(httpserve.url_for(moved.headers["Location"]))
            """,
    ),
    Mistake(
        "a redirect that is not followed",
        "was never called, expected once",
        MOVED,
        'requests.post(httpserve.url_for("/old"), data=b"tea")',
        'requests.post(httpserve.url_for("/old"), data=b"tea", allow_redirects=False)',
    ),
    Mistake(
        "a token that goes along to another place",
        "nothing answers GET /elsewhere: the nearest route differs in where <lambda>: expected a true value, got False",
        ELSEWHERE,
        """
            token = {"Authorization": "Bearer s3cret"}
            moved = requests.get(httpserve.url_for("/here"), headers=token, allow_redirects=False)
            requests.get(httpserve.url_for(moved.headers["Location"]))
            """,
        'requests.get(httpserve.url_for("/here"), headers={"Authorization": "Bearer s3cret"})',
        shows="✗ where",
    ),
    Mistake(
        "a cache that forgets",
        "GET /a was requested 2 times, expected once",
        NOTHING_ELSE,
        'requests.get(httpserve.url_for("/a"))',
        'requests.get(httpserve.url_for("/a")); requests.get(httpserve.url_for("/a"))',
    ),
    Mistake(
        "a client that is not as offline as it says",
        "expected no requests; the server got:",
        OFFLINE,
        "pass",
        'requests.get(httpserve.url_for("/version"))',
    ),
    Mistake(
        "a request that nobody has thought of",
        "nothing answers GET /favicon.ico: the nearest route differs in path: expected /users/7, got /favicon.ico",
        USER,
        'requests.get(httpserve.url_for("/users/7"))',
        'requests.get(httpserve.url_for("/users/7")); requests.get(httpserve.url_for("/favicon.ico"))',
    ),
    Mistake(
        "a request that does not wait for the answer before it",
        "assert [<Exchange GET /b -> 200>] == []",
        IN_TURN,
        """
            with requests.Session() as session:
                session.get(httpserve.url_for("/a"))
                session.get(httpserve.url_for("/b"))
            """,
        """
            first, last = (b"GET /%b HTTP/1.1\\r\\nHost: x\\r\\n" % name for name in (b"a", b"b"))
            say(httpserve, first + b"\\r\\n" + last + b"Connection: close\\r\\n\\r\\n")
            """,
    ),
    Mistake(
        "a proxy that is asked for a local address",
        ", sent as if to a proxy (http_proxy is set in the environment)",
        PAST_THE_PROXY,
        GET_DIRECTLY,
        'requests.get(httpserve.url_for("/users/7"))',
        fixtures="httpserve, httpserve_factory, monkeypatch",
    ),
    Mistake(
        "a proxy in the place of the server",
        "GET /users/7 was not requested: there were no requests (http_proxy is set in the environment)",
        PAST_THE_PROXY + '    httpserve.assert_requested("GET", "/users/7")\n',
        GET_DIRECTLY,
        'requests.get(httpserve.url_for("/users/7"))',
        fixtures="httpserve, httpserve_factory, monkeypatch",
    ),
]


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return run(MISTAKES, tmp_path_factory.mktemp("often"))


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda one: one.identifier)
def test_what_a_client_sends_too_often_or_not_at_all_is_noticed(ended: dict[str, str], mistake: Mistake) -> None:
    check(ended, mistake)
