"""Runs a CGI script for one request (RFC 3875): finds it, passes it the request, and sends its output."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import select
import stat
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import IO, TYPE_CHECKING, Protocol

from pytest_httpserve.errors import BrokenOff, ScriptError
from pytest_httpserve.protocol.reader import Reader
from pytest_httpserve.protocol.writer import Writer
from pytest_httpserve.server import running
from pytest_httpserve.server.cgi.paths import decoded
from pytest_httpserve.server.cgi.process import Child, describe_end, is_root, nobody
from pytest_httpserve.server.cgi.script import (
    CGIScript,
    OutputHead,
    authorization_variables,
    header_variables,
    inherited_variables,
    native,
    parse_output_head,
)
from pytest_httpserve.server.cgi.survivors import survivors_of
from pytest_httpserve.server.cgi.upload import Upload
from pytest_httpserve.server.files.opening import LeadsOut
from pytest_httpserve.wire import grammar
from pytest_httpserve.wire.framing import encode_chunk, encode_last_chunk
from pytest_httpserve.wire.target import target_of

if TYPE_CHECKING:
    from pytest_httpserve.server.files.roots import Root
    from pytest_httpserve.server.fronts import CGIFront

MOST_LOCAL_REDIRECTS = 10

_SPOOL_BYTES = 65_536
# Line ends, which RFC 3875 section 4.1.5 lets a server refuse in PATH_INFO.
_OBJECTIONABLE = re.compile(r"[\r\n]")
_PORT = re.compile(r":[0-9]*$")


@dataclass(frozen=True, slots=True)
class Site:
    """Where scripts are, and how they are run.

    ``translate`` turns a path into a file. ``prefix`` precedes ``cgi_info`` in SCRIPT_NAME, ``env`` has additional
    variables; a script may keep the server waiting for ``timeout`` seconds (None for no limit). ``as_nobody``: whether
    to run as the user nobody if the server runs as root; ``in_place``: whether to run in the script's directory.
    """

    root: Root
    translate: Callable[[str], str]
    prefix: str
    env: Mapping[str, str]
    timeout: float | None
    as_nobody: bool
    in_place: bool


class Told(Protocol):
    """Receives the news of a run."""

    def log(self, script: CGIScript, text: str, /) -> None:
        """Log a line of a script's stderr, or one about the script."""

    def log_later(self, script: CGIScript, text: str, /) -> None:
        """The same, after the script's request is over."""

    def failed(self, script: CGIScript, error: ScriptError, /) -> None:
        """The script has given no answer, or half of one: ``error`` says why, and how to answer."""

    def redirected(self, count: int, /) -> None:
        """The script redirected to another path, which the handler's ``path`` is by now; ``count`` redirects so far."""


