"""How failures read: for each way to fail, the whole report."""

import re
from collections.abc import Callable
from textwrap import dedent

import pytest

Suite = Callable[..., pytest.RunResult]
Shown = Callable[[pytest.RunResult, str], str]


# Requests that nothing answers


def test_an_unanswered_request_is_held_against_each_criterion_of_the_nearest_routes(suite: Suite, shown: Shown) -> None:
    result = suite("""
        import json

        from client import fetch

        def test_it(httpserve):
            httpserve.on("GET", "/teams").respond()
            httpserve.on("POST", "/users").respond()
            httpserve.on("POST", "/users/{id:int}", headers={"X-Key": "1"}, json={"tags": ["a", "b"]}).respond()
            sent = json.dumps({"tags": ["a", "c"]})
            fetch(httpserve.url_for("/users/7?dry=1"), "POST", sent, {"Content-Type": "application/json"})
    """)

    result.assert_outcomes(failed=1)
    assert shown(result, "test_it") == dedent("""\
        nothing answers POST /users/7?dry=1: the nearest route differs in header X-Key: expected '1', got \
(not there); also in json
          with a body of 20 bytes (application/json)
          the route POST /users/{id:int} (/project/test_it.py:8)
            ✓ method: 'POST'
            ✓ path: /users/7
            ✗ header X-Key
                expected: '1'
                got:      (not there)
            ✗ json
                expected: {'tags': ['a', 'b']}
                got:      {'tags': ['a', 'c']}
          the route POST /users (/project/test_it.py:7)
            ✓ method: 'POST'
            ✗ path
                expected: /users
                got:      /users/7
          the route GET /teams (/project/test_it.py:6)
            ✗ method
                expected: 'GET'
                got:      'POST'
            ✗ path
                expected: /teams
                got:      /users/7
        --------------------------- Captured httpserve call ----------------------------
        http://127.0.0.1:PORT
          POST /users/7?dry=1 -> 404 text/plain; charset=utf-8 99 bytes 0.1 ms
    """)


def test_of_many_routes_the_nearest_are_shown(suite: Suite, shown: Shown) -> None:
    result = suite("""
        from client import fetch

        def test_it(httpserve):
            for name in ("teams", "users/{id:int}", "users", "rooms", "events"):
                httpserve.on("GET", f"/{name}").respond()
            fetch(httpserve.url_for("/users/ada"))
    """)

    result.assert_outcomes(failed=1)
    assert shown(result, "test_it") == dedent("""\
        nothing answers GET /users/ada: the nearest route differs in path: expected /users/{id:int}, got /users/ada
          the route GET /users/{id:int} (/project/test_it.py:5)
            ✓ method: 'GET'
            ✗ path
                expected: /users/{id:int}
                got:      /users/ada
          the route GET /users (/project/test_it.py:5)
            ✓ method: 'GET'
            ✗ path
                expected: /users
                got:      /users/ada
          the route GET /events (/project/test_it.py:5)
            ✓ method: 'GET'
            ✗ path
                expected: /events
                got:      /users/ada
          and 2 more routes, less similar
        --------------------------- Captured httpserve call ----------------------------
        http://127.0.0.1:PORT
          GET /users/ada -> 404 text/plain; charset=utf-8 99 bytes 0.1 ms
    """)


def test_a_request_to_a_server_without_routes_says_so(suite: Suite, shown: Shown) -> None:
    result = suite("""
        from client import fetch

        def test_it(httpserve):
            fetch(httpserve.url_for("/"))
    """)

    result.assert_outcomes(failed=1)
    assert shown(result, "test_it") == dedent("""\
        nothing answers GET /
          the server has no route, and serves no directory
        --------------------------- Captured httpserve call ----------------------------
        http://127.0.0.1:PORT
          GET / -> 404 text/plain; charset=utf-8 99 bytes 0.1 ms
    """)


def test_a_request_beside_a_directory_names_the_directory(suite: Suite, shown: Shown) -> None:
    result = suite("""
        import pytest
        from client import fetch

        @pytest.mark.serve_dir(".", at="/files")
        def test_it(httpserve):
            fetch(httpserve.url_for("/file/page.txt"))
    """)

    result.assert_outcomes(failed=1)
    assert shown(result, "test_it") == dedent("""\
        nothing answers GET /file/page.txt
          /project is served under /files
        --------------------------- Captured httpserve call ----------------------------
        http://127.0.0.1:PORT
          GET /file/page.txt -> 404 text/plain; charset=utf-8 99 bytes 0.1 ms
    """)


