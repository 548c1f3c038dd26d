"""The beginning of a connection to a proxy. With SOCKS, a client asks for a tunnel, as others do with CONNECT."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import IO, TYPE_CHECKING

from pytest_httpserve.errors import BrokenOff, RequestError
from pytest_httpserve.protocol.writer import Writer
from pytest_httpserve.scripting.origins.credentials import basic
from pytest_httpserve.scripting.origins.status import error_said
from pytest_httpserve.scripting.passage import Passage, Passing
from pytest_httpserve.wire import socks
from pytest_httpserve.wire.head import speaks_socks
from pytest_httpserve.wire.response_stream import ResponseHead, ResponseStream
from pytest_httpserve.wire.socks import Method, Reply

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer as Buffer

    from pytest_httpserve.net.transport import Transport
    from pytest_httpserve.protocol.reader import Reader
    from pytest_httpserve.scripting.conversation import Conversation
    from pytest_httpserve.scripting.origins.credentials import Credentials

# By the error in the Proxy-Status field (RFC 9209 section 2.3) of our own responses.
_REPLIES = {
    "http_request_denied": Reply.NOT_ALLOWED,
    "connection_refused": Reply.CONNECTION_REFUSED,
    "connection_timeout": Reply.HOST_UNREACHABLE,
    "dns_error": Reply.HOST_UNREACHABLE,
    "destination_unavailable": Reply.HOST_UNREACHABLE,
}


class Opening(Passage):
    """The beginning of a connection, before its first exchange. Its first byte tells whether the client speaks SOCKS.

    From there on, exchanges use ``passage``. ``by_socks`` says that the client has asked for a tunnel with SOCKS.
    """

    by_socks: bool = False

    def __init__(self, conversation: Conversation, passage: Passage) -> None:
        self._conversation = conversation
        self._passage = passage

    def begin(self, passing: Passing) -> None:
        conversation, passage = self._conversation, self._passage
        del self._conversation, self._passage  # they refer back to this object
        conversation.passage = passing.passage = passage
        passage.begin(passing)
        reader = conversation.http1.reader
        if reader.wait() and speaks_socks(reader.unread):
            passing.method = "CONNECT"
            _agree(conversation, reader)
            self.by_socks = True


def _agree(conversation: Conversation, reader: Reader) -> None:
    """Read the client's credentials and its request, and give the request to the reader as a CONNECT.

    Raises RequestError if it must be refused.
    """
    transport = conversation.connection.transport
    replies = _Replies(transport)
    conversation.http1.writer = Writer(replies)
    origins = conversation.script.origins
    fields = _hear_who(reader, transport, replies, origins.credentials if origins is not None else None)
    replies.failure = Reply.FAILED.said
    command, authority = socks.read_request(_exactly(reader))
    if command != socks.CONNECT:
        replies.failure = Reply.COMMAND_NOT_SUPPORTED.said
        raise RequestError(
            HTTPStatus.NOT_IMPLEMENTED, f"this proxy supports only CONNECT of SOCKS, not command {command}"
        )
    if authority is None:
        replies.failure = Reply.ADDRESS_NOT_SUPPORTED.said
        raise RequestError(HTTPStatus.BAD_REQUEST, "the address has an unknown type", rule="RFC 1928 section 5")
    replies.failure = b""
    reader.give_back(f"CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n{fields}\r\n".encode())


def _hear_who(reader: Reader, transport: Transport, replies: _Replies, wanted: Credentials | None) -> str:
    """The field with the client's credentials; empty if it sends none. It may send some even if none are needed."""
    replies.failure = Method.NONE_THAT_WILL_DO.chosen
    methods = socks.read_methods(_exactly(reader))
    if wanted is None and Method.NONE in methods:
        transport.send(Method.NONE.chosen)
        return ""
    if Method.PASSWORD not in methods:
        raise RequestError(HTTPStatus.PROXY_AUTHENTICATION_REQUIRED, "the client offers no user and password")
    transport.send(Method.PASSWORD.chosen)
    replies.failure = socks.credentials_taken(False)
    said = basic(b":".join(socks.read_credentials(_exactly(reader))))
    if wanted is not None and not wanted.are(said):
        raise RequestError(HTTPStatus.PROXY_AUTHENTICATION_REQUIRED, "the client sent a wrong user or password")
    transport.send(socks.credentials_taken(True))
    return f"Proxy-Authorization: {said}\r\n"


def _exactly(reader: Reader) -> socks.Read:
    def read(count: int) -> bytes:
        data = reader.read(count)
        if len(data) < count:
            raise BrokenOff(
                HTTPStatus.BAD_REQUEST, "the client ended the connection within SOCKS", rule="RFC 1928 section 3"
            )
        return data

    return read


class _Replies:
    """Turns responses to CONNECT into SOCKS replies. The writer of responses takes it for the connection.

    ``failure`` is the reply if the request fails before the client has asked for a tunnel. After the reply, bytes pass
    unchanged.
    """

    def __init__(self, transport: Transport) -> None:
        self.failure = b""
        self._transport = transport
        self._response = ResponseStream()
        self._open = False

    def fileno(self) -> int:
        return self._transport.fileno()

    def push(self) -> None:
        self._transport.push()

    def send(self, data: Buffer, *, more: bool = False) -> None:
        if self._open:
            self._transport.send(data, more=more)
            return
        for part in self._response.feed(bytes(data)):
            if isinstance(part, ResponseHead):
                self._open = 200 <= part.status < 300
                self._transport.send(self._said_for(part))

    def _said_for(self, head: ResponseHead) -> bytes:
        if self._open:
            return Reply.SUCCEEDED.said
        other = Reply.NOT_ALLOWED if head.status == HTTPStatus.FORBIDDEN else Reply.FAILED
        return self.failure or _REPLIES.get(error_said(head.headers), other).said

    def send_file(self, file: IO[bytes], offset: int, count: int, note: Callable[[int], object]) -> None:
        self._transport.send_file(file, offset, count, note)
