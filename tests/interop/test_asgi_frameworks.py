"""Frameworks for ASGI, mounted as their documentation has them."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from typing import Any

import pytest
import requests
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from pytest_httpserve import HTTPServe

pytestmark = pytest.mark.same_everywhere

PATIENCE = 10.0  # seconds after which what a test waits for is not going to come


def test_starlette(httpserve: HTTPServe, tmp_path: Any) -> None:
    (tmp_path / "page.txt").write_text("a page")
    done: list[str] = []

    async def echo(request: Request) -> Response:
        return Response(await request.body(), media_type="text/plain")

    def plain(request: Request) -> Response:
        return PlainTextResponse("plain", background=BackgroundTask(done.append, "afterwards"))

    async def pieces(request: Request) -> Response:
        async def numbers() -> Any:
            for number in range(3):
                yield f"{number},"

        return StreamingResponse(numbers())

    routes = [
        Route("/echo", echo, methods=["POST"]),
        Route("/plain", plain),
        Route("/pieces", pieces),
        Mount("/files", StaticFiles(directory=tmp_path)),
    ]
    httpserve.mount("/api", Starlette(routes=routes))

    with requests.Session() as session:
        url = httpserve.url_for("/api")
        assert session.post(f"{url}/echo", data=iter([b"one,", b"two"]), timeout=PATIENCE).text == "one,two"
        assert session.get(f"{url}/plain", timeout=PATIENCE).text == "plain"
        assert session.get(f"{url}/pieces", timeout=PATIENCE).text == "0,1,2,"
        page = session.get(f"{url}/files/page.txt", headers={"Range": "bytes=2-"}, timeout=PATIENCE)
        assert (page.status_code, page.text) == (206, "page")
        assert session.get(f"{url}/nowhere", timeout=PATIENCE).status_code == 404
    httpserve.assert_reused()
    assert done == ["afterwards"]


def test_fastapi(httpserve: HTTPServe) -> None:
    fastapi = pytest.importorskip("fastapi", reason="its own dependency has no wheel for this Python")
    app = fastapi.FastAPI()

    @app.get("/users/{number}")  # type: ignore[untyped-decorator]  # where FastAPI is not, it is Any
    async def user(number: int) -> dict[str, int]:
        return {"id": number}

    httpserve.mount("/api", app)

    assert requests.get(httpserve.url_for("/api/users/7"), timeout=PATIENCE).json() == {"id": 7}
    assert requests.get(httpserve.url_for("/api/users/seven"), timeout=PATIENCE).status_code == 422
    assert requests.get(httpserve.url_for("/api/openapi.json"), timeout=PATIENCE).json()["paths"].keys() == {
        "/users/{number}"
    }


def test_django(tmp_path: Any) -> None:
    """In a process of its own: Django's settings are the process's."""
    (tmp_path / "site.py").write_text(
        textwrap.dedent(
            """
            import django, requests
            from django.conf import settings

            settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="a", DEBUG=False)
            django.setup()

            from django.core.asgi import get_asgi_application
            from django.http import JsonResponse
            from django.urls import path, reverse

            from pytest_httpserve import HTTPServe

            async def user(request, number):
                return JsonResponse({"id": number, "at": reverse("user", args=[number]), "body": request.body.decode()})

            urlpatterns = [path("users/<int:number>", user, name="user")]

            with HTTPServe() as server:
                server.mount("/site", get_asgi_application())
                print(requests.post(server.url_for("/site/users/7"), data="text", timeout=10).json())
            """
        )
    )
    ran = subprocess.run(
        [sys.executable, "site.py"], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )

    assert (ran.stdout, ran.returncode) == ("{'id': 7, 'at': '/site/users/7', 'body': 'text'}\n", 0), ran.stderr
