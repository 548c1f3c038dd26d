"""Handler classes under a prefix, written for ``http.server`` or for ours.

A handler gets a single request, and writes its response as usual. It sees paths without the prefix, and the prefix is
added to the paths that it names in ``Location``.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from pytest_httpserve.scripting.mounts.mount import Application, ApplicationMount
from pytest_httpserve.scripting.mounts.outgoing import Outgoing
from pytest_httpserve.scripting.mounts.sockets import PieceReader, SocketOfRequest
from pytest_httpserve.wire.framing import CHUNKED, encode_chunk, encode_last_chunk

if TYPE_CHECKING:
    from pytest_httpserve.scripting.answers.asked import Asked


class HandlerMount(ApplicationMount):
    """A handler class, which sees paths without the prefix."""

    __slots__ = ()

    def serve(self, asked: Asked, below: str) -> None:
        """Let a handler of the class answer the request. ``below`` is its path under the prefix."""
        if not _says_100(self.application):
            asked.invite_body()
        with Outgoing(asked, prefix=self.prefix) as response:
            request = SocketOfRequest(asked, PieceReader(_framed(asked, below)), response)
            _take_one(self.application, request, asked.client, asked.server)


def _says_100(handler_class: Application) -> bool:
    """Whether handlers of this class answer ``Expect`` themselves, as those that speak HTTP/1.1 do."""
    inner = handler_class.func if isinstance(handler_class, functools.partial) else handler_class
    return hasattr(inner, "handle_expect_100") and getattr(inner, "protocol_version", "") >= "HTTP/1.1"


def _take_one(handler_class: Application, *arguments: object) -> None:
    """Let a handler of the class serve one request and leave.

    Otherwise it would go on with the next bytes, which may be a body that it did not read.
    """
    keywords: dict[str, Any] = {}
    wanted: Any = handler_class
    if isinstance(wanted, functools.partial):
        keywords, arguments, wanted = wanted.keywords, (*wanted.args, *arguments), wanted.func
    # Not a subclass, since tests look at attributes of the class itself. __init__ does all the work.
    handler = wanted.__new__(wanted, *arguments, **keywords)
    if take_one := getattr(handler, "handle_one_request", None):

        def take_the_last() -> None:
            take_one()
            handler.close_connection = True

        handler.handle_one_request = take_the_last
    try:
        handler.__init__(*arguments, **keywords)
    finally:
        vars(handler).pop("handle_one_request", None)  # avoid a reference cycle


def _framed(asked: Asked, below: str) -> Iterator[bytes]:
    """The request as a handler class reads it: with the path ``below``, and the body in its original framing."""
    headers = asked.stream.headers
    stream = asked.stream
    protocol = stream.line.protocol if stream.version < (2, 0) else "HTTP/1.1"  # handlers know no later version
    lines = [f"{asked.method} {below}{asked.parts.query_with_mark} {protocol}\r\n"]
    chunked = stream.framing is CHUNKED
    if chunked and "transfer-encoding" not in headers:
        lines.append("Transfer-Encoding: chunked\r\n")
    # Once 100 has been sent, the handler must not send it again.
    passed = [field for field in headers.fields if asked.awaits_100 or field[0].lower() != "expect"]
    lines += [f"{name}: {value}\r\n" for name, value in passed]
    yield "".join([*lines, "\r\n"]).encode("latin-1")
    reader = asked.http1.reader
    while piece := reader.read1():
        yield encode_chunk(piece) if chunked else piece
    if chunked and not reader.truncated:
        yield encode_last_chunk(reader.trailers.fields)
