"""CGIHTTPRequestHandler: programs beneath a directory that answer requests (RFC 3875)."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import select
import sys
from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import IO, Any, ClassVar

from pytest_httpserve.errors import RequestError, ScriptError
from pytest_httpserve.protocol.reader import Reader
from pytest_httpserve.protocol.writer import Writer
from pytest_httpserve.server.cgi_paths import collapsed, decoded, encoded, executable, is_beneath
from pytest_httpserve.server.cgi_process import Child, describe_end, is_root, nobody
from pytest_httpserve.server.cgi_script import (
    CGIScript,
    OutputHead,
    authorization_variables,
    header_variables,
    inherited_variables,
    native,
    parse_output_head,
)
from pytest_httpserve.server.cgi_upload import Upload
from pytest_httpserve.server.file_paths import OpenFile, path_of
from pytest_httpserve.server.static import SimpleHTTPRequestHandler
from pytest_httpserve.wire import grammar
from pytest_httpserve.wire.framing import encode_chunk, encode_last_chunk
from pytest_httpserve.wire.grammar import DEFAULT_LIMITS

CGI_TIMEOUT = 30.0  # seconds
MOST_LOCAL_REDIRECTS = 10

_SPOOL_BYTES = 65_536
# What could end a line, or a variable: RFC 3875 section 4.1.5 lets a server refuse it in PATH_INFO.
_OBJECTIONABLE = re.compile(r"[\0\r\n]")
_PORT = re.compile(r":[0-9]*$")


class CGIHTTPRequestHandler(SimpleHTTPRequestHandler):
    """Serves files as SimpleHTTPRequestHandler does, and runs those beneath ``cgi_directories`` for their output.

    A script may keep the server waiting for ``cgi_timeout`` seconds (None for no limit), then it is killed. It gets the
    server's environment, the variables of RFC 3875, and ``cgi_env``. If the server runs as root, scripts run as the
    user nobody, unless ``cgi_as_nobody`` is unset. They run in the server's working directory or, with
    ``cgi_in_place``, in their own, as RFC 3875 has it. ``cgi_prefix`` is what SCRIPT_NAME has before ``cgi_info``.

    What is beneath a CGI directory is run or refused, and never sent.
    """

    cgi_directories: ClassVar[list[str]] = ["/cgi-bin", "/htbin"]
    cgi_timeout: float | None = CGI_TIMEOUT
    cgi_env: Mapping[str, str] = MappingProxyType({})
    cgi_as_nobody: bool = True
    cgi_in_place: bool = False
    cgi_prefix: str = ""
    # A body is kept as a whole nowhere but on disk, and there as far as it comes: scripts may be told of any length.
    limits = dataclasses.replace(DEFAULT_LIMITS, body=10**20 - 1)
    # Without fork, says http.server, files cannot be marked as executable, and Python runs those that are Python's.
    have_fork: bool = hasattr(os, "fork")

    cgi_info: tuple[str, str]

    _chunked = False  # whether the response in hand is
    _local_redirects = 0  # that led to the path in hand

    def do_POST(self) -> None:
        """Run a script; 501 for what is none."""
        if self.is_cgi():
            self.run_cgi()
        else:
            self.send_error(HTTPStatus.NOT_IMPLEMENTED, "Can only POST to CGI scripts")

    # The result is send_head's in SimpleHTTPRequestHandler; of a script, all has been sent.
    def send_head(self) -> Any:
        """Run the script if there is one, else answer as SimpleHTTPRequestHandler does."""
        return self.run_cgi() if self.is_cgi() else super().send_head()

    # Which script

    def is_cgi(self) -> bool:
        """Whether ``path`` lies beneath one of ``cgi_directories``.

        If so, ``cgi_info`` is set to that directory and to what follows its slash, both percent-encoded, with the
        query. Nested directories, the script and what comes behind it are told apart by ``run_cgi``.
        """
        path = collapsed(path_of(self.path))
        slash = path.find("/", 1)
        while slash > 0:
            if path[:slash] in self.cgi_directories:
                self.set_cgi_info(path[:slash], path[slash + 1 :])
                return True
            slash = path.find("/", slash + 1)
        return False

    def set_cgi_info(self, directory: str, rest: str) -> None:
        """Set ``cgi_info`` to these parts of a decoded path, and the query of the request."""
        _, mark, query = self.path.partition("?")
        self.cgi_info = encoded(directory), encoded(rest) + mark + query

    def is_executable(self, path: str) -> bool:
        """Whether the file ``path`` may be executed."""
        return executable(path)

    def is_python(self, path: str) -> bool:
        """Whether the file ``path`` is a Python script, by its name."""
        return os.path.splitext(path)[1].lower() in (".py", ".pyw")

    def _find_script(self) -> CGIScript | None:
        """The script that ``cgi_info`` names; None if it cannot be run: then the answer has been given."""
        directory, rest = self.cgi_info
        rest, _, query = rest.partition("?")
        name, slash, info = rest.partition("/")
        while slash and os.path.isdir(self._translate(f"{directory}/{name}")):
            directory = f"{directory}/{name}"
            name, slash, info = info.partition("/")
        path = f"{directory}/{name}"
        script = CGIScript(self._translate(path), decoded(self.cgi_prefix + path), slash + info, query)
        if _OBJECTIONABLE.search(script.name + decoded(script.path_info)) or "\0" in query:
            self.send_error(HTTPStatus.BAD_REQUEST, explain="There is CR, LF or NUL in the path.")
        elif self._leads_out(script.file):
            self.send_error(HTTPStatus.FORBIDDEN, explain="A symbolic link here leads out of the served directory.")
        elif not (os.path.exists(script.file) and self._is_shown(script.file)):
            self.send_error(HTTPStatus.NOT_FOUND, "No such CGI script")
        elif not os.path.isfile(script.file):
            self.send_error(HTTPStatus.FORBIDDEN, "CGI script is not a plain file")
        elif not (self._needs_python(script) or self.is_executable(script.file)):
            self.send_error(HTTPStatus.FORBIDDEN, "CGI script is not executable")
        else:
            return script
        return None

    def _translate(self, path: str) -> str:
        """The file for a path that is not the request's own."""
        return self.translate_path(path)

    def _needs_python(self, script: CGIScript) -> bool:
        return not self.have_fork and self.is_python(script.file)

    def _open(self, path: str) -> OpenFile | None:
        # A second look, at the file itself: a link or a file system that ignores case gives it other names.
        return None if self._is_script(path) else super()._open(path)

    def _is_script(self, path: str) -> bool:
        """Whether ``path`` lies beneath a CGI directory, by whatever name."""
        for directory in self.cgi_directories:
            # As in is_cgi, "/" stands for the files of the root alone.
            if is_beneath(path, self._translate(encoded(directory)), nested=directory != "/"):
                return True
        return False

    # Its run

    def run_cgi(self) -> None:
        """Run the script that ``cgi_info`` names, and send what it answers, as it comes."""
        if not hasattr(select, "poll"):
            self.send_error(HTTPStatus.NOT_IMPLEMENTED, explain="CGI needs poll(), which this system has not.")
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
            self.script_failed(script, error)
        finally:
            if body is not None:
                body.close()

    def _run(self, script: CGIScript, body: IO[bytes] | Upload | None) -> str | None:
        """Run it and send its answer; the path of a local redirect, if that is its answer.

        The script is started before another thread leads the loop: it begins earlier, and the two do not contend.
        """
        file = os.path.abspath(script.file)
        command = [sys.executable, "-u", file] if self._needs_python(script) else [file]
        try:
            child = Child(
                [*command, *(script.search_words if self.command in ("GET", "HEAD") else ())],
                env=self._environment(script, body),
                stdin=body,
                cwd=os.path.dirname(file) if self.cgi_in_place else None,
                user=nobody() if self.cgi_as_nobody and is_root() else None,
                timeout=self.cgi_timeout,
                connection=self._connection,
                log=lambda text: self.log_script(script, text),
            )
        except PermissionError as error:
            self.send_error(HTTPStatus.FORBIDDEN, explain=f"CGI script cannot be run: {error.strerror}.")
            return None
        except OSError as error:
            hint = "does its first line name the program that runs it, as in #!/bin/sh?"
            raise ScriptError(HTTPStatus.BAD_GATEWAY, f"it cannot be run ({error.strerror}): {hint}") from None
        with child:
            try:
                return self._relay(script, child)
            except ScriptError as error:
                error.stderr = child.stderr
                raise

    def _body(self) -> IO[bytes] | Upload | None:
        """What the script reads; None if the request has no body.

        A body of which more is to come is given to the script as it comes. One without a length is received as a whole
        before the script runs, since CGI asks for the length.
        """
        if self._local_redirects or not ("content-length" in self._fields or "transfer-encoding" in self._fields):
            return None
        reader, connection = self._reader(), self._connection
        if connection is not None and self._framing.kind == "length" and not reader.complete:
            return Upload(reader, connection, self._framing.length)
        return self._spool(reader)

    def _spool(self, reader: Reader) -> IO[bytes]:
        """The whole body, in a temporary file."""
        import tempfile

        file = tempfile.TemporaryFile()  # noqa: SIM115  closed by run_cgi
        try:
            while piece := reader.read1(_SPOOL_BYTES):
                file.write(piece)
            if reader.truncated:
                raise RequestError(HTTPStatus.BAD_REQUEST, "the connection ended inside the body")
            file.flush()
        except BaseException:
            file.close()
            raise
        return file

    def _leave_body(self) -> None:
        """Take what the script has left of the body, however much, if the connection is to go on behind it."""
        reader = self._reader()
        if not self.close_connection and not reader.complete:
            self.wfile.flush()
            while reader.read1(_SPOOL_BYTES):
                pass

    def _environment(self, script: CGIScript, body: IO[bytes] | Upload | None) -> dict[str, str]:
        variables = inherited_variables()
        variables |= {
            "GATEWAY_INTERFACE": "CGI/1.1",
            "PATH_INFO": decoded(script.path_info),
            "QUERY_STRING": native(script.query),
            "REMOTE_ADDR": self.address_string(),
            "REMOTE_HOST": self.address_string(),  # section 4.1.9: the address stands in for a name
            "REMOTE_PORT": str(self.client_address[1]),
            "REQUEST_METHOD": self.command or "",
            "REQUEST_URI": native(self.path),
            "SCRIPT_FILENAME": os.path.abspath(script.file),
            "SCRIPT_NAME": script.name,
            "SERVER_NAME": self._server_name(),
            "SERVER_PORT": str(getattr(self.server, "server_port", "")),
            "SERVER_PROTOCOL": self.request_version,
            "SERVER_SOFTWARE": self.version_string(),
        }
        if script.path_info:
            variables["PATH_TRANSLATED"] = self._translate(script.path_info)
        if self._connection is not None and not self._connection.plain:
            variables["HTTPS"] = "on"
        if isinstance(body, Upload):
            variables["CONTENT_LENGTH"] = str(body.length)
        elif body is not None:
            variables["CONTENT_LENGTH"] = str(body.tell())
            body.seek(0)
        if not self._local_redirects and (content_type := self._fields.get("content-type")):
            variables["CONTENT_TYPE"] = native(content_type)
        variables |= authorization_variables(self._fields.get("authorization", ""))
        variables |= header_variables(self._fields.fields)
        variables |= self.cgi_env
        return variables

    def _server_name(self) -> str:
        """The host that the request is directed to (section 4.1.14), or else the address that the server has."""
        absolute = grammar.ABSOLUTE_FORM.fullmatch(self.path)
        host = absolute[2] if absolute else self._fields.get("host", "")
        if host and grammar.is_host(host):
            return _PORT.sub("", host)
        name = str(getattr(self.server, "server_name", ""))
        return f"[{name}]" if ":" in name else name

    # Its answer

    def _relay(self, script: CGIScript, child: Child) -> str | None:
        lines, piece = child.read_head()
        try:
            head = parse_output_head(lines, strict=self.strict)
        except ScriptError:
            with contextlib.suppress(ScriptError):
                child.wait()  # it may yet say on stderr what went wrong
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
        self._hold()
        self.log_request(head.status)
        self.send_response_only(head.status, head.reason)
        given = {name.lower() for name, _ in head.fields}
        if "server" not in given:
            self.send_header("Server", self.version_string())
        if "date" not in given:
            self.send_header("Date", self.date_time_string())
        for name, value in head.fields:
            self.send_header(name, value)
        self._chunked = head.length is None and self._status_has_body() and self._speaks_chunks()
        if self._chunked:
            self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        if not with_body:
            self.wfile.flush()  # what comes next may be long in coming

    def _speaks_chunks(self) -> bool:
        return self._version >= (1, 1) and self.protocol_version >= "HTTP/1.1"

    def _send_output(self, script: CGIScript, child: Child, piece: bytes, length: int | None) -> None:
        """Send the body, which begins with ``piece``; what is not to be sent is read all the same."""
        sent = surplus = 0
        sends = self._status_has_body()
        last = b""  # leaves with the end, which is here already
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
            self.log_script(script, f"wrote {surplus} bytes more than its Content-Length, which are not sent")
        # The client learns of the end when everything is known of it, and in the log.
        status = child.wait()
        if status < 0:  # what it has said so far must not pass for all it had to say
            raise ScriptError(HTTPStatus.BAD_GATEWAY, f"it {describe_end(status)}")
        self._log_end(script, status)
        self._write_output(last, end=encode_last_chunk() if self._chunked else b"")

    def _write_output(self, piece: bytes, end: bytes = b"") -> None:
        framed = (encode_chunk(piece) if self._chunked and piece else piece) + end
        if framed:
            self.wfile.write(framed)
            if isinstance(self.wfile, Writer):
                self.wfile.written -= len(framed) - len(piece)

    def _redirect(self, location: str) -> None:
        """Answer as a GET of ``location`` would be (section 6.2.2)."""
        if self._local_redirects == MOST_LOCAL_REDIRECTS:
            raise ScriptError(HTTPStatus.BAD_GATEWAY, f"it redirects, as {MOST_LOCAL_REDIRECTS} others have before it")
        self._local_redirects += 1
        self.path = location
        if self.command != "HEAD":
            self.command = "GET"
        try:
            self.answer_request()
        finally:
            self._local_redirects -= 1

    # What is said of it

    def _log_end(self, script: CGIScript, status: int) -> None:
        if status != 0:
            self.log_script(script, describe_end(status))

    def log_script(self, script: CGIScript, text: str) -> None:
        """Log a line of a script's stderr, or one about the script; here, as an error."""
        self.log_error("%s: %s", script.name, text)

    def script_failed(self, script: CGIScript, error: ScriptError) -> None:
        """A script has given no answer, or half of one: ``error`` says why, and how to answer."""
        self.log_script(script, str(error))
        self.close_connection = True
        if self._status is None:
            self.send_error(error.status, explain=f"The CGI script failed: {error}.")
