"""A download that resumes where it broke off, and a client that does not download an unchanged file again."""

from pathlib import Path

import pytest
import requests

from pytest_httpserve import HTTPServe

ALMANAC = (Path(__file__).parent / "downloads" / "almanac.txt").read_bytes()


def resume(url: str, target: Path, etag: str) -> int:
    """The code under test: fetches the missing part of ``target``, or the whole file if it has changed since."""
    headers = {"Range": f"bytes={target.stat().st_size}-", "If-Range": etag}
    response = requests.get(url, headers=headers, timeout=5)
    response.raise_for_status()
    with target.open("ab" if response.status_code == 206 else "wb") as file:
        file.write(response.content)
    return len(response.content)


@pytest.mark.serve_dir("downloads")
def test_a_broken_download_is_resumed(httpserve: HTTPServe, tmp_path: Path) -> None:
    url = httpserve.url_for("/almanac.txt")
    etag = requests.head(url, timeout=5).headers["ETag"]
    target = tmp_path / "almanac.txt"
    target.write_bytes(ALMANAC[:10_000])

    assert resume(url, target, etag) == len(ALMANAC) - 10_000
    assert target.read_bytes() == ALMANAC


@pytest.mark.serve_dir("downloads")
def test_a_download_that_is_cut_off_resumes(httpserve: HTTPServe, tmp_path: Path) -> None:
    url, target = httpserve.url_for("/almanac.txt"), tmp_path / "almanac.txt"
    etag = requests.head(url, timeout=5).headers["ETag"]
    # The first response promises the whole file but ends in the middle of it. The directory answers the second request.
    cut_off = {"Content-Length": len(ALMANAC)}
    first = httpserve.on("GET", "/almanac.txt", headers={"Range": None}, otherwise="continue")
    first.respond(body=ALMANAC[:10_000], headers=cut_off)

    with pytest.raises(requests.exceptions.ChunkedEncodingError), target.open("wb") as file:
        file.writelines(requests.get(url, stream=True, timeout=5).iter_content(1000))

    assert resume(url, target, etag) == len(ALMANAC) - 10_000
    assert target.read_bytes() == ALMANAC


@pytest.mark.serve_dir("downloads")
def test_a_file_that_changed_is_downloaded_whole(httpserve: HTTPServe, tmp_path: Path) -> None:
    target = tmp_path / "almanac.txt"
    target.write_bytes(b"the first lines of last year's almanac")

    assert resume(httpserve.url_for("/almanac.txt"), target, etag='"last-year"') == len(ALMANAC)
    assert target.read_bytes() == ALMANAC


@pytest.mark.serve_dir("downloads")
def test_an_unchanged_file_is_not_sent_again(httpserve: HTTPServe) -> None:
    url = httpserve.url_for("/almanac.txt")
    first = requests.get(url, timeout=5)
    second = requests.get(url, headers={"If-None-Match": first.headers["ETag"]}, timeout=5)

    assert first.content == ALMANAC
    assert (second.status_code, second.content) == (304, b"")
