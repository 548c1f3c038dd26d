"""Secrets do not reach a recording: what is replaced by its name, what a function replaces, and what is refused."""

import json
import os
from base64 import b64encode
from collections.abc import Callable, Iterator
from gzip import compress
from pathlib import Path
from typing import Any

import pytest

from pytest_httpserve import HTTPServe
from pytest_httpserve.errors import UsageError
from pytest_httpserve.scripting.httpserve import RUNNING
from pytest_httpserve.scripting.origins import upstream
from pytest_httpserve.scripting.recordings.reading import read_har
from pytest_httpserve.scripting.recordings.secrets import Redaction, Secrets

Ask = Callable[..., tuple[int, dict[str, str], bytes]]
SECRET = "swordfish-4711"


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [
        ("Authorization", f"Bearer {SECRET}", "Bearer ***"),
        ("Proxy-Authorization", f"Basic {SECRET}", "Basic ***"),
        ("Authorization", SECRET, "***"),
        ("Cookie", f"a={SECRET}; b=2", "a=***; b=***"),
        ("Set-Cookie", f"a={SECRET}; Path=/; HttpOnly", "a=***; Path=/; HttpOnly"),
        ("X-Api-Key", SECRET, "***"),
        ("x-auth-token", SECRET, "***"),
        ("X-Amz-Security-Token", SECRET, "***"),
        ("Location", f"/a?access_token={SECRET}&b=1#id_token={SECRET}", "/a?access_token=***&b=1#id_token=***"),
        ("Content-Type", "text/plain", "text/plain"),
        ("X-Key", "a", "a"),
    ],
)
def test_header_fields(name: str, value: str, kept: str) -> None:
    assert Redaction().fields([(name, value)]) == ((name, kept),)


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://a.test/?access_token=x&b=%20", "https://a.test/?access_token=***&b=%20"),
        ("https://a.test/?key=AIza&X-Amz-Signature=1", "https://a.test/?key=***&X-Amz-Signature=***"),
        ("https://a.test/?page_tokens=1&token", "https://a.test/?page_tokens=1&token"),
        ("https://a.test/?api%5Fkey=1", "https://a.test/?api%5Fkey=***"),
        ("https://a.test/token=1", "https://a.test/token=1"),
    ],
)
def test_parameters(url: str, kept: str) -> None:
    assert Redaction().url(url) == kept


@pytest.mark.parametrize(
    ("body", "kept"),
    [
        ('{"token": "x", "n": 1}', '{"token": "***", "n": 1}'),
        ('{"accessToken":"x","max_tokens":5}', '{"accessToken":"***","max_tokens":5}'),
        ('{"a": [{"client_secret": ["x", "y"]}]}', '{"a": [{"client_secret": ["***", "***"]}]}'),
        ('{"password": {"old": "x", "length": 9}}', '{"password": {"old": "***", "length": 0}}'),
        ('{"token": null, "secret": true, "auth": ""}', '{"token": null, "secret": true, "auth": ""}'),
        ('{ "name" : "é",\n "key": "k" }', '{ "name" : "é",\n "key": "k" }'),
        ('["token", "x"]', '["token", "x"]'),
        ('{"next": "https://a.test/?sig=x&page=2"}', '{"next": "https://a.test/?sig=***&page=2"}'),
        ('{"about": "a?token=x"}', '{"about": "a?token=x"}'),
        ("{no json", "{no json"),
    ],
)
def test_json(body: str, kept: str) -> None:
    assert Redaction().body(body.encode(), "application/json").decode() == kept
    assert Redaction().body(body.encode(), "text/plain").decode() == kept


def test_forms() -> None:
    multipart = (
        '--X\r\nContent-Disposition: form-data; name="password"\r\n\r\n%s\r\n'
        '--X\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n--X--\r\n'
    )
    redaction = Redaction()

    assert redaction.body(b"a=%20&password=x", "application/x-www-form-urlencoded") == b"a=%20&password=***"
    kept = redaction.body((multipart % SECRET).encode(), "multipart/form-data; boundary=X")
    assert kept.decode() == multipart % "***"


def test_names_and_functions_of_the_test() -> None:
    def shorter(name: str, value: str) -> str:
        return "a@b.test" if name == "email" else value

    redaction = Redaction(["X-Tenant", shorter])

    assert redaction.fields([("x-tenant", "mine"), ("email", "me@home.test")]) == (
        ("x-tenant", "***"),
        ("email", "a@b.test"),
    )
    assert redaction.url("https://a.test/?email=me%40home.test&c=d") == "https://a.test/?email=a%40b.test&c=d"
    assert json.loads(redaction.body(b'{"user": {"email": "me@home.test"}}', "text/json")) == {
        "user": {"email": "a@b.test"}
    }
    assert Redaction("tenant").named("tenant", "x") == Redaction(shorter).named("token", "x") == "***"


@pytest.mark.parametrize("given", [7, [7], [""], b"token", None])
def test_what_is_no_name_and_no_function_is_refused(given: Any) -> None:
    with pytest.raises(UsageError, match="redact= takes names"):
        Redaction(given)


@pytest.mark.parametrize(
    ("name", "value", "text", "found"),
    [
        ("GITHUB_TOKEN", SECRET, f"a {SECRET} b", True),
        ("AWS_SECRET_ACCESS_KEY", "a/b+c=d/e", "x=a%2Fb%2Bc%3Dd%2Fe", True),
        ("DB_PASSWORD", SECRET, b64encode(SECRET.encode()).decode(), True),
        ("MY_KEY", 'quoted"secret', '{"a": "quoted\\"secret"}', True),
        ("HOME", SECRET, SECRET, False),
        ("API_KEY", "short", "short", False),
        ("DB_PASSWORD", "password", "password", False),
    ],
)
def test_secrets_of_the_environment(name: str, value: str, text: str, found: bool) -> None:
    assert Secrets({name: value}).find(text.encode()) == (name if found else None)


