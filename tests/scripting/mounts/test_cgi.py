"""CGI directories at their prefixes."""

from __future__ import annotations

import math
import os
import socket
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from pytest_httpserve import HTTPServe
from pytest_httpserve.errors import UsageError
from pytest_httpserve.scripting.mounts.cgi import cgi_mount

from ...lifeline import Lifeline

pytestmark = pytest.mark.needs("select.poll")

Say = Callable[[HTTPServe, str | bytes], bytes]

HELLO = "printf 'Content-Type: text/plain\\n\\nhello'"
ENVIRONMENT = "printf 'Content-Type: text/plain\\n\\n'; env"


@pytest.fixture
def scripts(tmp_path: Path) -> Path:
    (tmp_path / "scripts").mkdir()
    return tmp_path / "scripts"


def write(file: Path, commands: str, mode: int = 0o755) -> Path:
    """A shell script."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"#!/bin/sh\n{commands}\n")
    file.chmod(mode)
    return file


def request(server: HTTPServe, path: str, method: str = "GET", **more: Any) -> requests.Response:
    return requests.request(method, server.url_for(path), timeout=10, **more)


def variables(server: HTTPServe, path: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in request(server, path).content.decode().splitlines() if "=" in line)


# Running


@pytest.mark.parametrize("at", ["/", "/cgi-bin", "/a/b/", "/with blank", "/gr%C3%BC%C3%9Fe"])
def test_scripts_run_beneath_their_prefix(server: HTTPServe, scripts: Path, at: str) -> None:
    write(scripts / "x.sh", ENVIRONMENT)
    write(scripts / "sub/y.sh", ENVIRONMENT)
    server.serve_cgi(scripts, at=at)
    prefix = urllib.parse.unquote(at.rstrip("/"))

    for script in ("/x.sh", "/sub/y.sh"):
        seen = variables(server, f"{at.rstrip('/')}{script}/in/fo?query")
        assert seen["SCRIPT_NAME"] == prefix + script
        assert (seen["PATH_INFO"], seen["QUERY_STRING"]) == ("/in/fo", "query")
        assert seen["PATH_TRANSLATED"] == f"{scripts}/in/fo"
        assert seen["SCRIPT_FILENAME"] == f"{scripts}{script}"
    assert server.failures == ()


def test_the_default_prefix_is_cgi_bin(server: HTTPServe, scripts: Path) -> None:
    write(scripts / "x.sh", HELLO)
    server.serve_cgi(scripts)

    assert request(server, "/cgi-bin/x.sh").text == "hello"


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"])
def test_every_method_is_the_scripts_business(server: HTTPServe, scripts: Path, method: str) -> None:
    write(scripts / "x.sh", 'printf "Content-Type: text/plain\\n\\n$REQUEST_METHOD "; cat')
    server.serve_cgi(scripts)

    assert request(server, "/cgi-bin/x.sh", method, data=b"body").text == f"{method} body"


def test_a_script_runs_as_the_user_of_the_tests_in_its_own_directory(server: HTTPServe, scripts: Path) -> None:
    write(scripts / "sub/x.sh", "printf 'Content-Type: text/plain\\n\\n'; id -u; pwd")
    server.serve_cgi(scripts)

    assert request(server, "/cgi-bin/sub/x.sh").text == f"{os.geteuid()}\n{scripts}/sub\n"


def test_variables_of_the_test(server: HTTPServe, scripts: Path) -> None:
    write(scripts / "x.sh", ENVIRONMENT)
    env = {"MINE": "1", "REMOTE_USER": "ada"}
    server.serve_cgi(scripts, env=env)
    env["MINE"] = "changed"  # what a server was told stays as it was told
    server.serve_cgi(scripts, "/other")

    assert [variables(server, "/cgi-bin/x.sh").get(name) for name in ("MINE", "REMOTE_USER")] == ["1", "ada"]
    assert [variables(server, "/other/x.sh").get(name) for name in ("MINE", "REMOTE_USER")] == [None, None]
    assert "MINE" not in os.environ


def test_scripts_directories_and_routes_side_by_side(server: HTTPServe, scripts: Path, tmp_path: Path) -> None:
    write(scripts / "x.sh", HELLO)
    (tmp_path / "site").mkdir()
    (tmp_path / "site/page.txt").write_text("a page")
    server.serve_dir(tmp_path / "site")
    server.serve_cgi(scripts)
    server.on("GET", "/cgi-bin/route").respond(text="a route")

    with requests.Session() as session:  # one connection for all
        answers = [session.get(server.url_for(path), timeout=10).text for path in PATHS * 2]

    assert answers == ["hello", "a page", "a route"] * 2


PATHS = ["/cgi-bin/x.sh", "/page.txt", "/cgi-bin/route"]


def test_a_local_redirect_may_lead_to_whatever_the_server_has(server: HTTPServe, scripts: Path, tmp_path: Path) -> None:
    for name, target in {"file": "/page.txt", "script": "/cgi-bin/x.sh", "route": "/a/route?x"}.items():
        write(scripts / name, f"printf 'Location: {target}\\n\\n'")
    write(scripts / "x.sh", HELLO)
    (tmp_path / "site").mkdir()
    (tmp_path / "site/page.txt").write_text("a page")
    server.serve_dir(tmp_path / "site")
    server.serve_cgi(scripts)
    server.on("GET", "/a/route").respond(text="a route")

    assert request(server, "/cgi-bin/file", "POST", data=b"x").text == "a page"
    assert request(server, "/cgi-bin/script", "POST", data=b"x").text == "hello"
    assert request(server, "/cgi-bin/route", "POST", data=b"x").text == "a route"
    # What the client sent and got, once each.
    assert [(str(one.request), one.response and one.response.status) for one in server.exchanges] == [
        ("POST /cgi-bin/file", 200),
        ("POST /cgi-bin/script", 200),
        ("POST /cgi-bin/route", 200),
    ]


def test_a_request_that_was_redirected_to_a_route_counts_once(server: HTTPServe, scripts: Path) -> None:
    write(scripts / "x.sh", "printf 'Location: /where\\n\\n'")
    server.serve_cgi(scripts)
    server.on("GET", "/where").handle(lambda request: str(request.exchange_index))

    with requests.Session() as session:
        assert [session.get(server.url_for("/cgi-bin/x.sh"), timeout=10).text for _ in range(2)] == ["0", "1"]

    assert [one.request.exchange_index for one in server.exchanges] == [0, 1]


@pytest.mark.parametrize("looks", [True, False])
def test_what_a_script_leads_to_gets_no_body(server: HTTPServe, scripts: Path, looks: bool) -> None:
    """It is asked by GET: the body was the script's, whether a route has looked at it before or not."""
    write(scripts / "x.sh", "printf 'Location: /where\\n\\n'")
    server.serve_cgi(scripts)
    if looks:
        server.on("POST", "/cgi-bin/x.sh", json={"other": "body"}, otherwise="continue").respond(201)
    server.on("GET", "/where").handle(lambda request: [request.method, request.text])

    assert request(server, "/cgi-bin/x.sh", "POST", data=b"x").json() == ["GET", ""]


