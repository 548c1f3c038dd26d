"""Tests of pytest-httpserver become tests of ours: what is written for one, and what it reads like for the other."""

import re
from textwrap import dedent, indent

import pytest

from pytest_httpserve.migrate.rewriting import Rewritten, rewrite


def rewritten(statements: str) -> Rewritten:
    """What becomes of statements of a test."""
    return rewrite(f"def test(httpserver):\n{indent(dedent(statements).strip(), '    ')}\n")


def shown(statements: str) -> str:
    return dedent(rewritten(statements).text.partition("\n")[2]).rstrip("\n")


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ('httpserver.expect_request("/a")', 'httpserve.on("*", "/a")'),
        ('httpserver.expect_request("")', 'httpserve.on("*", "*")'),
        ('httpserver.expect_request("/a", "get")', 'httpserve.on("GET", "/a")'),
        ('httpserver.expect_request("/a", method=m, headers={"A": "b"})', 'httpserve.on(m, "/a", headers={"A": "b"})'),
        ('httpserver.expect_request("/a", query_string="b=1")', 'httpserve.on("*", "/a", query="b=1")'),
        ('httpserver.expect_request("/a", query_string=b"b=1")', 'httpserve.on("*", "/a", query="b=1")'),
        ("httpserver.expect_request('/a', query_string=b'=\"')", r"""httpserve.on("*", '/a', query="=\"")"""),
        ('httpserver.expect_request("/a", query_string={"b": "1"})', 'httpserve.on("*", "/a", query_exact={"b": "1"})'),
        ('httpserver.expect_request("/a", json=None, data=b"x")', 'httpserve.on("*", "/a", json=None, body=b"x")'),
        ('httpserver.expect_request(re.compile("^/a"))', 'httpserve.on("*", re.compile("^/a.*"))'),
        ('httpserver.expect_request(re.compile(r"/a|/b"))', 'httpserve.on("*", re.compile(r"(?:/a|/b).*"))'),
        ('httpserver.expect_request(re.compile("^/a$"))', 'httpserve.on("*", re.compile("^/a$"))'),
        (
            'httpserver.expect_request(Prefix("/a"))',
            'httpserve.on("*", "*", where=lambda request: Prefix("/a").match(request.path))',
        ),
    ],
)
def test_what_is_expected(theirs: str, ours: str) -> None:
    assert shown(theirs) == ours


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ('respond_with_json({"a": 1})', 'respond(json={"a": 1})'),
        ('respond_with_json([], status=201, headers={"A": "b"})', 'respond(201, json=[], headers={"A": "b"})'),
        (
            'respond_with_json([], content_type="application/problem+json")',
            'respond(json=[], headers={"Content-Type": "application/problem+json"})',
        ),
        ('respond_with_data("a")', 'respond(text="a")'),
        ('respond_with_data(b"a", 404)', 'respond(404, body=b"a")'),
        ("respond_with_data(status=204)", "respond(204)"),
        ('respond_with_data("a".encode())', 'respond(body="a".encode())'),
        ("respond_with_data(json.dumps(x), content_type='application/json')", "respond(json=x)"),
        (
            'respond_with_data("<p>", mimetype="text/html")',
            'respond(text="<p>", headers={"Content-Type": "text/html; charset=utf-8"})',
        ),
        ("respond_with_data(unknown)", "handle(lambda _: unknown)"),
        ("respond_with_data(unknown, 404, {'A': 'b'})", "handle(lambda _: (404, unknown, {'A': 'b'}))"),
        ("respond_with_handler(lambda request: request.data)", "handle(lambda request: request.body)"),
    ],
)
def test_what_is_answered(theirs: str, ours: str) -> None:
    assert shown(f'httpserver.expect_request("/a").{theirs}') == f'httpserve.on("*", "/a").{ours}'


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ('httpserver.url_for("a?b=1")', 'httpserve.url_for("/a?b=1")'),
        ('httpserver.url_for("")', 'httpserve.url_for("/")'),
        ('httpserver.url_for(f"a/{b}")', 'httpserve.url_for(f"/a/{b}")'),
        ("len(httpserver.log)", "len(httpserve.exchanges)"),
        ("httpserver.log[0][0].get_json()", "httpserve.exchanges[0].request.json()"),
        ("httpserver.log[-1][1].status_code", "httpserve.exchanges[-1].response.status"),
        ("request, _ = httpserver.log[0]", "request = httpserve.exchanges[0].request"),
        (
            "[request.path for request, _ in httpserver.log]",
            "[request.path for request in [exchange.request for exchange in httpserve.exchanges]]",
        ),
        (
            "dict(httpserver.log[0][0].headers)",
            "{name.title(): value for name, value in httpserve.exchanges[0].request.headers.items()}",
        ),
        ("httpserver.stop(); httpserver.start()", "httpserve.refuse(); httpserve.resume()"),
        ("httpserver.clear()", "httpserve.reset()"),
        ("helper(httpserver=httpserver)", "helper(httpserve=httpserve)"),
    ],
)
def test_what_is_asked(theirs: str, ours: str) -> None:
    assert shown(theirs) == ours