def test_a_route_that_was_given_no_response_is_named_with_its_place(suite: Suite, shown: Shown) -> None:
    result = suite("""
        from client import fetch

        def test_it(httpserve):
            httpserve.on("GET", "/a")
            fetch(httpserve.url_for("/a"))
    """)

    result.assert_outcomes(failed=1)
    assert shown(result, "test_it") == dedent("""\
        the route GET /a (/project/test_it.py:4) matches GET /a, but has no response: add .respond(...) to it
        --------------------------- Captured httpserve call ----------------------------
        http://127.0.0.1:PORT
          GET /a -> 404 text/plain; charset=utf-8 99 bytes 0.1 ms by /project/test_it.py:4
    """)


# Handlers


def test_an_exception_in_a_scripted_handler_is_shown_from_the_handler_on(suite: Suite, shown: Shown) -> None:
    result = suite("""
        from client import fetch

        def test_it(httpserve):
            @httpserve.on("GET", "/a")
            def answer(request):
                raise RuntimeError("out of order")

            fetch(httpserve.url_for("/a"))
    """)

    result.assert_outcomes(failed=1)
    assert shown(result, "test_it") == dedent("""\
        the handler of 'GET /a HTTP/1.1' raised:
        Traceback (most recent call last):
          File "/project/test_it.py", line 6, in answer
            raise RuntimeError("out of order")
        RuntimeError: out of order
        it was answering for the route GET /a (/project/test_it.py:4)
        --------------------------- Captured httpserve call ----------------------------
        http://127.0.0.1:PORT
          GET /a -> 500 text/plain; charset=utf-8 99 bytes 0.1 ms by /project/test_it.py:4
    """)


def test_a_failed_assert_in_a_scripted_handler_is_shown_with_its_values(suite: Suite, shown: Shown) -> None:
    result = suite("""
        from client import fetch

        def test_it(httpserve):
            @httpserve.on("GET", "/a")
            def answer(request):
                assert request.query["page"] == "1"
                return "a page"

            fetch(httpserve.url_for("/a?page=2"))
    """)

    result.assert_outcomes(failed=1)
    assert shown(result, "test_it") == dedent("""\
        the handler of 'GET /a?page=2 HTTP/1.1' raised:
        Traceback (most recent call last):
          File "/project/test_it.py", line 6, in answer
            assert request.query["page"] == "1"
        AssertionError: assert '2' == '1'

          - 1
          + 2
        it was answering for the route GET /a (/project/test_it.py:4)
        --------------------------- Captured httpserve call ----------------------------
        http://127.0.0.1:PORT
          GET /a?page=2 -> 500 text/plain; charset=utf-8 99 bytes 0.1 ms by /project/test_it.py:4
    """)


def test_an_answer_of_a_wrong_type_names_the_route(suite: Suite, shown: Shown) -> None:
    result = suite("""
        from client import fetch

        def test_it(httpserve):
            httpserve.on("GET", "/a").handle(lambda request: 5)
            fetch(httpserve.url_for("/a"))
    """)

    result.assert_outcomes(failed=1)
    assert shown(result, "test_it") == dedent("""\
        the handler of 'GET /a HTTP/1.1' raised:
        Traceback (most recent call last):
        pytest_httpserve.errors.UsageError: a handler must return a Response, str, bytes, dict, list, (status, body), (status, body, headers), None or an iterator, not 5
        it was answering for the route GET /a (/project/test_it.py:4)
        --------------------------- Captured httpserve call ----------------------------
        http://127.0.0.1:PORT
          GET /a -> 500 text/plain; charset=utf-8 99 bytes 0.1 ms by /project/test_it.py:4
    """)  # noqa: E501