def test_the_parameters_of_what_a_script_leads_to_are_not_the_clients(server: HTTPServe, scripts: Path) -> None:
    write(scripts / "x.sh", "printf 'Location: /where/7\\n\\n'")
    server.serve_cgi(scripts)
    flow = server.scenario("flow")

    def leave(_: object) -> bool:  # as another request would, between the choice of the route and its answer
        flow.state = "left"
        return True

    flow.on("GET", "/where/{id:int}", where=leave).when(flow.state).respond(404)
    flow.on("GET", "/where/{id:int}").when("left").handle(lambda request: dict(request.path_params))

    assert request(server, "/cgi-bin/x.sh").json() == {"id": 7}
    assert dict(server.exchanges[0].request.path_params) == {}


def test_a_local_redirect_to_nothing_fails_as_a_request_for_it_would(server: HTTPServe, scripts: Path) -> None:
    write(scripts / "x.sh", "printf 'Location: /nothing\\n\\n'")
    server.serve_cgi(scripts)

    assert request(server, "/cgi-bin/x.sh").status_code == 404
    assert len(server.failures) == 1


# Refusals


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/cgi-bin", 403),
        ("/cgi-bin/", 403),
        ("/cgi-bin/sub", 403),
        ("/cgi-bin/nothing", 404),
        ("/cgi-bin/plain.sh", 403),
        ("/cgi-bin/plain.sh/", 403),
        ("/cgi-bin/out.sh", 403),
        ("/cgi-bin/../secret.sh", 404),
        ("/cgi-bin/../not-bin/x.sh", 404),
        ("/cgi-bin/%2e%2e/secret.sh", 404),
        ("/cgi-bin/..%2fsecret.sh", 404),
        ("/cgi-bin/../../secret.sh", 400),
        ("/cgi-bin/x.sh%0d%0aX-A:b", 400),
    ],
)
def test_what_is_no_script_of_the_directory_is_refused(
    server: HTTPServe, scripts: Path, say: Say, target: str, status: int
) -> None:
    """The answers of a directory, as a missing file is one: they fail no test."""
    write(scripts.parent / "secret.sh", HELLO)
    write(scripts / "x.sh", HELLO)
    write(scripts / "plain.sh", HELLO, 0o644)
    (scripts / "sub").mkdir()
    (scripts / "out.sh").symlink_to(scripts.parent / "secret.sh")
    server.serve_cgi(scripts)

    answer = say(server, f"GET {target} HTTP/1.0\n\n")

    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert b"hello" not in answer
    assert server.failures == ()