def test_arguments_on_lines_of_their_own_stay_there() -> None:
    assert (
        shown("""
        httpserver.expect_request(
            "/a",
            method="POST",
        ).respond_with_json(
            {"a": 1},
            status=201,
        )
    """)
        == dedent("""
        httpserve.on(
            "POST",
            "/a",
        ).respond(
            201,
            json={"a": 1},
        )
    """).strip()
    )


def test_answers_to_the_same_request_are_one_route() -> None:
    assert (
        shown("""
        for _ in range(2):
            httpserver.expect_ordered_request("/jobs", method="GET").respond_with_data(status=503)
        httpserver.expect_ordered_request("/jobs", method="GET").respond_with_json(["a"])
    """)
        == dedent("""
        jobs = httpserve.on("GET", "/jobs")
        for _ in range(2):
            jobs.respond(503)
        jobs.respond(json=["a"])
    """).strip()
    )


def test_an_answer_for_one_request_is_given_once() -> None:
    assert shown('httpserver.expect_oneshot_request("/a").respond_with_data("a")') == (
        'httpserve.on("*", "/a").respond(text="a").expect(max=1)'
    )


def test_the_first_of_two_that_overlap_keeps_answering() -> None:
    assert (
        shown("""
        httpserver.expect_request("/a", json={"b": 1}).respond_with_data("1")
        httpserver.expect_request("/a").respond_with_data("2")
    """)
        == dedent("""
        httpserve.on("*", "/a", json={"b": 1}, priority=1).respond(text="1")
        httpserve.on("*", "/a").respond(text="2")
    """).strip()
    )


def test_the_fixture_of_pytest_localserver_is_another() -> None:
    theirs = "def test(httpserver):\n    httpserver.serve_content('a')\n"
    new = rewrite(theirs)

    assert new.text == theirs
    assert [left.why for left in new.left] == ["httpserver.serve_content: this is the httpserver of pytest-localserver"]


def test_checks_are_not_needed() -> None:
    assert (
        shown("""
        client.fetch()

        httpserver.check_assertions()
        httpserver.check()
    """)
        == "client.fetch()"
    )


def test_a_module() -> None:
    theirs = """
        import pytest
        from pytest_httpserver import HTTPServer, RequestMatcher
        from werkzeug import Request, Response


        @pytest.fixture(scope="session")
        def httpserver_listen_address():
            return ("127.0.0.1", 8009)


        def test_client(httpserver: HTTPServer) -> None:
            def answer(request: Request) -> Response:
                assert request.args.getlist("é") == [request.query_string.decode()]
                return Response("made", status=201)

            httpserver.expect_request("/a").respond_with_handler(answer)
            httpserver.assert_request_made(RequestMatcher("/a"), count=0)
    """
    new = rewrite(dedent(theirs))

    assert new.left == []
    assert new.text == dedent("""
        import pytest
        from pytest_httpserve import HTTPServe, Request, Response


        @pytest.fixture(scope="session")
        def httpserve_config():
            return {"host": "127.0.0.1", "port": 8009}


        def test_client(httpserve: HTTPServe) -> None:
            def answer(request: Request) -> Response:
                assert request.query.get_all("é") == [request.query_string]
                return Response(201, text="made")

            httpserve.on("*", "/a").handle(answer)
            httpserve.assert_not_requested("*", "/a")
    """)


def test_a_response_that_is_changed_is_left() -> None:
    new = rewrite(
        dedent("""
        from werkzeug import Response

        def test(httpserver):
            answer = Response("a")
            answer.headers["A"] = "b"
            httpserver.expect_request("/a").respond_with_response(answer)
            httpserver.expect_request("/b").respond_with_handler(lambda asked: Response("a").make_conditional(asked))
        """)
    )

    assert [(left.line, left.why.partition(":")[0]) for left in new.left] == [(5, "Response"), (8, "Response")]


