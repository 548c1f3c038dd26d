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
        ("httpserver.expect_request('/a', header_value_matcher=m)", "header_value_matcher"),
        ("for x in y: httpserver.expect_request('/a').respond_with_data(x.text)", "text or bytes is not known"),
        ("with httpserver.wait(): pass", "say what is waited for"),
        ("httpserver.add_assertion('x')", "raise AssertionError"),
        ("httpserver.expect_request('/a').respond_with_handler(elsewhere)", "elsewhere is elsewhere"),
        ("httpserver.log[0][0].user_agent", "no attribute of ours"),
        ("httpserver.log[0][0].files", "no attribute of ours"),
    ],
)
def test_what_is_not_certain_is_left_and_named(statement: str, why: str) -> None:
    [left] = rewritten(statement).left

    assert left.line == 2
    assert re.search(why, left.why)