@pytest.mark.parametrize(
    "target",
    ["/cgi-bin/./x.sh", "/cgi-bin//x.sh", "/cgi-bin/sub/../x.sh", "/cgi-bin/../cgi-bin/x.sh", "/cgi-bin/%78.sh"],
)
def test_other_spellings_of_a_path_run_the_same_script(server: HTTPServe, scripts: Path, say: Say, target: str) -> None:
    write(scripts / "x.sh", HELLO)
    server.serve_cgi(scripts)

    assert say(server, f"GET {target} HTTP/1.0\n\n").endswith(b"\r\n\r\nhello")


@pytest.mark.parametrize(
    "target",
    [
        "/cgi-bin/x.sh",
        "/a/../cgi-bin/x.sh",
        "/./cgi-bin/x.sh",
        "//cgi-bin/x.sh",
        "/cgi-bin%2fx.sh",
        "/%2e/cgi-bin/x.sh",
        "/linked.txt",
        "/link/x.sh",
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_source_is_not_shown_by_a_directory_around_it(
    server: HTTPServe, tmp_path: Path, say: Say, target: str, method: str
) -> None:
    script = write(tmp_path / "site/cgi-bin/x.sh", f"{HELLO} # SECRET")
    (tmp_path / "site/linked.txt").symlink_to("cgi-bin/x.sh")
    (tmp_path / "site/link").symlink_to("cgi-bin")
    server.serve_dir(tmp_path / "site")
    server.serve_cgi(tmp_path / "site/cgi-bin")

    answer = say(server, f"{method} {target} HTTP/1.0\n\n")

    assert b"SECRET" not in answer
    assert b"Content-Length: %d\r\n" % script.stat().st_size not in answer


# Failures


@pytest.mark.parametrize(
    ("commands", "status", "said"),
    [
        ("echo oh no >&2; exit 3", 502, "it ended with exit status 3, and wrote nothing; it wrote to stderr:\noh no\n"),
        ("kill -9 $$", 502, "it was ended by SIGKILL"),
        ("echo hello; echo", 502, "a header line has no colon: 'hello'"),
        ("printf 'X-A: b\\n\\n'", 502, "there is no Content-Type, Location or Status"),
        ("echo waiting >&2; sleep 1000", 504, "it kept the server waiting for 1 s; it wrote to stderr:\nwaiting\n"),
    ],
)
def test_a_script_that_fails_fails_the_test(
    server: HTTPServe, scripts: Path, commands: str, status: int, said: str
) -> None:
    write(scripts / "x.sh", commands)
    server.serve_cgi(scripts, timeout=1 if status == 504 else 30)

    assert request(server, "/cgi-bin/x.sh").status_code == status
    (failure,) = server.failures
    assert failure.startswith(f"the CGI script {scripts}/x.sh failed: ")
    assert said in failure


def test_a_script_that_cannot_be_run_fails_the_test_with_advice(server: HTTPServe, scripts: Path) -> None:
    write(scripts / "x.sh", "").write_text("echo no interpreter")
    server.serve_cgi(scripts)

    assert request(server, "/cgi-bin/x.sh").status_code == 502
    assert "#!/bin/sh" in server.failures[0]


def test_an_answer_is_an_answer_whatever_its_status(server: HTTPServe, scripts: Path) -> None:
    write(scripts / "x.sh", "printf 'Status: 502 Mine\\n\\n'; echo a warning >&2; exit 1")
    server.serve_cgi(scripts)

    assert request(server, "/cgi-bin/x.sh").status_code == 502
    assert server.failures == ()


def test_stderr_and_exit_status_are_notes_of_the_exchange(server: HTTPServe, scripts: Path) -> None:
    write(scripts / "x.sh", f"echo one >&2; echo two >&2; {HELLO}; exit 4")
    server.serve_cgi(scripts)

    request(server, "/cgi-bin/x.sh")

    assert server.exchanges[0].notes == (
        "/cgi-bin/x.sh: one",
        "/cgi-bin/x.sh: two",
        "/cgi-bin/x.sh: ended with exit status 4",
    )


def test_a_name_that_is_no_unicode_can_be_told(server: HTTPServe, scripts: Path) -> None:
    write(scripts / os.fsdecode(b"\xff.sh"), "exit 1")
    server.serve_cgi(scripts.parent)

    # A path that is no UTF-8 leads to no file; a directory that is none can lead to a script.
    os.rename(scripts, os.fsdecode(os.fsencode(scripts) + b"\xff"))
    server.reset()
    server.serve_cgi(os.fsdecode(os.fsencode(scripts) + b"\xff"))
    write(Path(os.fsdecode(os.fsencode(scripts) + b"\xff")) / "x.sh", "exit 1")

    assert request(server, "/cgi-bin/x.sh").status_code == 502
    assert "\\udcff/x.sh failed" in server.failures[0]


@pytest.fixture
def running(server: HTTPServe, scripts: Path, tmp_path: Path) -> Iterator[tuple[socket.socket, Lifeline]]:
    """A connection whose request runs a script that will not end by itself."""
    lifeline = Lifeline(tmp_path / "lifeline")
    write(scripts / "x.sh", f"{lifeline.hold}; sleep 1000")
    server.serve_cgi(scripts)
    with socket.create_connection((server.host, server.port), timeout=10) as client:
        client.sendall(b"GET /cgi-bin/x.sh HTTP/1.1\r\nHost: x\r\n\r\n")
        lifeline.wait_for_the_start()
        yield client, lifeline
    lifeline.close()


def test_a_script_whose_client_leaves_is_no_failure(server: HTTPServe, running: tuple[socket.socket, Lifeline]) -> None:
    client, lifeline = running

    client.close()
    lifeline.wait_for_the_end()
    server.stop()

    assert server.failures == ()
    (exchange,) = server.exchanges
    assert exchange.response is None
    assert exchange.notes == ("/cgi-bin/x.sh: it was killed, because the client left",)


def test_a_script_that_runs_when_the_server_stops_is_no_failure(
    server: HTTPServe, running: tuple[socket.socket, Lifeline]
) -> None:
    client, lifeline = running

    server.stop()
    lifeline.wait_for_the_end()

    assert client.recv(12) == b"HTTP/1.1 503"
    assert server.failures == ()


# Wrong arguments


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"path": 3}, "serve_cgi takes the path of a directory first, not 3"),
        ({"path": "nothing"}, "serve_cgi('nothing'): there is no such directory; tried "),
        ({"path": "file"}, "file is a file, not a directory"),
        ({"at": "cgi-bin"}, "serve_cgi(at=) must be a path such as "),
        ({"env": "A=b"}, "serve_cgi(env=) must be a mapping of variables to their values, not 'A=b'"),
        ({"env": {"A=": "b"}}, "serve_cgi(env=) must have names such as GIT_PROJECT_ROOT, not 'A='"),
        ({"env": {"": "b"}}, "not ''"),
        ({"env": {3: "b"}}, "not 3"),
        ({"env": {"A": 1}}, "serve_cgi(env=) gives A a str, not 1"),
        ({"env": {"A": "\0"}}, "serve_cgi(env=) gives A a str, not '\\x00'"),
        ({"timeout": 0}, "serve_cgi(timeout=) must be a number of seconds above 0, not 0"),
        ({"timeout": -1}, "not -1"),
        ({"timeout": math.inf}, "not inf"),
        ({"timeout": math.nan}, "not nan"),
        ({"timeout": True}, "not True"),
        ({"timeout": None}, "not None"),
        ({"timeout": "1"}, "not '1'"),
    ],
)
def test_a_wrong_argument_is_refused_with_its_value(scripts: Path, arguments: dict[str, Any], said: str) -> None:
    (scripts / "file").touch()
    given = {"path": ".", "roots": [scripts], **arguments}

    with pytest.raises(UsageError) as refused:
        cgi_mount(**given)

    assert said in str(refused.value)


def test_a_prefix_that_is_taken_is_refused(server: HTTPServe, scripts: Path) -> None:
    server.serve_cgi(scripts)

    with pytest.raises(UsageError, match=f"^at='/cgi-bin' is taken: the CGI scripts of {scripts} run there"):
        server.serve_dir(scripts, at="/cgi-bin/")


def test_what_nothing_answers_is_told_where_scripts_run(server: HTTPServe, scripts: Path) -> None:
    server.serve_cgi(scripts)

    assert f"the CGI scripts of {scripts} run under /cgi-bin" in request(server, "/elsewhere").text