def test_a_failed_assert_in_a_mounted_handler_class_is_shown_with_its_values(suite: Suite, shown: Shown) -> None:
    result = suite("""
        from http.server import BaseHTTPRequestHandler

        from client import fetch

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                assert self.path == "/a"

        def test_it(httpserve):
            httpserve.mount("/app", Handler)
            fetch(httpserve.url_for("/app/b"))
    """)

    result.assert_outcomes(failed=1)
    assert shown(result, "test_it") == dedent("""\
        the handler of 'GET /app/b HTTP/1.1' raised:
        Traceback (most recent call last):
          File "/project/test_it.py", line 7, in do_GET
            assert self.path == "/a"
        AssertionError: assert '/b' == '/a'

          - /a
          + /b
        --------------------------- Captured httpserve call ----------------------------
        http://127.0.0.1:PORT
          GET /app/b -> 500 text/plain; charset=utf-8 99 bytes 0.1 ms
    """)


def test_an_exception_in_a_wsgi_application_is_shown(suite: Suite, shown: Shown) -> None:
    result = suite("""
        from client import fetch

        def application(environ, start_response):
            assert environ["PATH_INFO"] == "/a"

        def test_it(httpserve):
            httpserve.mount("/app", application)
            fetch(httpserve.url_for("/app/b"))
    """)

    result.assert_outcomes(failed=1)
    assert shown(result, "test_it") == dedent("""\
        the handler of 'GET /app/b HTTP/1.1' raised:
        Traceback (most recent call last):
          File "/project/test_it.py", line 4, in application
            assert environ["PATH_INFO"] == "/a"
        AssertionError: assert '/b' == '/a'

          - /a
          + /b
        --------------------------- Captured httpserve call ----------------------------
        http://127.0.0.1:PORT
          GET /app/b -> 500 text/plain; charset=utf-8 99 bytes 0.1 ms
    """)


@pytest.mark.needs("select.poll")
def test_a_cgi_script_that_fails_is_shown_with_what_it_wrote_to_stderr(
    suite: Suite, shown: Shown, pytester: pytest.Pytester
) -> None:
    script = pytester.mkdir("scripts") / "fails"
    script.write_text("#!/bin/sh\necho no such user >&2\nexit 3\n")
    script.chmod(0o755)
    result = suite("""
        from client import fetch

        def test_it(httpserve):
            httpserve.serve_cgi("scripts")
            fetch(httpserve.url_for("/cgi-bin/fails"))
    """)

    result.assert_outcomes(failed=1)
    assert shown(result, "test_it") == dedent("""\
        the CGI script /project/scripts/fails failed: it ended with exit status 3, and wrote nothing; it wrote to stderr:
        no such user
        --------------------------- Captured httpserve call ----------------------------
        http://127.0.0.1:PORT
          GET /cgi-bin/fails -> 502 text/html;charset=utf-8 99 bytes 0.1 ms
            /cgi-bin/fails: no such user
            /cgi-bin/fails: it ended with exit status 3, and wrote nothing
    """)  # noqa: E501


# Expectations


def test_unmet_expectations_say_what_was_expected_and_list_the_calls(suite: Suite, shown: Shown) -> None:
    result = suite("""
        from client import fetch

        def test_it(httpserve):
            httpserve.on("GET", "/once").respond().expect()
            httpserve.on("GET", "/twice").respond().expect(times=2)
            httpserve.on("GET", "/often").respond().expect(min=2)
            httpserve.on("GET", "/some").respond().expect(min=2, max=3)
            httpserve.on("GET", "/rarely").respond().expect(max=1)
            httpserve.on("GET", "/never").respond().expect(times=0)
            for name in ("twice", "rarely", "rarely", "never"):
                fetch(httpserve.url_for(f"/{name}"))
    """)

    result.assert_outcomes(failed=1)
    assert shown(result, "test_it") == dedent("""\
        the route GET /once (/project/test_it.py:4) was never called, expected once

        the route GET /twice (/project/test_it.py:5) was called once, expected 2 times
          GET /twice -> 200 0 bytes 0.1 ms by /project/test_it.py:5

        the route GET /often (/project/test_it.py:6) was never called, expected at least 2 times

        the route GET /some (/project/test_it.py:7) was never called, expected 2 to 3 times

        the route GET /rarely (/project/test_it.py:8) was called 2 times, expected at most once
          GET /rarely -> 200 0 bytes 0.1 ms by /project/test_it.py:8
          GET /rarely -> 200 0 bytes 0.1 ms by /project/test_it.py:8

        the route GET /never (/project/test_it.py:9) was called once, expected not at all
          GET /never -> 200 0 bytes 0.1 ms by /project/test_it.py:9
        --------------------------- Captured httpserve call ----------------------------
        http://127.0.0.1:PORT
          GET /twice -> 200 0 bytes 0.1 ms by /project/test_it.py:5
          GET /rarely -> 200 0 bytes 0.1 ms by /project/test_it.py:8
          GET /rarely -> 200 0 bytes 0.1 ms by /project/test_it.py:8
          GET /never -> 200 0 bytes 0.1 ms by /project/test_it.py:9
    """)


