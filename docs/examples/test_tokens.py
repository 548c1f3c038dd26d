"""A client whose token expires: it fetches a new one and repeats the request (OAuth 2.0, RFC 6749 section 6)."""

from collections.abc import Generator

import httpx

from pytest_httpserve import HTTPServe, Response, bearer


class Refreshing(httpx.Auth):
    """The code under test: on a 401, trades the refresh token for a new access token."""

    requires_response_body = True

    def __init__(self, token_url: str, access_token: str, refresh_token: str) -> None:
        self.token_url, self.access_token, self.refresh_token = token_url, access_token, refresh_token

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers["Authorization"] = f"Bearer {self.access_token}"
        if (yield request).status_code == 401:
            grant = {"grant_type": "refresh_token", "refresh_token": self.refresh_token}
            self.access_token = (yield httpx.Request("POST", self.token_url, data=grant)).json()["access_token"]
            request.headers["Authorization"] = f"Bearer {self.access_token}"
            yield request


def test_an_expired_token_is_replaced(httpserve: HTTPServe) -> None:
    httpserve.on("GET", "/me").respond(Response.unauthorized("Bearer"))
    httpserve.on("GET", "/me", where=bearer("new")).respond(json={"name": "Ada"})
    httpserve.on("POST", "/token", form={"refresh_token": "r1"}).respond(json={"access_token": "new"}).expect(times=1)

    with httpx.Client(auth=Refreshing(httpserve.url_for("/token"), "old", "r1"), timeout=5) as client:
        assert client.get(httpserve.url_for("/me")).json() == {"name": "Ada"}
        assert client.get(httpserve.url_for("/me")).json() == {"name": "Ada"}

    httpserve.assert_requested_in_order(["GET /me", "POST /token", "GET /me", "GET /me"])
