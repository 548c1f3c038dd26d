"""``python -m pytest_httpserve show``."""

import json
import webbrowser
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
import requests

from pytest_httpserve import HTTPServe
from pytest_httpserve.__main__ import main


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The URLs that were opened in what is taken for the browser."""
    urls: list[str] = []

    def open(url: str) -> bool:
        urls.append(url)
        return len(urls) == 1  # the second time there is none

    monkeypatch.setattr(webbrowser, "open", open)
    return urls


@pytest.fixture
def har(tmp_path: Path, httpserve: HTTPServe) -> Path:
    httpserve.on("GET", "/shown").respond(text="hello")
    requests.get(httpserve.url_for("/shown"), timeout=10)
    file = tmp_path / "visit.har"
    file.write_text(json.dumps(httpserve.har()), encoding="utf-8-sig")
    return file


def test_the_page_is_written_and_opened(har: Path, opened: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", str(har)]) == 0

    written = Path(capsys.readouterr().out.strip())
    assert written.name == "visit.html"
    assert "/shown" in written.read_text(encoding="utf-8")
    assert opened == [written.as_uri()]
    assert main(["show", str(har)]) == 0
    assert "no browser was found" in capsys.readouterr().err


def test_bodies_that_are_in_files_of_their_own_are_in_the_page(tmp_path: Path, har: Path) -> None:
    document = json.loads(har.read_text(encoding="utf-8-sig"))
    del document["log"]["entries"][0]["response"]["content"]["text"]
    document["log"]["entries"][0]["response"]["content"]["_file"] = "body.txt"
    with ZipFile(tmp_path / "visit.zip", "w") as archive:
        archive.writestr("har.har", json.dumps(document))
        archive.writestr("body.txt", "what the host has answered")
    har.write_text(json.dumps(document), encoding="utf-8")
    (tmp_path / "body.txt").write_text("what the host has answered")

    for file in (har, tmp_path / "visit.zip"):
        assert main(["show", str(file), "--output", str(tmp_path / "page.html"), "--no-browser"]) == 0
        assert '"text":"what the host has answered"' in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_a_body_that_is_not_there(tmp_path: Path, har: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document = json.loads(har.read_text(encoding="utf-8-sig"))
    document["log"]["entries"][0]["response"]["content"]["_file"] = "../body.txt"
    har.write_text(json.dumps(document), encoding="utf-8")

    assert main(["show", str(har)]) == 2
    assert "_file '../body.txt' is not a file in " in capsys.readouterr().err


def test_where_it_is_written_can_be_said(har: Path, opened: list[str], tmp_path: Path) -> None:
    assert main(["show", str(har), "--output", str(tmp_path / "page.html"), "--no-browser"]) == 0

    assert "<title>visit.har</title>" in (tmp_path / "page.html").read_text(encoding="utf-8")
    assert opened == []


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, "cannot be read: No such file or directory"),
        ("<html>", "is not JSON: Expecting value"),
        ('{"log": {"entries": [NaN]}}', "is not JSON: NaN is not a number in JSON"),
        ("\xff", "is not a HAR file: 'utf-8' codec"),
        ('{"log": {}}', "is not a HAR file: it has no list at log.entries"),
        ("[]", "is not a HAR file: it has no list at log.entries"),
        ('{"log": {"entries": [{"startedDateTime": ""}]}}', "is not a HAR file: log.entries[0] has no request"),
        ('{"log": {"entries": [1]}}', "is not a HAR file: log.entries[0] has no startedDateTime"),
        ('{"log": {"entries": [1e400]}}', "is not JSON: 1e400 is too large"),
        (
            '{"log": {"entries": [{"startedDateTime": "", "request": {}, '
            '"response": {"content": {"_file": "\\u0000"}}}]}}',
            "_file '\\x00' is not a file in ",
        ),
        (f'{{"log": {{"entries": [], "x": {"[" * 100_000}', "cannot be shown: it is nested too deeply"),
    ],
    ids=["nothing", "HTML", "NaN", "Latin-1", "a log", "a list", "an entry", "a number", "infinity", "NUL", "nested"],
)
def test_what_is_no_har_is_said_in_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: Any, complaint: str
) -> None:
    file = tmp_path / "visit.har"
    if content is not None:
        file.write_text(content, encoding="latin-1")

    assert main(["show", str(file)]) == 2
    said = capsys.readouterr().err
    assert complaint in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("names", "complaint"),
    [
        ([], "is not a HAR file: the archive has no file with the suffix .har"),
        (["visit.har"], "_file 'body' is not in the archive"),
        (None, "is not a HAR file: it is not a zip file"),
    ],
    ids=["no HAR", "no body", "no archive"],
)
def test_an_archive_that_is_not_whole(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], names: list[str] | None, complaint: str
) -> None:
    entry = {"startedDateTime": "", "request": {}, "response": {"content": {"_file": "body"}}}
    file = tmp_path / "visit.zip"
    file.write_bytes(b"PK")
    if names is not None:
        with ZipFile(file, "w") as archive:
            for name in names:
                archive.writestr(name, json.dumps({"log": {"entries": [entry]}}))

    assert main(["show", str(file)]) == 2
    said = capsys.readouterr().err
    assert complaint in said
    assert said.count("\n") == 1


def test_the_page_does_not_take_the_place_of_its_har(har: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = har.read_bytes()
    assert main(["show", str(har), "--output", f"{har.parent}/./{har.name}", "--no-browser"]) == 2
    assert "is the HAR file itself" in capsys.readouterr().err
    assert har.read_bytes() == before


def test_a_page_that_cannot_be_written(har: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", str(har), "--output", str(tmp_path / "nowhere" / "page.html")]) == 2
    assert "the page cannot be written: " in capsys.readouterr().err


def test_the_arguments_are_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show"]) == 2
    assert "the following arguments are required: FILE.har" in capsys.readouterr().err