# Several at once


def test_several_failures_are_one_report_server_by_server(suite: Suite, shown: Shown) -> None:
    result = suite("""
        from client import fetch

        def test_it(httpserve, httpserve_factory):
            httpserve.on("GET", "/a").respond().expect()

            @httpserve.on("GET", "/b")
            def answer(request):
                raise KeyError("b")

            other = httpserve_factory()
            fetch(other.url_for("/other"))
            fetch(httpserve.url_for("/b"))
            fetch(httpserve.url_for("/missing"))
    """)

    result.assert_outcomes(failed=1)
    assert shown(result, "test_it") == dedent("""\
        the handler of 'GET /b HTTP/1.1' raised:
        Traceback (most recent call last):
          File "/project/test_it.py", line 8, in answer
            raise KeyError("b")
        KeyError: 'b'
        it was answering for the route GET /b (/project/test_it.py:6)

        nothing answers GET /missing: the nearest route differs in path: expected /b, got /missing
          the route GET /b (/project/test_it.py:6)
            ✓ method: 'GET'
            ✗ path
                expected: /b
                got:      /missing
          the route GET /a (/project/test_it.py:4)
            ✓ method: 'GET'
            ✗ path
                expected: /a
                got:      /missing

        the route GET /a (/project/test_it.py:4) was never called, expected once

        nothing answers GET /other
          the server has no route, and serves no directory
        --------------------------- Captured httpserve call ----------------------------
        http://127.0.0.1:PORT
          GET /b -> 500 text/plain; charset=utf-8 99 bytes 0.1 ms by /project/test_it.py:6
          GET /missing -> 404 text/plain; charset=utf-8 99 bytes 0.1 ms
        http://127.0.0.1:PORT
          GET /other -> 404 text/plain; charset=utf-8 99 bytes 0.1 ms
    """)


def test_beneath_the_tests_own_failure_stand_those_of_its_server(suite: Suite, shown: Shown) -> None:
    result = suite("""
        from client import fetch

        def test_it(httpserve):
            httpserve.on("POST", "/login").respond().expect()
            status, _ = fetch(httpserve.url_for("/logon"), "POST")
            assert status == 200
    """)

    result.assert_outcomes(failed=1)
    assert shown(result, "test_it") == dedent("""\

        httpserve = <HTTPServe http://127.0.0.1:PORT>

            def test_it(httpserve):
                httpserve.on("POST", "/login").respond().expect()
                status, _ = fetch(httpserve.url_for("/logon"), "POST")
        >       assert status == 200
        E       assert 404 == 200
        E       nothing answers POST /logon: the nearest route differs in path: expected /login, got /logon
        E         the route POST /login (/project/test_it.py:4)
        E           ✓ method: 'POST'
        E           ✗ path
        E               expected: /login
        E               got:      /logon
        E
        E       the route POST /login (/project/test_it.py:4) was never called, expected once

        test_it.py:6: AssertionError
        --------------------------- Captured httpserve call ----------------------------
        http://127.0.0.1:PORT
          POST /logon -> 404 text/plain; charset=utf-8 99 bytes 0.1 ms
    """)


# Assertions


