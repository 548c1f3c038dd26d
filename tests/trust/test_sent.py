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
NAMED = """
    httpserve.on("POST", "/files", files={'a"b': b"all well"}).respond(201)
    CLIENT
"""
UMLAUT = """
    httpserve.on("POST", "/files", files={"report": ("prüfung.txt", b"all well")}).respond(201)
    CLIENT
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
        "nothing answers GET /user/7: the nearest route differs in path: expected /users/7, got /user/7",
        USER,
        'requests.get(httpserve.url_for("/users/7"))',
        'requests.get(httpserve.url_for("/user/7"))',
        shows="✗ path",
    ),
    Mistake(
        "a slash at the end",
        "nothing answers GET /users/7/: the nearest route differs in path: expected /users/7, got /users/7/",
        USER,
        'requests.get(httpserve.url_for("/users/7"))',
        'requests.get(httpserve.url_for("/users/7/"))',
        shows="✗ path",
    ),
    Mistake(
        "a slash too many",
        "nothing answers GET //users/7: the nearest route differs in path: expected /users/7, got //users/7",
        USER,
        'say(httpserve, b"GET /users/7 HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")',
        'say(httpserve, b"GET //users/7 HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")',
    ),
    Mistake(
        "capitals in a path",
        "nothing answers GET /Users/7: the nearest route differs in path: expected /users/7, got /Users/7",
        USER,
        'requests.get(httpserve.url_for("/users/7"))',
        'requests.get(httpserve.url_for("/Users/7"))',
        shows="✗ path",
    ),
    Mistake(
        "another method",
        "nothing answers POST /users/7: the nearest route differs in method: expected 'GET', got 'POST'",
        USER,
        'requests.get(httpserve.url_for("/users/7"))',
        'requests.post(httpserve.url_for("/users/7"))',
        shows="✗ method\n        expected: 'GET'\n        got:      'POST'",
    ),
    Mistake(
        "a parameter that is missing",
        "nothing answers GET /items?q=a+b: the nearest route differs in query page: expected '1', got (not there)",
        PAGE,
        'requests.get(httpserve.url_for("/items"), params={"page": 1, "q": "a b"})',
        'requests.get(httpserve.url_for("/items"), params={"q": "a b"})',
        shows="✗ query page\n        expected: '1'\n        got:      (not there)",
    ),
    Mistake(
        "a page counted from 0",
        "nothing answers GET /items?page=0&q=a+b: the nearest route differs in query page: expected '1', got '0'",
        PAGE,
        'requests.get(httpserve.url_for("/items"), params={"page": 1, "q": "a b"})',
        'requests.get(httpserve.url_for("/items"), params={"page": 0, "q": "a b"})',
        shows="✗ query page\n        expected: '1'\n        got:      '0'",
    ),
    Mistake(
        "a value that is encoded twice",
        "GET /items?page=1&q=a%2520b: the nearest route differs in query q: expected 'a b', got 'a%20b'",
        PAGE,
        'requests.get(httpserve.url_for("/items?page=1&q=a%20b"))',
        'requests.get(httpserve.url_for("/items?page=1&q=a%2520b"))',
        shows="✗ query q\n        expected: 'a b'\n        got:      'a%20b'",
    ),
    Mistake(
        "a plus for a blank in a path",
        "nothing answers GET /a+b: the nearest route differs in path: expected /a b, got /a+b",
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
        "page=1&debug=1: the nearest route differs in nothing else in query: expected nothing, got ['debug']",
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
        "nothing answers POST /orders: the nearest route differs in json at count: expected 2, got (not there)",
        ORDER,
        'requests.post(httpserve.url_for("/orders"), json={"item": "tea", "count": 2})',
        'requests.post(httpserve.url_for("/orders"), json={"item": "tea", "cuont": 2})',
        shows="got:      {'item': 'tea', 'cuont': 2}",
    ),
    Mistake(
        "a number sent as text",
        "nothing answers POST /orders: the nearest route differs in json at count: expected 2, got '2'",
        ORDER,
        'requests.post(httpserve.url_for("/orders"), json={"item": "tea", "count": 2})',
        'requests.post(httpserve.url_for("/orders"), json={"item": "tea", "count": "2"})',
        shows="got:      {'item': 'tea', 'count': '2'}",
    ),
    Mistake(
        "JSON with a name too many",
        "nothing answers POST /orders: the nearest route differs in json at debug: expected (not there), got True",
        ORDER,
        'requests.post(httpserve.url_for("/orders"), json={"item": "tea", "count": 2})',
        'requests.post(httpserve.url_for("/orders"), json={"item": "tea", "count": 2, "debug": True})',
        shows="got:      {'item': 'tea', 'count': 2, 'debug': True}",
    ),
    Mistake(
        "a form in the place of JSON",
        "nothing answers POST /orders: the nearest route differs in json: expected ",
        ORDER,
        'requests.post(httpserve.url_for("/orders"), json={"item": "tea", "count": 2})',
        'requests.post(httpserve.url_for("/orders"), data={"item": "tea", "count": 2})',
        shows="✗ json",
    ),
    Mistake(
        "JSON within JSON",
        "nothing answers POST /orders: the nearest route differs in json: expected ",
        ORDER,
        'requests.post(httpserve.url_for("/orders"), json={"item": "tea", "count": 2})',
        'requests.post(httpserve.url_for("/orders"), json=json.dumps({"item": "tea", "count": 2}))',
        shows="✗ json",
    ),
    Mistake(
        "gzip without saying so",
        "nothing answers POST /orders: the nearest route differs in json: expected ",
        ORDER,
        'requests.post(httpserve.url_for("/orders"), json={"item": "tea", "count": 2})',
        'requests.post(httpserve.url_for("/orders"), data=gzip.compress(b\'{"item": "tea", "count": 2}\'), '
        'headers={"Content-Type": "application/json"})',
        shows="✗ json",
    ),
    Mistake(
        "gzip said and not done",
        "nothing answers POST /orders: the nearest route differs in json: expected ",
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
        "nothing answers PUT /note: the nearest route differs in body: expected 'grün', got 'gr\ufffdn'",
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
        "nothing answers POST /login: the nearest route differs in form password: expected 'a&b=c', got 'a'",
        FORM,
        'requests.post(httpserve.url_for("/login"), data={"user": "ada", "password": "a&b=c"})',
        'requests.post(httpserve.url_for("/login"), data="user=ada&password=a&b=c", '
        'headers={"Content-Type": "application/x-www-form-urlencoded"})',
        shows="✗ form password\n        expected: 'a&b=c'\n        got:      'a'",
    ),
    Mistake(
        "a field that is missing",
        "nothing answers POST /login: the nearest route differs in form password: expected 'a&b=c', got (not there)",
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
        "nothing answers POST /orders: the nearest route differs in json: expected ",
        ORDER,
        'requests.post(httpserve.url_for("/orders"), json={"item": "tea", "count": 2})',
        'requests.post(httpserve.url_for("/orders"), data=json.dumps({"item": "tea", "count": 2}))',
        shows="but as no type",
    ),
    Mistake(
        "true for 1",
        "nothing answers POST /flags: the nearest route differs in json contains at level: expected 1, got True",
        FLAG,
        'requests.post(httpserve.url_for("/flags"), json={"level": 1})',
        'requests.post(httpserve.url_for("/flags"), json={"level": True})',
        shows="got:      {'level': True}",
    ),
    Mistake(
        "JSON with a name twice",
        "nothing answers POST /flags: the nearest route differs in json contains: expected ",
        FLAG,
        """
        headers = {"Content-Type": "application/json"}
        requests.post(httpserve.url_for("/flags"), data='{"level": 1}', headers=headers)
        """,
        """
        headers = {"Content-Type": "application/json"}
        requests.post(httpserve.url_for("/flags"), data='{"level": 2, "level": 1}', headers=headers)
        """,
        shows="the key 'level' occurs more than once",
    ),
    Mistake(
        "a number in the place of an object",
        "nothing answers POST /flags: the nearest route differs in json contains: expected {'level': 1}, got 5",
        FLAG,
        'requests.post(httpserve.url_for("/flags"), json={"level": 1, "more": 2})',
        'requests.post(httpserve.url_for("/flags"), json=5)',
        shows="✗ json contains\n        expected: {'level': 1}\n        got:      5",
    ),
    Mistake(
        "brotli said and not done",
        "got not JSON (the body is not br, but its Content-Encoding says so",
        ORDER,
        """
        headers = {"Content-Type": "application/json", "Content-Encoding": "br"}
        data = brotli.compress(b'{"item": "tea", "count": 2}')
        requests.post(httpserve.url_for("/orders"), data=data, headers=headers)
        """,
        """
        headers = {"Content-Type": "application/json", "Content-Encoding": "br"}
        data = zlib.compress(b'{"item": "tea", "count": 2}')
        requests.post(httpserve.url_for("/orders"), data=data, headers=headers)
        """,
    ),
    Mistake(
        "a Zstandard frame that was cut",
        "got not JSON (the body is not zstd, but its Content-Encoding says so",
        ORDER,
        """
        headers = {"Content-Type": "application/json", "Content-Encoding": "zstd"}
        data = zstd.compress(b'{"item": "tea", "count": 2}')
        requests.post(httpserve.url_for("/orders"), data=data, headers=headers)
        """,
        """
        headers = {"Content-Type": "application/json", "Content-Encoding": "zstd"}
        data = zstd.compress(b'{"item": "tea", "count": 2}')[:-4]
        requests.post(httpserve.url_for("/orders"), data=data, headers=headers)
        """,
    ),
    Mistake(
        "a quotation mark that ends the name of an upload",
        """file a"b: expected b'all well', got (not there)""",
        NAMED,
        """requests.post(httpserve.url_for("/files"), files={'a"b': ("a.txt", b"all well")})""",
        """post_part(httpserve, b'form-data; name="a"b"; filename="a.txt"')""",
    ),
    Mistake(
        "a file name in Latin 1",
        "file report at [0]: expected 'prüfung.txt', got 'pr\ufffdfung.txt'",
        UMLAUT,
        """post_part(httpserve, "form-data; name=report; filename*=UTF-8''pr%C3%BCfung.txt".encode())""",
        """post_part(httpserve, 'form-data; name="report"; filename="prüfung.txt"'.encode("latin-1"))""",
    ),
    Mistake(
        "a GET with a body",
        "body: expected b'', got b'{}'",
        """
        httpserve.on("GET", "/users/7", body=b"").respond(json={})
        CLIENT
        """,
        'requests.get(httpserve.url_for("/users/7"))',
        'requests.get(httpserve.url_for("/users/7"), json={})',
    ),
    # Fields
    Mistake(
        "a Host from somewhere else",
        "header Host: expected 'api.test', got '127.0.0.1:",
        """
        httpserve.on("GET", "/a", headers={"Host": "api.test"}).respond()
        CLIENT
        """,
        'requests.get(httpserve.url_for("/a"), headers={"Host": "api.test"})',
        'requests.get(httpserve.url_for("/a"))',
    ),
    Mistake(
        "a near miss that a directory would answer",
        "nothing answers GET /7: the nearest route differs in header X-Key: expected 'k', got (not there)",
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
        "differs in header Authorization: expected 'Bearer s3cret', got (not there)",
        TOKEN,
        'requests.get(httpserve.url_for("/me"), headers={"Authorization": "Bearer s3cret"})',
        'requests.get(httpserve.url_for("/me"))',
        shows="✗ header Authorization",
    ),
    Mistake(
        "another scheme",
        "differs in header Authorization: expected 'Bearer s3cret', got Token ***",
        TOKEN,
        'requests.get(httpserve.url_for("/me"), headers={"Authorization": "Bearer s3cret"})',
        'requests.get(httpserve.url_for("/me"), headers={"Authorization": "Token s3cret"})',
        shows="✗ header Authorization",
    ),
    Mistake(
        "a token with the end of its line",
        "differs in header Authorization: expected 'Bearer s3cret', got Bearer ***",
        TOKEN,
        'requests.get(httpserve.url_for("/me"), headers={"Authorization": "Bearer s3cret"})',
        'requests.get(httpserve.url_for("/me"), headers={"Authorization": "Bearer s3cret%0A"})',
        shows="✗ header Authorization",
    ),
    Mistake(
        "a cookie that is not sent back",
        "nothing answers GET /account: the nearest route differs in cookie session: expected 'abc', got (not there)",
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
        "nothing answers GET /rest: the nearest route differs in header Range: expected 'bytes=4-', got 'bytes=5-'",
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
