"""Logins: passwords, tokens, and sessions in cookies."""

import requests

from pytest_httpserve import HTTPServe, Response, basic_auth, bearer, set_cookie


def test_a_password_is_sent(httpserve: HTTPServe) -> None:
    httpserve.on("GET", "/mail").respond(Response.unauthorized("Basic"))
    httpserve.on("GET", "/mail", where=basic_auth("ada", "s3cret")).respond(text="two letters")

    assert requests.get(httpserve.url_for("/mail"), auth=("ada", "s3cret"), timeout=5).text == "two letters"
    assert requests.get(httpserve.url_for("/mail"), auth=("ada", "wrong"), timeout=5).status_code == 401


def test_a_token_is_sent(httpserve: HTTPServe) -> None:
    httpserve.on("GET", "/mail", where=bearer("t0ken")).respond(text="two letters")

    response = requests.get(httpserve.url_for("/mail"), headers={"Authorization": "Bearer t0ken"}, timeout=5)

    assert response.text == "two letters"


def test_a_session_lasts_from_login_to_logout(httpserve: HTTPServe) -> None:
    httpserve.on("POST", "/login", form={"user": "ada", "password": "s3cret"}).respond(
        204, headers=[set_cookie("session", "42", path="/", httponly=True)]
    )
    httpserve.on("GET", "/mail").respond(403)
    httpserve.on("GET", "/mail", cookies={"session": 42}).respond(text="two letters")
    httpserve.on("POST", "/logout").respond(204, headers=[set_cookie("session", "", path="/", max_age=0)])

    with requests.Session() as session:
        session.post(httpserve.url_for("/login"), data={"user": "ada", "password": "s3cret"}, timeout=5)
        assert session.get(httpserve.url_for("/mail"), timeout=5).text == "two letters"
        session.post(httpserve.url_for("/logout"), timeout=5)
        assert session.get(httpserve.url_for("/mail"), timeout=5).status_code == 403