def test_assert_requested_shows_what_was_requested_and_the_nearest_with_a_diff(suite: Suite, shown: Shown) -> None:
    result = suite("""
        from client import fetch

        def test_it(httpserve):
            httpserve.on("*").respond()
            fetch(httpserve.url_for("/a"))
            kind = {"Content-Type": "application/json"}
            fetch(httpserve.url_for("/users"), "POST", '{"name": "Bob", "id": 7}', kind)
            httpserve.assert_requested("POST", "/users", json={"name": "Ada", "id": 7})
    """)

    result.assert_outcomes(failed=1)
    assert shown(result, "test_it") == dedent("""\

        httpserve = <HTTPServe http://127.0.0.1:PORT>

            def test_it(httpserve):
                httpserve.on("*").respond()
                fetch(httpserve.url_for("/a"))
                kind = {"Content-Type": "application/json"}
                fetch(httpserve.url_for("/users"), "POST", '{"name": "Bob", "id": 7}', kind)
        >       httpserve.assert_requested("POST", "/users", json={"name": "Ada", "id": 7})
        E       AssertionError: POST /users was not requested: POST /users differs in json at name: \
expected 'Ada', got 'Bob'; the server got:
        E         GET /a -> 200 0 bytes 0.1 ms by /project/test_it.py:4
        E         POST /users -> 200 0 bytes 0.1 ms by /project/test_it.py:4
        E       the nearest is POST /users:
        E         ✓ method: 'POST'
        E         ✓ path: /users
        E         ✗ json
        E             expected: {'name': 'Ada', 'id': 7}
        E             got:      {'name': 'Bob', 'id': 7}
        E               Omitting 1 identical items, use -vv to show
        E               Differing items:
        E               {'name': 'Bob'} != {'name': 'Ada'}
        E               Use -v to get more diff

        test_it.py:8: AssertionError
        --------------------------- Captured httpserve call ----------------------------
        http://127.0.0.1:PORT
          GET /a -> 200 0 bytes 0.1 ms by /project/test_it.py:4
          POST /users -> 200 0 bytes 0.1 ms by /project/test_it.py:4
    """)


def test_assert_requested_without_requests_says_so(suite: Suite, shown: Shown) -> None:
    result = suite("""
        def test_it(httpserve):
            httpserve.assert_requested("GET", "/a")
    """)

    result.assert_outcomes(failed=1)
    assert shown(result, "test_it") == dedent("""\

        httpserve = <HTTPServe http://127.0.0.1:PORT>

            def test_it(httpserve):
        >       httpserve.assert_requested("GET", "/a")
        E       AssertionError: GET /a was not requested: there were no requests

        test_it.py:2: AssertionError
        --------------------------- Captured httpserve call ----------------------------
        http://127.0.0.1:PORT
          no requests
    """)


def test_assert_requested_too_seldom_shows_the_nearest_other_request(suite: Suite, shown: Shown) -> None:
    result = suite("""
        from client import fetch

        def test_it(httpserve):
            httpserve.on("*").respond()
            fetch(httpserve.url_for("/a"))
            fetch(httpserve.url_for("/b"))
            httpserve.assert_requested("GET", "/a", times=2)
    """)

    result.assert_outcomes(failed=1)
    assert shown(result, "test_it") == dedent("""\

        httpserve = <HTTPServe http://127.0.0.1:PORT>

            def test_it(httpserve):
                httpserve.on("*").respond()
                fetch(httpserve.url_for("/a"))
                fetch(httpserve.url_for("/b"))
        >       httpserve.assert_requested("GET", "/a", times=2)
        E       AssertionError: GET /a was requested once, expected 2 times; the server got:
        E         GET /a -> 200 0 bytes 0.1 ms by /project/test_it.py:4
        E         GET /b -> 200 0 bytes 0.1 ms by /project/test_it.py:4
        E       the nearest other one is GET /b:
        E         ✓ method: 'GET'
        E         ✗ path
        E             expected: /a
        E             got:      /b

        test_it.py:7: AssertionError
        --------------------------- Captured httpserve call ----------------------------
        http://127.0.0.1:PORT
          GET /a -> 200 0 bytes 0.1 ms by /project/test_it.py:4
          GET /b -> 200 0 bytes 0.1 ms by /project/test_it.py:4
    """)


def test_assert_requested_too_often_lists_those_requests_alone(suite: Suite, shown: Shown) -> None:
    result = suite("""
        from client import fetch

        def test_it(httpserve):
            httpserve.on("*").respond()
            for path in ("/a", "/b", "/a"):
                fetch(httpserve.url_for(path))
            httpserve.assert_requested("GET", "/a", times=1)
    """)

    result.assert_outcomes(failed=1)
    assert shown(result, "test_it") == dedent("""\

        httpserve = <HTTPServe http://127.0.0.1:PORT>

            def test_it(httpserve):
                httpserve.on("*").respond()
                for path in ("/a", "/b", "/a"):
                    fetch(httpserve.url_for(path))
        >       httpserve.assert_requested("GET", "/a", times=1)
        E       AssertionError: GET /a was requested 2 times, expected once:
        E         GET /a -> 200 0 bytes 0.1 ms by /project/test_it.py:4
        E         GET /a -> 200 0 bytes 0.1 ms by /project/test_it.py:4

        test_it.py:7: AssertionError
        --------------------------- Captured httpserve call ----------------------------
        http://127.0.0.1:PORT
          GET /a -> 200 0 bytes 0.1 ms by /project/test_it.py:4
          GET /b -> 200 0 bytes 0.1 ms by /project/test_it.py:4
          GET /a -> 200 0 bytes 0.1 ms by /project/test_it.py:4
    """)