class Run:
    """One run. ``redirects`` is how many scripts have led to this path."""

    def __init__(self, handler: CGIFront, site: Site, told: Told, redirects: int = 0) -> None:
        self._handler = handler
        self._site = site
        self._told = told
        self._redirects = redirects
        self._chunked = False  # whether the response is chunked

    def run(self) -> None:
        """Run the script that ``cgi_info`` names, and send its output as it comes."""
        if not hasattr(select, "poll"):
            running.send_error(self._handler, HTTPStatus.NOT_IMPLEMENTED, "CGI needs poll(), which this system lacks")
            return
        script = self._find_script()
        if script is None:
            return
        body = self._body()
        try:
            location = self._run(script, body)
            if location is not None:
                self._redirect(location)
            self._leave_body()
        except ScriptError as error:
            self._told.failed(script, error)
        finally:
            if body is not None:
                body.close()

    def _find_script(self) -> CGIScript | None:
        """The script that ``cgi_info`` names; None if it cannot be run, and an error has been sent."""
        directory, rest = self._handler.cgi_info
        rest, _, query = rest.partition("?")
        name, slash, info = rest.partition("/")
        while slash and os.path.isdir(self._site.translate(f"{directory}/{name}")):
            directory = f"{directory}/{name}"
            name, slash, info = info.partition("/")
        path = f"{directory}/{name}"
        script = CGIScript(self._site.translate(path), decoded(self._site.prefix + path), slash + info, query)
        if _OBJECTIONABLE.search(script.name + decoded(script.path_info)) or "\0" in query:
            running.send_error(self._handler, HTTPStatus.BAD_REQUEST, "There is CR, LF or NUL in the target")
            return None
        try:
            _check_spelling(self._site.translate(script.path_info))
            status = self._site.root.status(script.file)
        except LeadsOut:
            said = "A symbolic link here leads out of the served directory"
            running.send_error(self._handler, HTTPStatus.FORBIDDEN, said)
        except OSError:
            self._handler.send_error(HTTPStatus.NOT_FOUND, "No such CGI script")
        else:
            if not stat.S_ISREG(status.st_mode):
                self._handler.send_error(HTTPStatus.FORBIDDEN, "CGI script is not a plain file")
            elif not (_needs_python(self._handler, script) or self._handler.is_executable(script.file)):
                self._handler.send_error(HTTPStatus.FORBIDDEN, "CGI script is not executable")
            else:
                return script
        return None

    def _run(self, script: CGIScript, body: IO[bytes] | Upload | None) -> str | None:
        """Run the script and send its answer; returns the path if the answer is a local redirect.

        The script starts before another thread takes over the loop: so it starts earlier, and the two do not contend.
        """
        file = os.path.abspath(script.file)
        command = [sys.executable, "-u", file] if _needs_python(self._handler, script) else [file]
        command += script.search_words if self._handler.command in ("GET", "HEAD") else ()
        variables = self._environment(script, body)
        try:
            child = Child(
                command,
                env=variables,
                stdin=body,
                cwd=os.path.dirname(file) if self._site.in_place else None,
                user=nobody() if self._site.as_nobody and is_root() else None,
                timeout=self._site.timeout,
                connection=running.http1_of(self._handler).connection,
                survivors=survivors_of(self._handler.server),
                log=lambda text: self._told.log(script, text),
            )
        except PermissionError as error:
            running.send_error(self._handler, HTTPStatus.FORBIDDEN, f"CGI script cannot be run: {error.strerror}")
            return None
        except OSError as error:
            hint = "does its first line name the program that runs it, as in #!/bin/sh?"
            if error.errno == errno.E2BIG:
                hint = _what_is_large(command, variables)
            raise ScriptError(HTTPStatus.BAD_GATEWAY, f"it cannot be run ({error.strerror}): {hint}") from None
        with child:
            try:
                return self._relay(script, child)
            except ScriptError as error:
                error.stderr = child.stderr
                raise

    def _body(self) -> IO[bytes] | Upload | None:
        """The script's input; None if the request has no body.

        The script gets a body as it comes. A body without a length is received as a whole before the script runs, since
        CGI requires the length.
        """
        http1 = running.http1_of(self._handler)
        reader, framing = http1.reader, http1.stream.framing
        if self._redirects or framing.kind == "none":
            return None
        reader.decode_body()
        connection = http1.connection
        polls = connection is not None and connection.transport.polls
        if connection is not None and polls and framing.kind == "length" and not reader.complete:
            return Upload(reader, connection, framing.length)
        return self._spool(reader)

    def _spool(self, reader: Reader) -> IO[bytes]:
        """The whole body, in a temporary file."""
        import tempfile

        file = tempfile.TemporaryFile()  # noqa: SIM115  closed by run_cgi
        try:
            while piece := reader.read1(_SPOOL_BYTES):
                file.write(piece)
            if reader.truncated:
                raise BrokenOff(
                    HTTPStatus.BAD_REQUEST, "the client ended the connection within the body", rule="RFC 9112 section 8"
                )
            file.flush()
        except BaseException:
            file.close()
            raise
        return file

    def _leave_body(self) -> None:
        """Read the rest of the body that the script has left, however much, if the connection goes on."""
        reader = running.http1_of(self._handler).reader
        if not self._handler.close_connection and not reader.complete:
            self._handler.wfile.flush()
            while reader.read1(_SPOOL_BYTES):
                pass

    def _environment(self, script: CGIScript, body: IO[bytes] | Upload | None) -> dict[str, str]:
        variables = inherited_variables()
        variables |= {
            "GATEWAY_INTERFACE": "CGI/1.1",
            "PATH_INFO": decoded(script.path_info),
            "QUERY_STRING": native(script.query),
            "REMOTE_ADDR": self._handler.address_string(),
            "REMOTE_HOST": self._handler.address_string(),  # section 4.1.9: the address may replace the name
            "REMOTE_PORT": str(self._handler.client_address[1]),
            "REQUEST_METHOD": self._handler.command or "",
            "REQUEST_URI": native(self._handler.path),
            "SCRIPT_FILENAME": os.path.abspath(script.file),
            "SCRIPT_NAME": script.name,
            "SERVER_NAME": self._server_name(),
            "SERVER_PORT": str(getattr(self._handler.server, "server_port", "")),
            "SERVER_PROTOCOL": self._handler.request_version,
            "SERVER_SOFTWARE": self._handler.version_string(),
        }
        if script.path_info:
            variables["PATH_TRANSLATED"] = self._site.translate(script.path_info)
        connection = running.http1_of(self._handler).connection
        if connection is not None and not connection.transport.plain:
            variables["HTTPS"] = "on"
        if isinstance(body, Upload):
            variables["CONTENT_LENGTH"] = str(body.length)
        elif body is not None:
            variables["CONTENT_LENGTH"] = str(body.tell())
            body.seek(0)
        if not self._redirects and (content_type := running.stream_of(self._handler).headers.get("content-type")):
            variables["CONTENT_TYPE"] = native(content_type)
        variables |= authorization_variables(running.stream_of(self._handler).headers.get("authorization", ""))
        variables |= header_variables(running.stream_of(self._handler).headers.fields)
        variables |= self._site.env
        return variables

    def _server_name(self) -> str:
        """The host that the request is directed to (section 4.1.14), or else the server's address."""
        host = target_of(self._handler.path).authority or running.stream_of(self._handler).headers.get("host", "")
        if host and grammar.is_host(host):
            return _PORT.sub("", host)
        name = str(getattr(self._handler.server, "server_name", ""))
        return f"[{name}]" if ":" in name else name

    # Its answer

    def _relay(self, script: CGIScript, child: Child) -> str | None:
        lines, piece = child.read_head()
        try:
            head = parse_output_head(lines, strict=self._handler.strict)
        except ScriptError:
            with contextlib.suppress(ScriptError):
                child.wait()  # it may still explain itself on stderr
            raise
        if head.local is not None:
            piece = piece or child.read()
            if not piece:
                self._log_end(script, child.wait())
                return head.local
        self._send_output_head(head, with_body=bool(piece))
        self._send_output(script, child, piece, head.length)
        return None

    def _send_output_head(self, head: OutputHead, *, with_body: bool) -> None:
        running.hold_head(self._handler)
        self._handler.log_request(head.status)
        self._handler.send_response_only(head.status, head.reason)
        given = {name.lower() for name, _ in head.fields}
        if "server" not in given:
            self._handler.send_header("Server", self._handler.version_string())
        if "date" not in given:
            self._handler.send_header("Date", self._handler.date_time_string())
        for name, value in head.fields:
            self._handler.send_header(name, value)
        self._chunked = head.length is None and running.stream_of(self._handler).has_body and self._speaks_chunks()
        if self._chunked:
            self._handler.send_header("Transfer-Encoding", "chunked")
        self._handler.end_headers()
        if not with_body:
            self._handler.wfile.flush()  # the body may take long to come

    def _speaks_chunks(self) -> bool:
        return running.stream_of(self._handler).version >= (1, 1) and self._handler.protocol_version >= "HTTP/1.1"

    def _send_output(self, script: CGIScript, child: Child, piece: bytes, length: int | None) -> None:
        """Send the body, which begins with ``piece``; reads even what must not be sent."""
        sent = surplus = 0
        sends = running.stream_of(self._handler).has_body
        last = b""  # is sent together with the end
        piece = piece or child.read()
        while piece:
            if length is not None and sent + len(piece) > length:
                surplus += sent + len(piece) - length
                piece = piece[: length - sent]
            if sends and piece:
                last = piece
                if not child.is_over():
                    self._write_output(last)
                    last = b""
            sent += len(piece)
            piece = child.read()
        if surplus:
            self._told.log(script, f"wrote {surplus} bytes more than its Content-Length, which are not sent")
        end = encode_last_chunk() if self._chunked else b""
        if child.outlives_its_output():
            self._write_output(last, end)
            child.go_on(lambda text: self._told.log_later(script, text))
            return
        # The client sees the end only after the script's status is known and logged.
        status = child.wait()
        if status < 0:  # its output must not pass for complete
            raise ScriptError(HTTPStatus.BAD_GATEWAY, f"it {describe_end(status)}")
        self._log_end(script, status)
        self._write_output(last, end)

    def _write_output(self, piece: bytes, end: bytes = b"") -> None:
        framed = (encode_chunk(piece) if self._chunked and piece else piece) + end
        if framed:
            self._handler.wfile.write(framed)
            if isinstance(self._handler.wfile, Writer):
                self._handler.wfile.written -= len(framed) - len(piece)

    def _redirect(self, location: str) -> None:
        """Answer like a GET of ``location`` (section 6.2.2)."""
        if self._redirects == MOST_LOCAL_REDIRECTS:
            raise ScriptError(HTTPStatus.BAD_GATEWAY, f"it redirects, after {MOST_LOCAL_REDIRECTS} others that did")
        handler = self._handler
        handler.path = location
        if handler.command != "HEAD":
            handler.command = "GET"
        self._told.redirected(self._redirects + 1)

    def _log_end(self, script: CGIScript, status: int) -> None:
        if status != 0:
            self._told.log(script, describe_end(status))


def _what_is_large(command: Sequence[str], variables: Mapping[str, str]) -> str:
    """Describe the size of a command that is too long for the system."""
    sizes = {f"the variable {name}": len(os.fsencode(value)) for name, value in variables.items()}
    sizes["its arguments"] = sum(len(os.fsencode(word)) for word in command)
    largest = max(sizes, key=sizes.__getitem__)
    return f"of {sum(sizes.values())} bytes of variables and arguments, {largest} has {sizes[largest]}"


def _check_spelling(path: str) -> None:
    """Raise FileNotFoundError for a path that cannot be a file name or the value of a variable."""
    try:
        spelt = os.fsencode(path)
    except UnicodeEncodeError:
        spelt = b"\0"
    if b"\0" in spelt:
        raise FileNotFoundError(path)


def _needs_python(handler: CGIFront, script: CGIScript) -> bool:
    return not handler.have_fork and handler.is_python(script.file)


def answer_failure(handler: CGIFront, error: ScriptError) -> None:
    """Send an error for a script that has failed, unless its response has begun."""
    handler.close_connection = True
    if running.stream_of(handler).status is None:
        running.send_error(handler, error.status, f"The CGI script failed: {error}")