@pytest.mark.parametrize(
    ("statement", "why"),
    [
        ("httpserver.expect_request(*arguments)", "unpacked from a sequence"),
        ("httpserver.expect_request('/a', **arguments)", "unpacked from a mapping"),
        ("httpserver.expect_request('/a', query_string=unknown)", "may be a text or a mapping"),
        ("httpserver.expect_request('/a', query_string=b'\\xff')", "its query_string is not ASCII"),
        ("for x in y: httpserver.expect_request('/a').respond_with_json(x)", "the first one answers all"),
        ("with httpserver.wait(): pass", "say what is waited for"),
        ("httpserver.add_assertion('x')", "raise AssertionError"),
        ("httpserver.assert_request_made()", "it has no argument matcher"),
        ("httpserver.url_for()", "it has no argument suffix"),
        ("httpserver.expect_request('/a').respond_with_handler()", "it has no argument func"),
        ("httpserver.expect_request('/a').respond_with_response()", "it has no argument response"),
        ("httpserver.expect_request('/a').respond_with_handler(elsewhere)", "elsewhere is defined elsewhere"),
        ("httpserver.log[0][0].user_agent", "ours is a header"),
        ("httpserver.log[0][0].files", "no attribute of ours"),
    ],
)
def test_what_is_not_certain_is_left_and_named(statement: str, why: str) -> None:
    [left] = rewritten(statement).left

    assert left.line == 2
    assert re.search(why, left.why)


def test_one_for_a_single_request_gives_way_to_the_next() -> None:
    assert (
        shown("""
        httpserver.expect_oneshot_request("/a").respond_with_data("1")
        httpserver.expect_request("/a", method="GET").respond_with_data("2")
    """)
        == dedent("""
        httpserve.scenario("test: /a").on("*", "/a", priority=1).when("new").respond(text="1").then("over")
        httpserve.on("GET", "/a").respond(text="2")
    """).strip()
    )


def test_different_requests_come_in_their_order() -> None:
    assert (
        shown("""
        httpserver.expect_ordered_request("/a").respond_with_data("1")
        httpserver.expect_ordered_request("/b").respond_with_data("2")
        httpserver.expect_ordered_request("/a").respond_with_data("3")
    """)
        == dedent("""
        httpserve.scenario("test").on("*", "/a").when("new").respond(text="1").then("2")
        httpserve.scenario("test").on("*", "/b").when("2").respond(text="2").then("3")
        httpserve.scenario("test").on("*", "/a").when("3").respond(text="3").then("over")
    """).strip()
    )


@pytest.mark.parametrize("after", ['httpserver.expect_ordered_request("/c").respond_with_data("2")', "pass"])
def test_an_order_that_is_made_in_a_loop_is_named(after: str) -> None:
    [left] = rewritten(f"""
        for path in ("/a", "/b"):
            httpserver.expect_ordered_request(path).respond_with_data("1")
        {after}
    """).left

    assert (left.line, "assert_requested_in_order" in left.why) == (3, True)


def test_equal_requests_of_a_loop_have_no_order() -> None:
    assert not rewritten("""
        for _ in range(2):
            httpserver.expect_ordered_request("/a").respond_with_data("1")
    """).left


def test_a_route_with_a_name_is_limited_where_it_is_made() -> None:
    assert (
        shown("""
        made = httpserver.expect_oneshot_request("/a")
        made.respond_with_data("1")
    """)
        == dedent("""
        made = httpserve.on("*", "/a").expect(max=1)
        made.respond(text="1")
    """).strip()
    )


def test_a_body_in_a_loop_is_that_of_its_round() -> None:
    assert shown("for x in y: httpserver.expect_request(x.path).respond_with_data(x.text)") == (
        'for x in y: httpserve.on("*", x.path).handle(lambda _, answer=x.text: answer)'
    )


def test_headers_that_a_function_compares() -> None:
    assert shown('httpserver.expect_request("/a", headers={"A": "b"}, header_value_matcher=alike)') == (
        'httpserve.on("*", "/a", where=lambda request:'
        ' all(alike(name, request.headers.get(name), value) for name, value in {"A": "b"}.items()))'
    )