@pytest.fixture
def recording(tmp_path: Path) -> Iterator[HTTPServe]:
    with HTTPServe(record="all") as server:
        RUNNING.discard(server)
        yield server
        server.take_failures()


@pytest.fixture
def real(monkeypatch: pytest.MonkeyPatch) -> Iterator[HTTPServe]:
    with HTTPServe() as real:
        monkeypatch.setitem(upstream.ADDRESSES, ("api.test", 80), (real.host, real.port))
        yield real


def test_no_secret_is_written_not_even_for_a_moment(
    real: HTTPServe, recording: HTTPServe, ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is written, in whichever file, is looked at while it is."""
    written: list[bytes] = []
    replace = os.replace

    def look(source: str, target: Path) -> None:
        written.append(Path(source).read_bytes())
        replace(source, target)

    monkeypatch.setattr(os, "replace", look)
    real.on("POST", "/login").respond(
        json={"token": SECRET, "id": 7},
        headers=[("Set-Cookie", f"s={SECRET}; Path=/"), ("Location", f"/?token={SECRET}")],
    )
    real.on("GET", "/gzip").respond(text=json.dumps({"secret": SECRET}), gzip=True)
    real.on("GET", "/large").respond(json={"secret": SECRET, "fill": "a" * 1_500_000})
    recording.serve_recording(tmp_path / "a.har", redact=["X-Mine"])
    ask(
        recording,
        f"http://api.test/login?api_key={SECRET}",
        f"user=a&password={SECRET}".encode(),
        headers={"Authorization": f"Bearer {SECRET}", "Cookie": f"a={SECRET}", "X-Mine": SECRET, "X-Api-Key": SECRET},
    )
    for path in ("gzip", "large"):
        assert SECRET.encode() in _plain(ask(recording, f"http://api.test/{path}"))
    recording.check_expectations()

    assert recording.failures == ()
    assert len(written) == 2
    assert not [data for data in written if SECRET.encode() in data]
    login, _, large = read_har(tmp_path / "a.har")
    assert login.request_body == b"user=a&password=***"
    assert login.url == "http://api.test/login?api_key=***"
    assert json.loads(login.body if isinstance(login.body, bytes) else b"") == {"token": "***", "id": 7}
    assert isinstance(large.body, Path)
    assert {*tmp_path.iterdir()} == {tmp_path / "a.har", large.body}


def _plain(answer: tuple[int, dict[str, str], bytes]) -> bytes:
    from gzip import decompress

    return decompress(answer[2]) if "Content-Encoding" in answer[1] else answer[2]


@pytest.mark.parametrize(
    ("response", "place"),
    [
        ({"text": f"it is {SECRET}"}, "the response body"),
        ({"text": f"it is {SECRET}", "gzip": True}, "the response body"),
        ({"body": b"a" * 1_400_000 + SECRET.encode() + b"b"}, "the response body"),
        ({"headers": {"X-Echo": SECRET}}, "the response header X-Echo"),
    ],
)
def test_a_recording_with_a_secret_of_the_environment_is_refused_with_the_place(
    real: HTTPServe,
    recording: HTTPServe,
    ask: Ask,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    response: Any,
    place: str,
) -> None:
    monkeypatch.setenv("SHOP_TOKEN", SECRET)
    real.on("GET", "/a").respond(**response)
    recording.serve_recording(tmp_path / "a.har")
    ask(recording, "http://api.test/a")
    recording.check_expectations()

    (failure,) = recording.failures
    assert f"the value of the environment variable SHOP_TOKEN is in {place} of GET http://api.test/a" in failure
    assert SECRET not in failure
    assert list(tmp_path.iterdir()) == []


def test_a_secret_in_a_path_is_not_shown_either(
    real: HTTPServe, recording: HTTPServe, ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BOT_TOKEN", SECRET)
    real.on("GET", f"/bot{SECRET}/me").respond()
    recording.serve_recording(tmp_path / "a.har")
    ask(recording, f"http://api.test/bot{SECRET}/me")
    recording.check_expectations()

    assert "is in the URL of GET api.test" in recording.failures[0]
    assert SECRET not in recording.failures[0]


def test_json_that_cannot_be_read_is_not_recorded(
    real: HTTPServe, recording: HTTPServe, ask: Ask, tmp_path: Path
) -> None:
    coded = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
    real.on("GET", "/a").respond(body=compress(b'{"token": 1}')[:-9], headers=coded)
    recording.serve_recording(tmp_path / "a.har")
    ask(recording, "http://api.test/a")
    recording.check_expectations()

    assert "cannot be searched for secrets" in recording.failures[0]
    assert list(tmp_path.iterdir()) == []


def test_a_function_that_raises_fails_the_test_and_leaves_nothing(real: HTTPServe, ask: Ask, tmp_path: Path) -> None:
    def wrong(name: str, value: str) -> str:
        raise LookupError(f"nothing is known of {name}")

    real.on("GET", "/a").respond(headers={"X-A": "1"})
    server = HTTPServe(record="all").start()
    RUNNING.discard(server)
    server.serve_recording(tmp_path / "a.har", redact=wrong)
    assert ask(server, "http://api.test/a")[0] == 200
    server.stop()
    assert "a.har was not written: LookupError: nothing is known of " in server.failures[0]
    assert list(tmp_path.iterdir()) == []
