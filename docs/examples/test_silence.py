"""A client that must not send certain requests: in a dry run, or without the data that it needs."""

import pytest
import requests

from pytest_httpserve import HTTPServe


def delete_user(base_url: str, user: str, *, rehearse: bool = False) -> None:
    """The code under test."""
    if not user:
        raise ValueError("no user is given")
    found = requests.get(f"{base_url}/users/{user}", timeout=5)
    found.raise_for_status()
    if not rehearse:
        requests.delete(f"{base_url}/users/{user}", timeout=5).raise_for_status()


def test_a_dry_run_changes_nothing(httpserve: HTTPServe) -> None:
    httpserve.on("*", "/users/ada").respond(json={"name": "Ada"})

    delete_user(httpserve.base_url, "ada", rehearse=True)

    httpserve.assert_requested("GET", "/users/ada", times=1)
    httpserve.assert_not_requested("DELETE")


def test_without_a_user_nothing_is_sent(httpserve: HTTPServe) -> None:
    with pytest.raises(ValueError, match="no user"):
        delete_user(httpserve.base_url, "")

    httpserve.assert_no_requests()