def test_the_end_of_a_fixture() -> None:
    theirs = """
        import pytest
        import pytest_httpserver


        @pytest.fixture
        def httpserver(httpserver):
            yield httpserver
            if not httpserver.is_running():
                httpserver.start()
            httpserver.clear_all_handlers()


        @pytest.fixture
        def another():
            port = pytest_httpserver.HTTPServer.DEFAULT_LISTEN_PORT
            server = pytest_httpserver.HTTPServer(host="localhost", port=port)
            server.start()
            yield server
            server.clear()
            if server.is_running():
                server.stop()
    """
    new = rewrite(dedent(theirs))

    assert new.left == []
    assert new.text == dedent("""
        import pytest
        from pytest_httpserve import HTTPServe


        @pytest.fixture
        def httpserve(httpserve):
            yield httpserve
            httpserve.reset()


        @pytest.fixture
        def another():
            port = 0
            server = HTTPServe(port=port)
            server.start()
            yield server
            server.reset()
            server.stop()
    """)


def test_an_address_and_a_context_are_what_servers_are_made_with() -> None:
    theirs = """
        import ssl

        import pytest


        @pytest.fixture(scope="session", name="httpserver_listen_address")
        def address():
            return ("localhost", 0)


        @pytest.fixture(scope="session")
        def httpserver_ssl_context(ca):
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain("cert.pem", "key.pem")
            return context
    """
    new = rewrite(dedent(theirs))

    assert new.left == []
    assert "import pytest\nfrom pytest_httpserve import TLS\n" in new.text
    assert new.text.partition("def address")[2] == dedent("""\
        ():
            return ("127.0.0.1", 0)


        @pytest.fixture(scope="session")
        def httpserver_ssl_context(ca):
            return TLS(certificate=("cert.pem", "key.pem"))


        @pytest.fixture(scope="session")
        def httpserve_config(httpserver_listen_address, httpserver_ssl_context):
            return {
                "host": httpserver_listen_address[0] or "127.0.0.1",
                "port": httpserver_listen_address[1] or 0,
                "tls": httpserver_ssl_context,
            }
    """)


def test_requests_that_a_function_keeps() -> None:
    theirs = """
        from typing import TYPE_CHECKING

        from werkzeug import Request, Response

        if TYPE_CHECKING:
            from pytest_httpserver import HTTPServer


        def test(httpserver: HTTPServer) -> None:
            kept: list[Request] = []

            def answer(request: Request) -> Response:
                kept.append(request)
                return Response("a")

            httpserver.expect_request("/a").respond_with_handler(answer)
            (only,) = kept
            assert kept[0].get_data() == only.data
            assert [each.args for each in kept] == []
    """
    new = rewrite(dedent(theirs))

    assert new.left == []
    assert new.text == dedent("""
        from typing import TYPE_CHECKING

        from pytest_httpserve import Request, Response

        if TYPE_CHECKING:
            from pytest_httpserve import HTTPServe


        def test(httpserve: HTTPServe) -> None:
            kept: list[Request] = []

            def answer(request: Request) -> Response:
                kept.append(request)
                return Response(text="a")

            httpserve.on("*", "/a").handle(answer)
            (only,) = kept
            assert kept[0].body == only.body
            assert [each.query for each in kept] == []
    """)


def test_a_server_that_is_made_is_started() -> None:
    theirs = "from pytest_httpserver import HTTPServer\nhttpserver = HTTPServer()\nhttpserver.start()\n"

    assert (
        rewrite(theirs).text == "from pytest_httpserve import HTTPServe\nhttpserve = HTTPServe()\nhttpserve.start()\n"
    )


def test_an_f_string_is_still_one_in_python_3_11() -> None:
    theirs = """
        a = f"{httpserver.url_for('a')}/b"
        c = f'{httpserver.url_for("c")}' f"{httpserver.url_for(path)}"
        d = f"{httpserver.log[0][0].content_type}"
        e = httpserver.url_for('''e''')
    """
    ours = """
        a = f"{httpserve.url_for('/a')}/b"
        c = f'{httpserve.url_for("/c")}' f"{httpserve.url_for(path)}"
        d = f"{httpserve.exchanges[0].request.headers.get('Content-Type')}"
        e = httpserve.url_for('''/e''')
    """
    assert shown(theirs) == dedent(ours).strip()


