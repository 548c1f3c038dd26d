"""Kind 5, names: what programs take from the module ``http.server``, with an underscore or without."""

import os
import select
import socket
import stat

from tests.compat.kinds.bodies import answering
from tests.compat.table import QUIET_SCRIPTS, Kind

kind = Kind(5, "names")


@kind.case(gives=(200, "Not Found", "OK"))
def http_status(http, run):
    return http.HTTPStatus.OK.value, http.HTTPStatus(404).phrase, http.HTTPStatus.OK.phrase


@kind.case(gives=["404", "404 - Nothing matches", "text/html;charset=utf-8"])
def the_default_error_page_as_a_template(http, run):
    page = http.DEFAULT_ERROR_MESSAGE % {"code": 404, "message": "Not Found", "explain": "Nothing matches"}
    lines = [line.strip() for line in page.splitlines()]
    code = next(line for line in lines if "Error code: " in line)
    explanation = next(line for line in lines if "explanation" in line)
    words = explanation.removeprefix("<p>Error code explanation: ").removesuffix(".</p>")
    return [code.removeprefix("<p>Error code: ").removesuffix("</p>"), words, http.DEFAULT_ERROR_CONTENT_TYPE]


@kind.case(gives=[True, True])
def the_error_page_is_the_class_attribute(http, run):
    handler = http.BaseHTTPRequestHandler
    return [
        handler.error_message_format == http.DEFAULT_ERROR_MESSAGE,
        handler.error_content_type == http.DEFAULT_ERROR_CONTENT_TYPE,
    ]


@kind.case(gives=(200, b"/threads"))
def socketserver_by_way_of_the_module(http, run):
    class Server(http.socketserver.ThreadingMixIn, http.HTTPServer):
        daemon_threads = True

    return run.connect(run.serve(answering(http), Server)).get("/threads")


@kind.case(gives=True, before=(3, 15))
def a_version(http, run):
    return isinstance(http.__version__, str) and http.__version__[0].isdigit()