def test_assert_not_requested_lists_the_requests(suite: Suite, shown: Shown) -> None:
    result = suite("""
        from client import fetch

        def test_it(httpserve):
            httpserve.on("*").respond()
            fetch(httpserve.url_for("/a"))
            httpserve.assert_not_requested("GET", "/a")
    """)

    result.assert_outcomes(failed=1)
    assert shown(result, "test_it") == dedent("""\

        httpserve = <HTTPServe http://127.0.0.1:PORT>

            def test_it(httpserve):
                httpserve.on("*").respond()
                fetch(httpserve.url_for("/a"))
        >       httpserve.assert_not_requested("GET", "/a")
        E       AssertionError: GET /a was requested:
        E         GET /a -> 200 0 bytes 0.1 ms by /project/test_it.py:4

        test_it.py:6: AssertionError
        --------------------------- Captured httpserve call ----------------------------
        http://127.0.0.1:PORT
          GET /a -> 200 0 bytes 0.1 ms by /project/test_it.py:4
    """)


def test_assert_requested_in_order_names_the_step_that_is_missing(suite: Suite, shown: Shown) -> None:
    result = suite("""
        from client import fetch

        def test_it(httpserve):
            httpserve.on("*").respond()
            fetch(httpserve.url_for("/pay"))
            fetch(httpserve.url_for("/login"))
            httpserve.assert_requested_in_order(["GET /login", ("GET", "/pay")])
    """)

    result.assert_outcomes(failed=1)
    assert shown(result, "test_it") == dedent("""\

        httpserve = <HTTPServe http://127.0.0.1:PORT>

            def test_it(httpserve):
                httpserve.on("*").respond()
                fetch(httpserve.url_for("/pay"))
                fetch(httpserve.url_for("/login"))
        >       httpserve.assert_requested_in_order(["GET /login", ("GET", "/pay")])
        E       AssertionError: step 2, GET /pay, was not requested after GET /login; the server got:
        E         GET /pay -> 200 0 bytes 0.1 ms by /project/test_it.py:4
        E         GET /login -> 200 0 bytes 0.1 ms by /project/test_it.py:4

        test_it.py:7: AssertionError
        --------------------------- Captured httpserve call ----------------------------
        http://127.0.0.1:PORT
          GET /pay -> 200 0 bytes 0.1 ms by /project/test_it.py:4
          GET /login -> 200 0 bytes 0.1 ms by /project/test_it.py:4
    """)


def test_assert_no_requests_lists_them(suite: Suite, shown: Shown) -> None:
    result = suite("""
        from client import fetch

        def test_it(httpserve):
            httpserve.on("*").respond(204)
            fetch(httpserve.url_for("/a"))
            httpserve.assert_no_requests()
    """)

    result.assert_outcomes(failed=1)
    assert shown(result, "test_it") == dedent("""\

        httpserve = <HTTPServe http://127.0.0.1:PORT>

            def test_it(httpserve):
                httpserve.on("*").respond(204)
                fetch(httpserve.url_for("/a"))
        >       httpserve.assert_no_requests()
        E       AssertionError: expected no requests; the server got:
        E         GET /a -> 204 0.1 ms by /project/test_it.py:4

        test_it.py:6: AssertionError
        --------------------------- Captured httpserve call ----------------------------
        http://127.0.0.1:PORT
          GET /a -> 204 0.1 ms by /project/test_it.py:4
    """)


def test_assert_called_names_the_route(suite: Suite, shown: Shown) -> None:
    result = suite("""
        def test_it(httpserve):
            route = httpserve.on("*").respond()
            route.assert_called(times=1)
    """)

    result.assert_outcomes(failed=1)
    assert shown(result, "test_it") == dedent("""\

        httpserve = <HTTPServe http://127.0.0.1:PORT>

            def test_it(httpserve):
                route = httpserve.on("*").respond()
        >       route.assert_called(times=1)
        E       AssertionError: the route for all requests (/project/test_it.py:2) was never called, expected once

        test_it.py:3: AssertionError
        --------------------------- Captured httpserve call ----------------------------
        http://127.0.0.1:PORT
          no requests
    """)