@pytest.mark.parametrize("web", ["import werkzeug.wrappers as web", "from werkzeug import wrappers as web"])
def test_modules_may_have_other_names(web: str) -> None:
    theirs = f"""
        import os, pytest_httpserver as http
        {web}

        def test():
            with http.HTTPServer() as server:
                server.expect_request("/a").respond_with_handler(lambda request: web.Response("a"))
            assert os.name
    """
    ours = """
        import os
        from pytest_httpserve import HTTPServe, Response

        def test():
            with HTTPServe() as server:
                server.on("*", "/a").handle(lambda request: Response(text="a"))
            assert os.name
    """
    new = rewrite(dedent(theirs))
    assert (new.text, new.left) == (dedent(ours), [])


def test_what_is_still_needed_of_their_module_is_named() -> None:
    new = rewrite("import pytest_httpserver as http\n\nclass Prefix(http.URIPattern): ...\n")
    assert [left.why for left in new.left] == ["pytest_httpserver: still imported"]


def test_an_import_of_everything_does_not_hide_ours() -> None:
    theirs = """
        from pytest_httpserver import *
        from werkzeug import *

        def test(server: HTTPServer):
            server.expect_request("/a").respond_with_response(Response("a", headers={"A": "b"}))
            assert isinstance(Response("b"), Response)
    """
    ours = """
        from pytest_httpserver import *
        from werkzeug import *
        from pytest_httpserve import HTTPServe, Response

        def test(server: HTTPServe):
            server.on("*", "/a").respond(text="a", headers={"A": "b"})
            assert isinstance(Response(text="b"), Response)
    """
    new = rewrite(dedent(theirs))
    assert new.text == dedent(ours)
    assert [left.why for left in new.left] == [
        "*: still imported from pytest_httpserver",
        "*: still imported from werkzeug",
    ]


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("str(LOG.user_agent)", 'REQUEST.headers.get("User-Agent", "")'),
        ("LOG.user_agent.string", 'REQUEST.headers.get("User-Agent", "")'),
        ("LOG.user_agent.to_header()", 'REQUEST.headers.get("User-Agent", "")'),
        ('f"{LOG.user_agent} asks"', "f\"{REQUEST.headers.get('User-Agent', '')} asks\""),
        ("LOG.referrer", 'REQUEST.headers.get("Referer")'),
        ("LOG.mimetype", 'REQUEST.headers.get("Content-Type", "").partition(";")[0].strip().lower()'),
        ("LOG.full_path", '(REQUEST.path + "?" + REQUEST.query_string)'),
        (
            'LOG.url == httpserver.url_for("a?b=1")',
            'REQUEST.headers["Host"] + REQUEST.target == httpserve.url_for("/a?b=1").partition("://")[2]',
        ),
        (
            "httpserver.url_for(path) != LOG.url",
            'httpserve.url_for(path).partition("://")[2] != REQUEST.headers["Host"] + REQUEST.target',
        ),
        ('"token=1" in LOG.url', '"token=1" in REQUEST.target'),
        ('"/users" not in LOG.url', '"/users" not in REQUEST.target'),
        ('LOG.url.endswith("/users?page=2")', 'REQUEST.target.endswith("/users?page=2")'),
        ("parse_qs(urlparse(LOG.url).query)", "parse_qs(urlparse(REQUEST.target).query)"),
        ('urlparse(LOG.url).path == "/users"', 'REQUEST.path == "/users"'),
    ],
)
def test_what_a_request_is_asked(theirs: str, ours: str) -> None:
    new = rewritten(theirs.replace("LOG", "httpserver.log[0][0]"))
    assert new.left == []
    assert new.text.partition("\n    ")[2].rstrip() == ours.replace("REQUEST", "httpserve.exchanges[0].request")


@pytest.mark.parametrize(
    "statement",
    [
        "print(httpserver.log[0][0].url)",
        "assert '/localhost' in httpserver.log[0][0].url",
        "assert 'localhost' in httpserver.log[0][0].url",
        "assert httpserver.log[0][0].url.endswith('a')",
        "assert urlparse(httpserver.log[0][0].url).path == '/a%20b'",
        "assert urlparse(httpserver.log[0][0].url).query == 'a=b'",
        "assert httpserver.log[0][0].user_agent",
    ],
)
def test_what_the_target_does_not_say_is_left(statement: str) -> None:
    assert len(rewritten(statement).left) == 1


