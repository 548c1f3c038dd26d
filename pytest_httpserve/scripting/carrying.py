"""Tunnels that a connection of their own serves: those over HTTP/2, and those over TLS or with bytes that came early,
which no other TLS layer can read from the socket."""

from __future__ import annotations

import socket
from functools import partial
from typing import TYPE_CHECKING

from pytest_httpserve.errors import NoMoreThreads
from pytest_httpserve.protocol.http1 import HTTP1
from pytest_httpserve.scripting.conversation import Conversation
from pytest_httpserve.scripting.live.waiting import let_out
from pytest_httpserve.scripting.origins.relay import carry
from pytest_httpserve.scripting.watching import Watching
from pytest_httpserve.server.servers import service_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_httpserve.net.connection import Connection
    from pytest_httpserve.scripting.faults.acts import Fault
    from pytest_httpserve.scripting.origin import Origin
    from pytest_httpserve.scripting.record.exchange import ConnectionRecord

    Serve = Callable[[Conversation], object]


def carry_to(
    carrier: Conversation, serve: Serve, origin: Origin, url: str, host: str, faults: tuple[Fault, ...]
) -> None:
    """Let this connection carry another one, to this URL's origin and with these faults, until that has ended. Then end
    it in the same way. The other one is served by ``serve``."""
    connection = carrier.connection
    service = service_of(carrier.server)
    loop = service.loop
    assert loop is not None  # each HTTPServe has one
    assert isinstance(service.watcher, Watching)  # likewise
    ours, theirs = socket.socketpair()
    inside = service.begin(ours, connection.peer)
    if (record := service.watcher.records.get(inside)) is not None:
        record.tunnelled = url, 0
    inside.turn.loop = loop
    inside.turn.serve = partial(_serve, carrier, serve, inside, record, origin, host, faults)
    inside.turn.proceed = partial(service.attend, carrier.server, inside)
    try:
        loop.workers.run(inside.turn.proceed)
    except NoMoreThreads:
        theirs.close()
        inside.turn.proceed()  # ends at once
        raise
    connection.busy = True  # a stop waits for the other one
    carry(connection, theirs, carrier.http1.reader.take_unread(), loop.workers.run)
    said = inside.ending.said
    if said == ("server", "RST"):
        let_out(connection)
        carrier.resets = True
        return
    if connection.transport.failure is not None:
        connection.ending.say_whose()
    elif said is not None:
        connection.ending.say(*said)
    connection.linger()


def _serve(
    carrier: Conversation,
    serve: Serve,
    inside: Connection,
    record: ConnectionRecord | None,
    origin: Origin,
    host: str,
    faults: tuple[Fault, ...],
) -> None:
    inside.begin(carrier.connection.transport.timeout, nodelay=False)
    http1 = HTTP1.over(inside, limits=carrier.http1.limits)
    conversation = Conversation(origin.script, carrier.server, inside, http1, record)
    conversation.in_http2 = carrier.in_http2
    conversation.passage = origin.passage(conversation, host, faults)
    serve(conversation)
