"""curl: ranges, resumed and conditional downloads, uploads."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_httpserve import HTTPServe

pytestmark = pytest.mark.needs("curl")

Run = Callable[..., str]

DATA = os.urandom(300_000)


@pytest.fixture
def curl(run: Run) -> Run:
    """``curl(*arguments)`` runs curl without its settings file."""

    def curl(*arguments: str | Path, status: int = 0) -> str:
        quiet = ["--silent", "--show-error", "--noproxy", "*", "--max-time", "60"]
        return run("curl", "--disable", *quiet, *arguments, status=status)

    return curl


@pytest.fixture
def url(httpserve: HTTPServe, tmp_path: Path) -> str:
    """The URL of a served file that holds DATA."""
    (tmp_path / "served").mkdir()
    (tmp_path / "served" / "data").write_bytes(DATA)
    httpserve.serve_dir(tmp_path / "served")
    return httpserve.url_for("/data")


def statuses(httpserve: HTTPServe) -> list[int]:
    return [exchange.response.status for exchange in httpserve.exchanges if exchange.response]


@pytest.mark.parametrize(
    ("wanted", "first", "last"),
    [
        ("10-19", 10, 19),
        ("299990-", 299_990, 299_999),
        ("-10", 299_990, 299_999),
        ("0-", 0, 299_999),
        ("299999-400000", 299_999, 299_999),
    ],
)
def test_curl_gets_the_range_it_asks_for(
    httpserve: HTTPServe, curl: Run, url: str, tmp_path: Path, wanted: str, first: int, last: int
) -> None:
    curl("--range", wanted, "--output", tmp_path / "got", url)

    assert (tmp_path / "got").read_bytes() == DATA[first : last + 1]
    assert statuses(httpserve) == [206]


def test_curl_gets_several_ranges_in_parts(httpserve: HTTPServe, curl: Run, url: str, tmp_path: Path) -> None:
    curl("--range", "0-9,100-109", "--output", tmp_path / "got", url)

    body = (tmp_path / "got").read_bytes()
    assert DATA[:10] in body
    assert DATA[100:110] in body
    assert b"Content-Range: bytes 100-109/300000" in body


def test_curl_is_told_of_a_range_that_is_not_there(httpserve: HTTPServe, curl: Run, url: str) -> None:
    curl("--fail", "--range", "300000-", url, status=22)

    assert statuses(httpserve) == [416]


@pytest.mark.parametrize("there", [0, 1, 100_000, 299_999])
def test_curl_resumes_a_download(httpserve: HTTPServe, curl: Run, url: str, tmp_path: Path, there: int) -> None:
    got = tmp_path / "got"
    got.write_bytes(DATA[:there])
    curl("--continue-at", "-", "--output", got, url)

    assert got.read_bytes() == DATA
    assert statuses(httpserve) == [206 if there else 200]


def test_curl_does_not_get_again_what_is_not_newer(httpserve: HTTPServe, curl: Run, url: str, tmp_path: Path) -> None:
    got = tmp_path / "got"
    curl("--remote-time", "--output", got, url)
    curl("--time-cond", got, "--output", got, url)
    os.utime(got, (0, 1_000_000_000))
    curl("--time-cond", got, "--output", got, url)

    assert statuses(httpserve) == [200, 304, 200]
    assert got.read_bytes() == DATA


def test_curl_does_not_get_again_what_has_the_same_etag(
    httpserve: HTTPServe, curl: Run, url: str, tmp_path: Path
) -> None:
    etag, got = tmp_path / "etag", tmp_path / "got"
    curl("--etag-save", etag, "--output", got, url)
    curl("--etag-compare", etag, "--output", got, url)
    (tmp_path / "served" / "data").write_bytes(b"changed")
    curl("--etag-compare", etag, "--output", got, url)

    assert statuses(httpserve) == [200, 304, 200]
    assert got.read_bytes() == b"changed"


def test_curl_follows_a_directory_to_its_slash(httpserve: HTTPServe, curl: Run, tmp_path: Path) -> None:
    (tmp_path / "served" / "sub").mkdir(parents=True)
    httpserve.serve_dir(tmp_path / "served", at="/files")
    page = curl("--location", httpserve.url_for("/files/sub"))

    assert "Directory listing for /files/sub/" in page
    assert statuses(httpserve) == [301, 200]


def test_curl_keeps_its_connection(httpserve: HTTPServe, curl: Run, url: str, tmp_path: Path) -> None:
    curl(*(word for _ in range(5) for word in (url, "--output", os.devnull)))

    assert statuses(httpserve) == [200] * 5
    assert len({exchange.request.client_address for exchange in httpserve.exchanges}) == 1


@pytest.mark.parametrize("options", [[], ["--header", "Transfer-Encoding: chunked"], ["--http1.0"]])
def test_curl_uploads_a_file(httpserve: HTTPServe, curl: Run, tmp_path: Path, options: list[str]) -> None:
    """Of this size, curl sends the head first and waits for 100 (Continue)."""
    (tmp_path / "data").write_bytes(DATA * 10)
    httpserve.on("PUT", "/data").respond(201)
    curl("--fail", *options, "--upload-file", tmp_path / "data", httpserve.url_for("/data"))

    (exchange,) = httpserve.exchanges
    assert exchange.request.body == DATA * 10
