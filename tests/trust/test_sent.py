"""What a client sends: a wrong path, body, field or order fails the test that says what is right."""

from __future__ import annotations

import pytest

from tests.trust.trial import Mistake, check, run

pytestmark = pytest.mark.same_everywhere

USER = """
    httpserve.on("GET", "/users/7").respond(json={"id": 7})
    CLIENT
"""
PAGE = """
    httpserve.on("GET", "/items", query={"page": 1, "q": "a b"}).respond(json=[])
    CLIENT
"""
ORDER = """
    httpserve.on("POST", "/orders", json={"item": "tea", "count": 2}).respond(201)
    CLIENT
"""
FLAG = """
    httpserve.on("POST", "/flags", json_contains={"level": 1}).respond()
    CLIENT
"""
TOKEN = """
    httpserve.on("GET", "/me", headers={"Authorization": "Bearer s3cret"}).respond(json={})
    CLIENT
"""
FORM = """
    httpserve.on("POST", "/login", form={"user": "ada", "password": "a&b=c"}).respond(204)
    CLIENT
"""
UPLOAD = """
    upload = httpserve.on("POST", "/files").respond(201)
    CLIENT
    sent = upload.calls[0].request.files["report"]
    assert (sent.filename, sent.content) == ("report.txt", b"all well")
"""
LOGIN = """
    httpserve.on("POST", "/login").respond(204, cookies={"session": "abc"})
    httpserve.on("GET", "/account", cookies={"session": "abc"}).respond(json={})
    CLIENT
"""
CACHE = """
    httpserve.on("GET", "/feed").respond(text="news", headers={"ETag": '"1"'})
    httpserve.on("GET", "/feed", headers={"If-None-Match": '"1"'}).respond(304).expect()
    CLIENT
"""
SIGNED = """
    @httpserve.on("POST", "/hook")
    def hook(request):
        expected = hmac.new(b"key", request.body, hashlib.sha256).hexdigest()
        assert request.headers["X-Signature"] == expected
        return {}

    CLIENT
"""

