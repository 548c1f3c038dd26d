"""Remote calls: jsonrpclib-pelix with threads of its own, Robot Framework's server, tlslite-ng's TLS beneath."""

from __future__ import annotations

import json
import xmlrpc.client

from tests.interop.programs.program import Program, Site
from tests.interop.programs.visit import Visit

JSON = """
from jsonrpclib.SimpleJSONRPCServer import PooledJSONRPCServer
server = PooledJSONRPCServer(("127.0.0.1", 0), logRequests=True)
server.register_function(pow)
server.register_function(lambda text: text.upper(), "upper")
server.register_function(lambda: 1 / 0, "fails")
server.register_introspection_functions()
try:
    server.serve_forever()
finally:
    server.server_close()
"""
ROBOT = """
from robotremoteserver import RobotRemoteServer

class Library:
    def greet(self, name):
        print("greeting", name)
        return "hello " + name

    def fail(self):
        raise AssertionError("on purpose")

RobotRemoteServer(Library(), port=0)
"""
SECURE = """
import socketserver
from http.server import HTTPServer, SimpleHTTPRequestHandler
from tlslite.api import X509CertChain, TLSSocketServerMixIn, parsePEMKey
chain = X509CertChain()
chain.parsePemList(open("certificate.pem").read())
key = parsePEMKey(open("key.pem").read(), private=True)

class Handler(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

class Server(socketserver.ThreadingMixIn, TLSSocketServerMixIn, HTTPServer):
    daemon_threads = True

    def handshake(self, connection):
        connection.handshakeServer(certChain=chain, privateKey=key)
        connection.ignoreAbruptClose = True
        return True

Server(("127.0.0.1", 0), Handler).serve_forever()
"""


def by_json(site: Site) -> list[str]:
    return [str(site.write("program.py", JSON))]


def talk_json(visit: Visit) -> None:
    def call(method: str, *params: object, number: int = 1) -> str:
        return json.dumps({"jsonrpc": "2.0", "method": method, "params": params, "id": number})

    with visit.connection() as kept:
        kept.request("POST", "/", call("pow", 2, 10))
        kept.request("POST", "/", call("upper", "x" * 100_000))
        kept.request("POST", "/", f"[{call('pow', 2, 3)}, {call('upper', 'a', number=2)}]")
        kept.request("POST", "/", call("none"))
        kept.request("POST", "/", "{")
        kept.request("POST", "/elsewhere", call("pow", 2, 2))
        kept.request("GET", "/")
    visit.request("POST", "/", call("system.listMethods"))
    visit.request("POST", "/", json.dumps({"jsonrpc": "2.0", "method": "pow", "params": [1, 1]}))


def by_robot(site: Site) -> list[str]:
    return [str(site.write("program.py", ROBOT))]


def talk_robot(visit: Visit) -> None:
    with xmlrpc.client.ServerProxy(visit.url("/RPC2")) as proxy:
        visit.note("keywords", proxy.get_keyword_names())
        visit.note("greet", proxy.run_keyword("greet", ["you"]))
        visit.note("greet", proxy.run_keyword("greet", ["x" * 200_000]))
        visit.note("arguments", proxy.get_keyword_arguments("greet"))
    visit.request("POST", "/RPC2", "no XML")
    visit.request("GET", "/RPC2")
    with xmlrpc.client.ServerProxy(visit.url("/RPC2")) as proxy:
        visit.note("stop", proxy.stop_remote_server())


def securely(site: Site) -> list[str]:
    certificate = site.ca.issue("127.0.0.1", key_type="rsa")
    site.write("certificate.pem", certificate.chain)
    site.write("key.pem", certificate.key)
    site.write("a.txt", "content of a")
    return [str(site.write("program.py", SECURE))]


def talk_securely(visit: Visit) -> None:
    context = visit.ca.client_ssl_context()
    with visit.connection(context) as kept:
        kept.request("GET", "/a.txt")
        kept.request("HEAD", "/a.txt")
        kept.request("POST", "/", "a body")
        kept.request("POST", "/", "x" * 10_000)
        kept.request("GET", "/none")  # ends the connection
    with visit.connection(context) as first, visit.connection(context) as second:
        second.request("GET", "/a.txt", Connection="close")
        first.request("HEAD", "/a.txt", Connection="close")


JSON_RPC = Program("jsonrpclib-pelix", by_json, talk_json)
ROBOT_SERVER = Program("robotremoteserver", by_robot, talk_robot, ends_itself=True)
SECURE_SERVER = Program("tlslite-ng", securely, talk_securely, more=frozenset({"etag", "accept-ranges"}))
