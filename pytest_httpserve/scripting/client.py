"""A requests.Session for the server of a test."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import requests
from requests.adapters import HTTPAdapter

if TYPE_CHECKING:
    from pytest_httpserve.scripting.httpserve import HTTPServe

TIMEOUT = 10.0


class Client(requests.Session):
    """A session that takes paths of ``server`` as URLs, trusts the server's CA, and waits at most ``timeout`` seconds.

    It ignores the environment, such as proxy settings. The usual attributes work: ``client.cert``, ``client.headers``,
    ``client.verify``.
    """

    def __init__(self, server: HTTPServe, timeout: float = TIMEOUT) -> None:
        super().__init__()
        self._server = server
        self._timeout = timeout
        self.trust_env = False
        self.mount("https://", _TrustingAdapter(server))

    def request(self, method: str | bytes, url: str | bytes, *args: Any, **kwargs: Any) -> requests.Response:
        """Send a request to a path of the server, or to a whole URL. The other arguments are those of requests."""
        if isinstance(url, str) and url.startswith("/"):
            url = self._server.url_for(url)
        if len(args) < 7:  # the timeout is not one of them
            kwargs.setdefault("timeout", self._timeout)
        return super().request(method, url, *args, **kwargs)


class _TrustingAdapter(HTTPAdapter):
    """Trusts the server's CA, which is made only when it is needed."""

    def __init__(self, server: HTTPServe) -> None:
        super().__init__()
        self._server = server

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        if kwargs.get("verify") is True:
            kwargs["verify"] = str(self._server.ca.pem_path)
        return super().send(request, *args, **kwargs)
