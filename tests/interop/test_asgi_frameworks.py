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
from starlette.endpoints import WebSocketEndpoint
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.websockets import WebSocket
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Subprotocol

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


def test_websockets_of_starlette(httpserve: HTTPServe) -> None:
    class Echo(WebSocketEndpoint):
        encoding = "text"

        async def on_receive(self, websocket: WebSocket, data: Any) -> None:
            await websocket.send_text(data)

    async def subprotocol(websocket: WebSocket) -> None:
        await websocket.accept(subprotocol=websocket.scope["subprotocols"][0], headers=[(b"x-room", b"7")])
        await websocket.send_json({"path": websocket.url.path})
        await websocket.close(4001, "enough")

    async def for_ever(websocket: WebSocket) -> None:
        await websocket.accept()
        while True:  # until it raises WebSocketDisconnect
            await websocket.send_bytes(await websocket.receive_bytes())

    async def closed(websocket: WebSocket) -> None:
        await websocket.close()

    async def denied(websocket: WebSocket) -> None:
        await websocket.send_denial_response(PlainTextResponse("not now", 429))

    endpoints: list[Any] = [Echo, subprotocol, for_ever, closed, denied]
    routes = [WebSocketRoute(f"/{endpoint.__name__}", endpoint) for endpoint in endpoints]
    httpserve.mount("/api", Starlette(routes=routes))
    url = httpserve.url_for("/api", scheme="ws")

    with connect(f"{url}/Echo", proxy=None) as client:
        client.send("tea")
        assert client.recv(PATIENCE) == "tea"
    with connect(f"{url}/subprotocol", subprotocols=[Subprotocol("chat")], proxy=None) as client:
        assert client.subprotocol == "chat"
        assert client.response is not None
        assert client.response.headers["x-room"] == "7"
        assert client.recv(PATIENCE) == '{"path":"/api/subprotocol"}'
        with pytest.raises(ConnectionClosed, match=r"4001.*enough"):
            client.recv(PATIENCE)
    with connect(f"{url}/for_ever", proxy=None) as client:
        client.send(b"tea")
        assert client.recv(PATIENCE) == b"tea"
    for path, status in (("closed", 403), ("denied", 429), ("nowhere", 403)):
        with pytest.raises(InvalidStatus, match=str(status)):
            connect(f"{url}/{path}", proxy=None)
    assert [one.data for one in httpserve.exchanges[0].messages[:2]] == ["tea", "tea"]


def test_fastapi(httpserve: HTTPServe) -> None:
    fastapi = pytest.importorskip("fastapi", reason="its own dependency has no wheel for this Python")
    app = fastapi.FastAPI()

    @app.get("/users/{number}")  # type: ignore[untyped-decorator]  # where FastAPI is not, it is Any
    async def user(number: int) -> dict[str, int]:
        return {"id": number}

    @app.websocket("/users/{number}/chat")  # type: ignore[untyped-decorator]  # as above
    async def chat(websocket: WebSocket, number: int, greeting: str) -> None:
        await websocket.accept()
        await websocket.send_json({"id": number, greeting: await websocket.receive_text()})

    httpserve.mount("/api", app)

    with connect(httpserve.url_for("/api/users/7/chat?greeting=hi", scheme="ws"), proxy=None) as client:
        client.send("ada")
        assert client.recv(PATIENCE) == '{"id":7,"hi":"ada"}'
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