MISTAKES = [
    # The target
    Mistake(
        "another path",
        "nothing answers GET /user/7",
        USER,
        'requests.get(httpserve.url_for("/users/7"))',
        'requests.get(httpserve.url_for("/user/7"))',
        shows="✗ path",
    ),
    Mistake(
        "a slash at the end",
        "nothing answers GET /users/7/",
        USER,
        'requests.get(httpserve.url_for("/users/7"))',
        'requests.get(httpserve.url_for("/users/7/"))',
        shows="✗ path",
    ),
    Mistake(
        "a slash too many",
        "nothing answers GET //users/7",
        USER,
        'say(httpserve, b"GET /users/7 HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")',
        'say(httpserve, b"GET //users/7 HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")',
    ),
    Mistake(
        "capitals in a path",
        "nothing answers GET /Users/7",
        USER,
        'requests.get(httpserve.url_for("/users/7"))',
        'requests.get(httpserve.url_for("/Users/7"))',
        shows="✗ path",
    ),
    Mistake(
        "another method",
        "nothing answers POST /users/7",
        USER,
        'requests.get(httpserve.url_for("/users/7"))',
        'requests.post(httpserve.url_for("/users/7"))',
        shows="✗ method\n        expected: 'GET'\n        got:      'POST'",
    ),
    Mistake(
        "a parameter that is missing",
        "nothing answers GET /items?q=a+b",
        PAGE,
        'requests.get(httpserve.url_for("/items"), params={"page": 1, "q": "a b"})',
        'requests.get(httpserve.url_for("/items"), params={"q": "a b"})',
        shows="✗ query page\n        expected: '1'\n        got:      (not there)",
    ),
    Mistake(
        "a page counted from 0",
        "nothing answers GET /items?page=0",
        PAGE,
        'requests.get(httpserve.url_for("/items"), params={"page": 1, "q": "a b"})',
        'requests.get(httpserve.url_for("/items"), params={"page": 0, "q": "a b"})',
        shows="✗ query page\n        expected: '1'\n        got:      '0'",
    ),
    Mistake(
        "a value that is encoded twice",
        "nothing answers GET /items?page=1&q=a%2520b",
        PAGE,
        'requests.get(httpserve.url_for("/items?page=1&q=a%20b"))',
        'requests.get(httpserve.url_for("/items?page=1&q=a%2520b"))',
        shows="✗ query q\n        expected: 'a b'\n        got:      'a%20b'",
    ),
    Mistake(
        "a plus for a blank in a path",
        "nothing answers GET /a+b",
        """
        httpserve.on("GET", "/a b").respond()
        CLIENT
        """,
        'requests.get(httpserve.url_for("/a b"))',
        'requests.get(httpserve.url_for("/a+b"))',
        shows="✗ path",
    ),
    Mistake(
        "a parameter too many",
        "nothing answers GET /items?page=1&debug=1",
        """
        httpserve.on("GET", "/items", query_exact={"page": 1}).respond(json=[])
        CLIENT
        """,
        'requests.get(httpserve.url_for("/items?page=1"))',
        'requests.get(httpserve.url_for("/items?page=1&debug=1"))',
    ),
    # Bodies
    Mistake(
        "JSON with another name",
        "nothing answers POST /orders",
        ORDER,
        'requests.post(httpserve.url_for("/orders"), json={"item": "tea", "count": 2})',
        'requests.post(httpserve.url_for("/orders"), json={"item": "tea", "cuont": 2})',
        shows="got:      {'item': 'tea', 'cuont': 2}",
    ),
    Mistake(
        "a number sent as text",
        "nothing answers POST /orders",
        ORDER,
        'requests.post(httpserve.url_for("/orders"), json={"item": "tea", "count": 2})',
        'requests.post(httpserve.url_for("/orders"), json={"item": "tea", "count": "2"})',
        shows="got:      {'item': 'tea', 'count': '2'}",
    ),
    Mistake(
        "JSON with a name too many",
        "nothing answers POST /orders",
        ORDER,
        'requests.post(httpserve.url_for("/orders"), json={"item": "tea", "count": 2})',
        'requests.post(httpserve.url_for("/orders"), json={"item": "tea", "count": 2, "debug": True})',
        shows="got:      {'item': 'tea', 'count': 2, 'debug': True}",
    ),
    Mistake(
        "a form in the place of JSON",
        "nothing answers POST /orders",
        ORDER,
        'requests.post(httpserve.url_for("/orders"), json={"item": "tea", "count": 2})',
        'requests.post(httpserve.url_for("/orders"), data={"item": "tea", "count": 2})',
        shows="✗ json",
    ),
    Mistake(
        "JSON within JSON",
        "nothing answers POST /orders",
        ORDER,
        'requests.post(httpserve.url_for("/orders"), json={"item": "tea", "count": 2})',
        'requests.post(httpserve.url_for("/orders"), json=json.dumps({"item": "tea", "count": 2}))',
        shows="✗ json",
    ),
    Mistake(
        "gzip without saying so",
        "nothing answers POST /orders",
        ORDER,
        'requests.post(httpserve.url_for("/orders"), json={"item": "tea", "count": 2})',
        'requests.post(httpserve.url_for("/orders"), data=gzip.compress(b\'{"item": "tea", "count": 2}\'), '
        'headers={"Content-Type": "application/json"})',
        shows="✗ json",
    ),
    Mistake(
        "gzip said and not done",
        "nothing answers POST /orders",
        ORDER,
        """
        headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
        data = gzip.compress(b'{"item": "tea", "count": 2}')
        requests.post(httpserve.url_for("/orders"), data=data, headers=headers)
        """,
        """
        headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
        data = b'{"item": "tea", "count": 2}'
        requests.post(httpserve.url_for("/orders"), data=data, headers=headers)
        """,
        shows="gzip",
    ),
    Mistake(
        "text in another encoding",
        "nothing answers PUT /note",
        """
        httpserve.on("PUT", "/note", body="grün").respond()
        CLIENT
        """,
        'requests.put(httpserve.url_for("/note"), data="grün".encode())',
        'requests.put(httpserve.url_for("/note"), data="grün".encode("latin-1"))',
        shows="✗ body",
    ),
    Mistake(
        "a field that is not encoded",
        "nothing answers POST /login",
        FORM,
        'requests.post(httpserve.url_for("/login"), data={"user": "ada", "password": "a&b=c"})',
        'requests.post(httpserve.url_for("/login"), data="user=ada&password=a&b=c", '
        'headers={"Content-Type": "application/x-www-form-urlencoded"})',
        shows="✗ form password\n        expected: 'a&b=c'\n        got:      'a'",
    ),
    Mistake(
        "a field that is missing",
        "nothing answers POST /login",
        FORM,
        'requests.post(httpserve.url_for("/login"), data={"user": "ada", "password": "a&b=c"})',
        'requests.post(httpserve.url_for("/login"), data={"user": "ada"})',
        shows="✗ form password",
    ),
    Mistake(
        "an upload under another name",
        "KeyError: 'report'",
        UPLOAD,
        'requests.post(httpserve.url_for("/files"), files={"report": ("report.txt", b"all well")})',
        'requests.post(httpserve.url_for("/files"), files={"file": ("report.txt", b"all well")})',
    ),
    Mistake(
        "an upload that was read before",
        "assert ('report.txt', b'') == ('report.txt', b'all well')",
        UPLOAD,
        'requests.post(httpserve.url_for("/files"), files={"report": ("report.txt", b"all well")})',
        'requests.post(httpserve.url_for("/files"), files={"report": ("report.txt", b"")})',
    ),
    Mistake(
        "JSON without its type",
        "nothing answers POST /orders",
        ORDER,
        'requests.post(httpserve.url_for("/orders"), json={"item": "tea", "count": 2})',
        'requests.post(httpserve.url_for("/orders"), data=json.dumps({"item": "tea", "count": 2}))',
        shows="but as no type",
    ),
    Mistake(
        "true for 1",
        "nothing answers POST /flags",
        FLAG,
        'requests.post(httpserve.url_for("/flags"), json={"level": 1})',
        'requests.post(httpserve.url_for("/flags"), json={"level": True})',
        shows="got:      {'level': True}",
    ),
    Mistake(
        "JSON with a name twice",
        "nothing answers POST /flags",
        FLAG,
        """
        headers = {"Content-Type": "application/json"}
        requests.post(httpserve.url_for("/flags"), data='{"level": 1}', headers=headers)
        """,
        """
        headers = {"Content-Type": "application/json"}
        requests.post(httpserve.url_for("/flags"), data='{"level": 2, "level": 1}', headers=headers)
        """,
        shows="the key 'level' stands there more than once",
    ),
    Mistake(
        "a number in the place of an object",
        "nothing answers POST /flags",
        FLAG,
        'requests.post(httpserve.url_for("/flags"), json={"level": 1, "more": 2})',
        'requests.post(httpserve.url_for("/flags"), json=5)',
        shows="✗ json contains\n        expected: {'level': 1}\n        got:      5",
    ),
    # Fields
    Mistake(
        "a near miss that a directory would answer",
        "nothing answers GET /7",
        """
        pathlib.Path("site").mkdir(exist_ok=True)
        pathlib.Path("site/7").write_text("a file")
        httpserve.serve_dir("site")
        httpserve.on("GET", "/7", headers={"X-Key": "k"}).respond(text="a route")
        CLIENT
        """,
        'requests.get(httpserve.url_for("/7"), headers={"X-Key": "k"})',
        'requests.get(httpserve.url_for("/7"))',
        shows="✗ header X-Key",
    ),
    Mistake(
        "no token",
        "nothing answers GET /me",
        TOKEN,
        'requests.get(httpserve.url_for("/me"), headers={"Authorization": "Bearer s3cret"})',
        'requests.get(httpserve.url_for("/me"))',
        shows="✗ header Authorization",
    ),
    Mistake(
        "another scheme",
        "nothing answers GET /me",
        TOKEN,
        'requests.get(httpserve.url_for("/me"), headers={"Authorization": "Bearer s3cret"})',
        'requests.get(httpserve.url_for("/me"), headers={"Authorization": "Token s3cret"})',
        shows="✗ header Authorization",
    ),
    Mistake(
        "a token with the end of its line",
        "nothing answers GET /me",
        TOKEN,
        'requests.get(httpserve.url_for("/me"), headers={"Authorization": "Bearer s3cret"})',
        'requests.get(httpserve.url_for("/me"), headers={"Authorization": "Bearer s3cret%0A"})',
        shows="✗ header Authorization",
    ),
    Mistake(
        "a cookie that is not sent back",
        "nothing answers GET /account",
        LOGIN,
        """
            with requests.Session() as session:
                session.post(httpserve.url_for("/login"))
                session.get(httpserve.url_for("/account"))
            """,
        """
            requests.post(httpserve.url_for("/login"))
            requests.get(httpserve.url_for("/account"))
            """,
        shows="✗ cookie session",
    ),
    Mistake(
        "a validator that is not sent back",
        "was never called, expected once",
        CACHE,
        """
            tag = requests.get(httpserve.url_for("/feed")).headers["ETag"]
            requests.get(httpserve.url_for("/feed"), headers={"If-None-Match": tag})
            """,
        """
            requests.get(httpserve.url_for("/feed"))
            requests.get(httpserve.url_for("/feed"))
            """,
    ),
    Mistake(
        "a download that goes on one byte late",
        "nothing answers GET /rest",
        """
        httpserve.on("GET", "/rest", headers={"Range": "bytes=4-"}).respond(206, body=b"well")
        CLIENT
        """,
        'requests.get(httpserve.url_for("/rest"), headers={"Range": "bytes=4-"})',
        'requests.get(httpserve.url_for("/rest"), headers={"Range": "bytes=5-"})',
        shows="✗ header Range\n        expected: 'bytes=4-'\n        got:      'bytes=5-'",
    ),
    Mistake(
        "a signature of something else",
        "the handler of 'POST /hook HTTP/1.1' raised:",
        SIGNED,
        """
            body = b'{"a": 1}'
            sign = hmac.new(b"key", body, hashlib.sha256).hexdigest()
            requests.post(httpserve.url_for("/hook"), data=body, headers={"X-Signature": sign})
            """,
        """
            body = b'{"a": 1}'
            sign = hmac.new(b"key", b'{"a":1}', hashlib.sha256).hexdigest()
            requests.post(httpserve.url_for("/hook"), data=body, headers={"X-Signature": sign})
            """,
        shows="AssertionError: assert '",
    ),
]


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return run(MISTAKES, tmp_path_factory.mktemp("sent"))


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda one: one.identifier)
def test_what_a_client_must_not_send_is_noticed(ended: dict[str, str], mistake: Mistake) -> None:
    check(ended, mistake)