def test_a_with_block_whose_route_is_not_called_says_so_once(suite: Suite, shown: Shown) -> None:
    result = suite("""
        def test_it(httpserve):
            with httpserve.on("GET", "/a").respond().expect():
                pass
    """)

    result.assert_outcomes(failed=1)
    assert shown(result, "test_it") == dedent("""\

        httpserve = <HTTPServe http://127.0.0.1:PORT>

            def test_it(httpserve):
        >       with httpserve.on("GET", "/a").respond().expect():
        E       AssertionError: the route GET /a (/project/test_it.py:2) was never called, expected once

        test_it.py:2: AssertionError
        --------------------------- Captured httpserve call ----------------------------
        http://127.0.0.1:PORT
          no requests
    """)


def test_wait_for_says_what_came_instead(suite: Suite, shown: Shown) -> None:
    result = suite("""
        from client import fetch

        def test_it(httpserve):
            httpserve.on("*").respond()
            fetch(httpserve.url_for("/a"))
            httpserve.wait_for("GET", "/a", times=2, timeout=0)
    """)

    result.assert_outcomes(failed=1)
    assert shown(result, "test_it") == dedent("""\

        httpserve = <HTTPServe http://127.0.0.1:PORT>

            def test_it(httpserve):
                httpserve.on("*").respond()
                fetch(httpserve.url_for("/a"))
        >       httpserve.wait_for("GET", "/a", times=2, timeout=0)
        E       AssertionError: GET /a was requested once within 0 s, expected 2 times; the server got:
        E         GET /a -> 200 0 bytes 0.1 ms by /project/test_it.py:4

        test_it.py:6: AssertionError
        --------------------------- Captured httpserve call ----------------------------
        http://127.0.0.1:PORT
          GET /a -> 200 0 bytes 0.1 ms by /project/test_it.py:4
    """)


# The section of exchanges


def test_with_v_the_section_has_the_bytes_of_each_exchange(suite: Suite, shown: Shown) -> None:
    result = suite(
        """
        from client import fetch

        def test_it(httpserve):
            httpserve.on("POST", "/a").respond(text="first\\nsecond", headers={"Date": "now", "Server": "ours"})
            headers = {"Host": "a.example", "Accept-Encoding": "identity"}
            fetch(httpserve.url_for("/a"), "POST", "\\x1b[31mred\\0", headers)
            assert False
    """,
        "-v",
    )

    result.assert_outcomes(failed=1)
    assert shown(result, "test_it") == dedent("""\

        httpserve = <HTTPServe http://127.0.0.1:PORT>

            def test_it(httpserve):
                httpserve.on("POST", "/a").respond(text="first\\nsecond", headers={"Date": "now", "Server": "ours"})
                headers = {"Host": "a.example", "Accept-Encoding": "identity"}
                fetch(httpserve.url_for("/a"), "POST", "\\x1b[31mred\\0", headers)
        >       assert False
        E       assert False

        test_it.py:7: AssertionError
        --------------------------- Captured httpserve call ----------------------------
        http://127.0.0.1:PORT
          POST /a -> 200 text/plain; charset=utf-8 12 bytes 0.1 ms by /project/test_it.py:4
            > POST /a HTTP/1.1
            > Content-Length: 9
            > Host: a.example
            > Accept-Encoding: identity
            >
            > \\x1b[31mred\\x00
            < HTTP/1.1 200 OK
            < Date: now
            < Server: ours
            < Content-Type: text/plain; charset=utf-8
            < Content-Length: 12
            <
            < first
            < second
    """)


@pytest.mark.parametrize("color", ["yes", "no"])
def test_the_section_is_plain_text_with_colors_and_without(suite: Suite, color: str) -> None:
    result = suite(
        """
        from client import fetch

        def test_it(httpserve):
            fetch(httpserve.url_for("/missing"))
    """,
        f"--color={color}",
    )

    text = result.stdout.str()
    assert ("\x1b[" in text) is (color == "yes")
    # Where Pygments is installed, pytest gives the failure itself colours, but not the section.
    without_colours = re.sub(r"\x1b\[[0-9;]*m", "", text)
    assert re.search(r"^nothing answers GET /missing$", without_colours, re.MULTILINE)
    assert re.search(r"^  GET /missing -> 404 text/plain; charset=utf-8 \d+ bytes \d+\.\d ms$", text, re.MULTILINE)


