"""Forms, files, and an upload that resumes where it broke off."""

import re
from pathlib import Path

import requests

from pytest_httpserve import HTTPServe, Request, Response

CHUNK = 1000


def test_a_form_is_sent(httpserve: HTTPServe) -> None:
    signup = httpserve.on("POST", "/signup", form={"name": "Ada Lovelace", "topic": ["maths", "music"]}).respond(201)

    fields = {"name": "Ada Lovelace", "topic": ["maths", "music"]}
    assert requests.post(httpserve.url_for("/signup"), data=fields, timeout=5).status_code == 201
    signup.assert_called(times=1)


def test_a_file_is_sent_with_its_name_and_a_caption(httpserve: HTTPServe, tmp_path: Path) -> None:
    (tmp_path / "cat.png").write_bytes(b"\x89PNG...")
    httpserve.on("POST", "/photos", form={"caption": "A cat"}, files={"photo": ("cat.png", b"\x89PNG...")}).respond(201)

    with (tmp_path / "cat.png").open("rb") as photo:
        response = requests.post(
            httpserve.url_for("/photos"), data={"caption": "A cat"}, files={"photo": photo}, timeout=5
        )

    assert response.status_code == 201


def upload(url: str, data: bytes) -> None:
    """The code under test: sends chunks, and after a failure asks how much has arrived."""
    at = 0
    while at < len(data):
        piece = data[at : at + CHUNK]
        span = f"bytes {at}-{at + len(piece) - 1}/{len(data)}"
        response = requests.put(url, data=piece, headers={"Content-Range": span}, timeout=5)
        at = int(
            response.headers["Upload-Offset"] if response.ok else requests.head(url, timeout=5).headers["Upload-Offset"]
        )


def test_an_upload_resumes_where_it_broke_off(httpserve: HTTPServe) -> None:
    arrived = bytearray()

    @httpserve.on("PUT", "/video", headers={"Content-Range": re.compile(r"^bytes \d+-\d+/3500$")})
    def store(request: Request) -> Response:
        arrived.extend(request.body)
        # The server stores the second chunk, but answers with an error.
        return Response(502 if len(arrived) == 2 * CHUNK else 200, headers={"Upload-Offset": len(arrived)})

    @httpserve.on("HEAD", "/video")
    def offset(request: Request) -> Response:
        return Response(headers={"Upload-Offset": len(arrived)})

    video = bytes(range(250)) * 14
    upload(httpserve.url_for("/video"), video)

    assert arrived == video
    httpserve.assert_requested("PUT", "/video", times=4)