def test_a_delay_is_given_to_the_answer() -> None:
    theirs = """
        from pytest_httpserver import hooks
        from pytest_httpserver.hooks import Delay as Later
        from werkzeug import Response

        def test(httpserver):
            httpserver.expect_request("/a").with_post_hook(Later(0.1)).respond_with_json([], status=201)
            httpserver.expect_oneshot_request("/b").with_post_hook(hooks.Delay(seconds=x)).respond_with_data("b")
            httpserver.expect_request("/c").with_post_hook(Later(1)).respond_with_response(Response("c"))
    """
    ours = """

        def test(httpserve):
            httpserve.on("*", "/a").respond(201, json=[], delay=0.1)
            httpserve.on("*", "/b").respond(text="b", delay=x).expect(max=1)
            httpserve.on("*", "/c").respond(text="c", delay=1)
    """
    new = rewrite(dedent(theirs))
    assert (new.text.lstrip(), new.left) == (dedent(ours).lstrip(), [])


@pytest.mark.parametrize(
    "statement",
    [
        "httpserver.expect_request('/a').with_post_hook(Delay(1)).respond_with_data(unknown)",
        "httpserver.expect_request('/a').with_post_hook(Delay(1)).respond_with_handler(lambda _: Response('a'))",
        "httpserver.expect_request('/a').with_post_hook(Garbage(1)).respond_with_data('a')",
        "httpserver.expect_request('/a').with_post_hook(hook).respond_with_data('a')",
        "httpserver.expect_request('/a').with_post_hook(Delay(1)).respond_with_response(response)",
    ],
)
def test_other_hooks_are_left(statement: str) -> None:
    imports = "from werkzeug import Response\nfrom pytest_httpserver.hooks import Delay, Garbage\n"
    new = rewrite(f"{imports}def test(httpserver):\n    {statement}\n")

    assert ".with_post_hook(" in new.text
    assert 4 in [left.line for left in new.left]


def test_what_a_test_waits_for_is_named() -> None:
    new = rewritten("""
        httpserver.expect_oneshot_request("/a").respond_with_data("a")
        httpserver.expect_oneshot_request("/b", json={"url": httpserver.url_for("a")}).respond_with_data("b")
        httpserver.expect_oneshot_request("/a").respond_with_data("c")
        httpserver.expect_request("/other").respond_with_data("d")
        with httpserver.wait(timeout=10) as waiting:
            # before
            for path in ("/a", "/b",
                         "/a"):

                start(httpserver.url_for(path))
        assert waiting.result
    """)
    ours = """
        route = httpserve.on("*", "/a").respond(text="a")
        httpserve.on("*", "/b", json={"url": httpserve.url_for("/a")}).respond(text="b").expect(max=1)
        route.respond(text="c").expect(max=2)
        httpserve.on("*", "/other").respond(text="d")
        # before
        for path in ("/a", "/b",
                     "/a"):

            start(httpserve.url_for(path))
        httpserve.wait_for("*", "/a", times=2, timeout=10)
        httpserve.wait_for("*", "/b", json={"url": httpserve.url_for("/a")}, timeout=10)
    """
    assert (dedent(new.text.partition("\n")[2]).rstrip(), new.left) == (dedent(ours).strip(), [])


@pytest.mark.parametrize(
    "statements",
    [
        "with httpserver.wait() as waiting: pass\n    assert waiting.elapsed_time < 1",
        "with httpserver.wait() as waiting:\n        pass\n    assert not waiting.result",
        "with httpserver.wait(raise_assertions=False):\n        pass",
        "with httpserver.wait(), other():\n        pass",
        "with httpserver.wait():\n        x = '''a\n            b'''",
        "path = '/b'\n    with httpserver.wait():\n        pass",
        "for x in y:\n        httpserver.expect_oneshot_request(x)\n    with httpserver.wait():\n        pass",
        "with pytest.raises(AssertionError):\n        with httpserver.wait():\n            pass",
        "ask()\n    httpserver.expect_oneshot_request('/a')\n    with httpserver.wait():\n        pass",
        "with httpserver.wait():\n        ask()\n        httpserver.expect_oneshot_request('/b')",
        "httpserver.default_waiting_settings = WaitingSettings()\n    with httpserver.wait():\n        pass",
    ],
)
def test_what_is_waited_for_may_be_uncertain(statements: str) -> None:
    expected = "    path = '/a'\n    httpserver.expect_oneshot_request(path).respond_with_data('a')\n"
    new = rewrite(f"def test(httpserver):\n{expected}    {statements}\n")

    assert "httpserve.wait(" in new.text
    assert [left.why[:5] for left in new.left].count("wait:") == 1