@kind.case(gives=[True, False])
def executable(http, run):
    script, text = run.file("script", b"#!/bin/sh\n"), run.file("text", b"")
    script.chmod(script.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
    text.chmod(0o600)
    return [http.executable(str(script)), http.executable(str(text))]


@kind.case(gives=True)
def the_number_of_nobody(http, run):
    import pwd

    return http.nobody_uid() == pwd.getpwnam("nobody").pw_uid


@kind.case(gives=("/cgi-bin/x.py", "//a"), before=(3, 15))
def a_collapsed_path(http, run):
    return http._url_collapse_path("/cgi-bin/../cgi-bin/./x.py"), http._url_collapse_path("/b/../a")


@kind.case(gives=[True, True])
def the_best_family(http, run):
    family, address = http._get_best_family("127.0.0.1", 8000)
    return [family == socket.AF_INET, address == ("127.0.0.1", 8000)]


@kind.case(gives=["\\x1b[0m", "a\\\\b", "\\x00"])
def the_table_of_control_characters(http, run):
    table = http.BaseHTTPRequestHandler._control_char_table
    return [text.translate(table) for text in ("\x1b[0m", "a\\b", "\0")]


@kind.case(gives=["application/gzip", "application/x-bzip2", "application/octet-stream"])
def the_map_of_encodings(http, run):
    encodings = http.SimpleHTTPRequestHandler._encodings_map_default
    return [encodings[suffix] for suffix in (".gz", ".bz2", ".Z")]


@kind.case(gives=["<b>", "&lt;b&gt;", "a%20b", True, True, True])
def modules_that_it_imports(http, run):
    return [
        http.html.unescape("&lt;b&gt;"),
        http.html.escape("<b>"),
        http.urllib.parse.quote("a b"),
        http.os is os,
        http.socket is socket,
        http.time.time() > 0,
    ]


@kind.case(gives=True)
def mimetypes_and_shutil_and_posixpath(http, run):
    return all(hasattr(http, name) for name in ("mimetypes", "shutil", "posixpath", "sys", "io", "email", "datetime"))


@kind.case(gives=[(True, True), (True, True), (True, True)])
def a_star_import(http, run):
    names = {}
    exec(f"from {http.__name__} import *", names)
    wanted = ("HTTPServer", "BaseHTTPRequestHandler", "SimpleHTTPRequestHandler")
    return [(name in names, names.get(name) is getattr(http, name)) for name in wanted]


@kind.case(gives=(200, b"drained 5 bytes"))
def the_socket_beneath_an_unbuffered_rfile(http, run):
    # Copies of run_cgi throw away what the client sends too much in this way.
    class Copied(answering(http)):
        rbufsize = 0

        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            drained = 0
            while select.select([self.rfile._sock], [], [], 0)[0]:
                data = self.rfile._sock.recv(1)
                if not data:
                    break
                drained += len(data)
            self.answer(b"drained %d bytes" % drained)

    client = run.connect(run.serve(Copied))
    client.send(b"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 4\r\n\r\nbody+more")
    return client.answer()


@kind.case(gives=[True])
def the_descriptor_of_both_files(http, run):
    class Looking(answering(http)):
        def do_GET(self):
            super().do_GET()
            run.notes.append(self.rfile.fileno() == self.connection.fileno() == self.wfile.fileno())

    run.connect(run.serve(Looking)).get()
    return run.notes.wait_for(1)


@kind.case(gives=["BaseHTTPRequestHandler", "SimpleHTTPRequestHandler", "TCPServer", "StreamRequestHandler"])
def the_classes_it_is_built_from(http, run):
    # A CGI handler is a SimpleHTTPRequestHandler, and so on, for whoever asks with issubclass.
    order = [
        (http.SimpleHTTPRequestHandler, http.BaseHTTPRequestHandler),
        (http.ThreadingHTTPServer, http.HTTPServer),
        (http.HTTPServer, http.socketserver.TCPServer),
        (http.BaseHTTPRequestHandler, http.socketserver.StreamRequestHandler),
    ]
    assert all(issubclass(one, other) for one, other in order)
    return [
        http.BaseHTTPRequestHandler.__name__,
        http.SimpleHTTPRequestHandler.__name__,
        http.socketserver.TCPServer.__name__,
        http.socketserver.StreamRequestHandler.__name__,
    ]


# HTTPS, which http.server has since Python 3.14


def certificate(run):
    """The files of a certificate for localhost, that the client's context trusts."""
    files = run.folder / "cert.pem", run.folder / "key.pem"
    for file, pem in zip(files, run.certificate(), strict=True):
        file.write_bytes(pem)
    return map(str, files)


@kind.case(gives=[(200, b"/a"), (200, b"/b")], since=(3, 14))
def an_https_server(http, run):
    certfile, keyfile = certificate(run)
    server = http.ThreadingHTTPSServer(("127.0.0.1", 0), answering(http), certfile=certfile, keyfile=keyfile)
    client = run.connect(run.serve(None, server))
    client.wrap(run.client_context())
    return [client.get("/a"), client.get("/b")]


@kind.case(gives=[(200, b"/a"), ["http/1.1"]], since=(3, 14))
def an_https_server_of_ones_own(http, run):
    class Server(http.HTTPSServer):
        def _create_context(self):
            run.notes.extend(self.alpn_protocols)
            return super()._create_context()

    certfile, keyfile = certificate(run)
    client = run.connect(run.serve(None, Server(("127.0.0.1", 0), answering(http), certfile=certfile, keyfile=keyfile)))
    client.wrap(run.client_context())
    return [client.get("/a"), list(run.notes)]


# CGI, which http.server has until Python 3.14


def answers_of_scripts(http, run, *requests, **attributes):
    """Status and body of each answer; http.server sends what a script writes as it is, so heads are not compared."""

    class Scripts(http.CGIHTTPRequestHandler):
        pass

    for name, value in attributes.items():
        setattr(Scripts, name, value)
    server, answers = run.serve_files(Scripts), []
    for request in requests:
        client = run.connect(server)
        client.send(request)
        head, _, body = client.until_closed().replace(b"\r\n", b"\n").partition(b"\n\n")
        answers.append((int(head.split()[1]), body))
        client.forget()
    return answers


def script(run, text, name="cgi-bin/script"):
    path = run.file(name, b"#!/bin/sh\n" + text)
    for one in (run.folder, path.parent, path):
        one.chmod(0o755)  # for the user nobody, as whom a server that runs as root has scripts run


@kind.case(gives=[(200, b"hello of GET /more a=b\n")], before=(3, 15), needs=("fork",))
def a_cgi_script(http, run):
    script(run, b"echo Content-Type: text/plain; echo; echo hello of $REQUEST_METHOD $PATH_INFO $QUERY_STRING\n")
    return answers_of_scripts(http, run, b"GET /cgi-bin/script/more?a=b HTTP/1.0\r\n\r\n")


@kind.case(gives=[(200, b"posted")], before=(3, 15), needs=("fork",))
def a_cgi_script_that_reads_its_body(http, run):
    script(run, b"echo Content-Type: text/plain; echo; head -c $CONTENT_LENGTH\n")
    request = b"POST /cgi-bin/script HTTP/1.0\r\nContent-Type: text/plain\r\nContent-Length: 6\r\n\r\nposted"
    return answers_of_scripts(http, run, request)


@kind.case(gives=[(200, b"scripts\n"), (404, b"")], before=(3, 15), needs=("fork",))
def cgi_directories_of_ones_own(http, run):
    script(run, b"echo Content-Type: text/plain; echo; echo scripts\n", "scripts/script")
    requests = [b"GET /scripts/script HTTP/1.0\r\n\r\n", b"GET /cgi-bin/script HTTP/1.0\r\n\r\n"]
    return answers_of_scripts(http, run, *requests, cgi_directories=["/scripts"], error_message_format="")


@kind.case(gives=[(200, b"alone\n")], before=(3, 15), differs=QUIET_SCRIPTS)
def a_cgi_script_without_fork(http, run):
    script(run, b"echo Content-Type: text/plain; echo; echo alone\n")
    return answers_of_scripts(http, run, b"GET /cgi-bin/script HTTP/1.0\r\n\r\n", have_fork=False)


@kind.case(gives=[True, False, ("/cgi-bin", "script")], before=(3, 15))
def is_cgi_without_a_request(http, run):
    class Scripts(http.CGIHTTPRequestHandler):
        def __init__(self, path):
            self.path = path

    inside, outside = Scripts("/cgi-bin/script"), Scripts("/a.txt")
    return [inside.is_cgi(), outside.is_cgi(), tuple(inside.cgi_info)]
