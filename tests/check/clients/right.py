"""A client that does right whatever the server does: GET a URL, print the body, or say what is wrong and end with 1."""

import os
import socket
import sys
import time
import urllib.parse
import zlib

import h11

TIMEOUT = 5.0
DEADLINE = time.monotonic() + 7.0
MOST_REDIRECTS = 10


def ask(url: str) -> tuple[h11.Response, bytes]:
    """The answer and its body, decoded."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in ("http", "https") or parts.hostname is None:
        raise ValueError(f"{url} is not for this client")
    connection = socket.create_connection((parts.hostname, parts.port or 80), timeout=TIMEOUT)
    if parts.scheme == "https":
        import ssl  # here, as below, for it is started often, and that takes as long as all else

        context = ssl.create_default_context(cafile=os.environ["SSL_CERT_FILE"])
        connection = context.wrap_socket(connection, server_hostname=parts.hostname)
    with connection:
        protocol = h11.Connection(h11.CLIENT, max_incomplete_event_size=200_000)
        headers = [("Host", parts.netloc), ("Accept-Encoding", "gzip")]
        request = h11.Request(method="GET", target=parts.path, headers=headers)
        connection.sendall((protocol.send(request) or b"") + (protocol.send(h11.EndOfMessage()) or b""))
        return read(connection, protocol)


def read(connection: socket.socket, protocol: h11.Connection) -> tuple[h11.Response, bytes]:
    response, body = None, []
    while True:
        event = protocol.next_event()
        if time.monotonic() > DEADLINE:
            raise TimeoutError("the answer takes too long")
        if event is h11.NEED_DATA:
            protocol.receive_data(connection.recv(1 << 20))
        elif isinstance(event, h11.Response):
            response = event
        elif isinstance(event, h11.Data):
            body.append(bytes(event.data))
        elif isinstance(event, h11.EndOfMessage):
            assert response is not None
            fields = dict(response.headers)
            return response, decoded(b"".join(body), fields.get(b"content-encoding", b""))
        elif isinstance(event, h11.ConnectionClosed):
            raise ConnectionError("closed before the answer")


def decoded(body: bytes, coding: bytes) -> bytes:
    if not coding:
        return body
    if coding != b"gzip":
        raise ValueError(f"unknown coding {coding!r}")
    pieces = []
    while body:
        member = zlib.decompressobj(wbits=31)
        pieces.append(member.decompress(body))
        if not member.eof:
            raise ValueError("the end of the body is missing")
        body = member.unused_data
    return b"".join(pieces)


def seconds(retry_after: str) -> float:
    if retry_after.isdecimal():
        return int(retry_after)
    import email.utils

    return email.utils.parsedate_to_datetime(retry_after).timestamp() - time.time()


def main(url: str) -> None:
    for _ in range(MOST_REDIRECTS):
        response, body = ask(url)
        fields = dict(response.headers)
        status = response.status_code
        pause = seconds(fields.get(b"retry-after", b"3600").decode())
        if status in (429, 503) and pause < 10:
            time.sleep(pause)
        elif status in (302, 308) and b"location" in fields:
            url = urllib.parse.urljoin(url, fields[b"location"].decode())
        elif status == 200:
            sys.stdout.buffer.write(body)
            return
        else:
            raise ValueError(f"status {status}")
    raise ValueError("too many redirects")


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except Exception as error:
        sys.exit(f"{type(error).__name__}: {error}")