def test_the_body_of_the_404_is_what_the_report_says(suite: Suite) -> None:
    result = suite("""
        import json

        from client import fetch

        def test_it(httpserve):
            httpserve.on("POST", "/a", json={"names": ["Ada"] * 500}, headers={"X-Long": "x" * 2000}).respond()
            kind = {"Content-Type": "application/json"}
            status, text = fetch(httpserve.url_for("/a"), "POST", json.dumps({"names": ["Bob"] * 500}), kind)
            assert status == 404
            assert "names[0]" in text and repr("Bob") in text and "(2000 characters)" in text
            assert httpserve.failures == (text,)
            assert f"the route POST /a ({__file__}:6)" in text
            print(f"<{text}>")
    """)

    result.assert_outcomes(failed=1)
    text = result.stdout.str()
    body = re.search(r"^<(.*?)>$", text, re.MULTILINE | re.DOTALL)
    assert body is not None
    assert text.count(body[1]) == 2, "the report says something else than the body"


@pytest.mark.parametrize("options", [["-p", "xdist", "-n", "1"], ["--tb=short"], ["--tb=long"], ["-rA"]])
def test_a_report_is_the_same_however_the_session_is_run(suite: Suite, shown: Shown, options: list[str]) -> None:
    test = """
        from client import fetch

        def test_it(httpserve):
            httpserve.on("GET", "/a").respond().expect()
            fetch(httpserve.url_for("/b"))
    """
    plain = shown(suite(test), "test_it")
    result = suite(test, *options)

    result.assert_outcomes(failed=1)
    assert re.sub(r"^\[gw0\].*\n", "", shown(result, "test_it")) == plain


def test_the_section_has_no_fault_events_of_the_tests_before(suite: Suite) -> None:
    result = suite(
        """
        import pytest
        from client import fetch
        from pytest_httpserve.faults import Close

        @pytest.fixture(autouse=True)
        def closing(httpserve_session):
            httpserve_session.fault(Close(phase="accept"), times=1, expected=True)

        @pytest.mark.parametrize("number", range(2))
        def test_it(httpserve_session, number):
            with pytest.raises(OSError):
                fetch(httpserve_session.base_url)
            assert number == 0
        """
    )
    result.assert_outcomes(passed=1, failed=1)
    shown = [line for line in result.stdout.lines if "fault Close" in line]
    assert len(shown) == 1
    assert shown[0].startswith("  connection 1: ")


def test_the_section_says_how_many_fault_events_were_dropped(suite: Suite) -> None:
    result = suite(
        """
        import http.client
        import pytest
        from client import fetch
        from pytest_httpserve.faults import Close

        def test_it(httpserve_factory):
            server = httpserve_factory(max_exchanges=2)
            server.fault(Close(phase="accept"), times=5)
            for _ in range(5):
                with pytest.raises((http.client.HTTPException, OSError)):
                    fetch(server.url_for("/a"))
            assert (len(server.fault_events), server.dropped_fault_events) == (2, 3)
            assert False
        """
    )

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E *assert False"])
    result.stdout.fnmatch_lines(
        [
            "http://127.0.0.1:*",
            "  (3 older fault events dropped: max_exchanges= bounds the journal)",
            "  connection 3: fault Close(phase=*accept*)*",
            "  connection 4: fault Close(phase=*accept*)*",
        ],
        consecutive=True,
    )


def test_the_section_says_how_many_exchanges_were_dropped(suite: Suite) -> None:
    result = suite(
        """
        from client import fetch

        def test_it(httpserve_factory):
            server = httpserve_factory(max_exchanges=2)
            server.on("GET", "/a").respond(text="well")
            for _ in range(5):
                fetch(server.url_for("/a"))
            assert False
        """
    )

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "http://127.0.0.1:*",
            "  (3 older exchanges dropped: max_exchanges= and max_journal_bytes= bound the journal)",
            "  GET /a -> 200 *",
            "  GET /a -> 200 *",
        ],
        consecutive=True,
    )