def test_who_else_expects_something_may_be_waited_for() -> None:
    wait = "with httpserver.wait():\n        pass\n"
    expected = "httpserver.expect_oneshot_request('/a').respond_with_data('a')"
    new = rewrite(f"def more(httpserver):\n    {expected}\n\ndef test(httpserver):\n    {expected}\n    {wait}")

    assert "httpserve.wait()" in new.text


def test_what_is_left_stays_the_same_the_second_time() -> None:
    theirs = """
        from pytest_httpserver import *
        from werkzeug import *

        def test(httpserver):
            matcher = RequestMatcher("/a")
            httpserver.expect(matcher).respond_with_response(Response("a"))
            with httpserver.wait():
                ask(httpserver.url_for("/a"))
    """
    once = rewrite(dedent(theirs))
    again = rewrite(once.text)

    assert again.text == once.text
    assert "its matcher is made elsewhere" in str(again.left)


def test_what_a_wait_waits_for_may_be_said_within_it() -> None:
    new = rewritten("""
        with httpserver.wait(raise_assertions=False, stop_on_nohandler=False) as waiting:
            httpserver.expect_ordered_request("/a").respond_with_data("1")
            ask()
        assert waiting.result
        httpserver.expect_ordered_request("/a").respond_with_data("2")
        with httpserver.wait() as waiting:
            ask()
        assert waiting.result
    """)
    ours = """
        route = httpserve.on("*", "/a")
        route.respond(text="1")
        ask()
        httpserve.wait_for("*", "/a")
        route.respond(text="2").expect(max=2)
        with httpserve.wait() as waiting:
            ask()
        assert waiting.result
    """
    assert dedent(new.text.partition("\n")[2]).rstrip() == dedent(ours).strip()
    assert len(new.left) == 1


def test_a_matcher_is_made_by_a_function_of_another_name_than_its_class() -> None:
    theirs = """
        import pytest_httpserver
        from pytest_httpserver import RequestMatcher

        def check(matcher: RequestMatcher, other: "RequestMatcher") -> RequestMatcher:
            assert isinstance(matcher, pytest_httpserver.RequestMatcher)
            return RequestMatcher("/a")
    """
    ours = """
        from pytest_httpserve import match, Matcher

        def check(matcher: Matcher, other: "Matcher") -> Matcher:
            assert isinstance(matcher, Matcher)
            return match("*", "/a")
    """
    new = rewrite(dedent(theirs))
    assert (new.text, new.left) == (dedent(ours), [])


def test_a_class_derived_from_theirs_is_left() -> None:
    theirs = "from pytest_httpserver import RequestMatcher\n\nclass Mine(RequestMatcher): ...\n"
    new = rewrite(theirs)
    assert new.text == theirs
    assert {left.line for left in new.left} == {1, 3}


def test_a_name_that_means_something_else_keeps_its_meaning() -> None:
    theirs = """
        from requests import Response
        from werkzeug import Response as Made

        def test(httpserver):
            match = ask()
            answer: Response = ask(Made("a", 201), httpserver.create_matcher("/a"))
    """
    ours = """
        from requests import Response
        from pytest_httpserve import match as HTTPServeMatch, Response as HTTPServeResponse

        def test(httpserve):
            match = ask()
            answer: Response = ask(HTTPServeResponse(201, text="a"), HTTPServeMatch("*", "/a"))
    """
    new = rewrite(dedent(theirs))
    assert (new.text, new.left) == (dedent(ours), [])


def test_a_fixture_that_is_asynchronous_is_renamed() -> None:
    new = rewrite("@pytest_asyncio.fixture\nasync def httpserver(httpserver):\n    yield httpserver\n")
    assert new.text == "@pytest_asyncio.fixture\nasync def httpserve(httpserve):\n    yield httpserve\n"


@pytest.mark.parametrize("text", ["server = 'httpserver'", "for name in ['make_httpserver', 'x']: pass"])
def test_a_name_in_a_string_is_named(text: str) -> None:
    assert [left.why.endswith(" now") for left in rewritten(text).left] == [True]


@pytest.mark.parametrize("name", ["assertions", "handler_errors", "default_waiting_settings"])
def test_what_a_server_here_does_not_have_is_named(name: str) -> None:
    [left] = rewritten(f"print(httpserver.{name})").left
    assert left.why.startswith(f"{name}: ")
