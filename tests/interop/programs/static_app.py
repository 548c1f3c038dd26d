"""web.py's static files: a handler that never calls ``super().__init__``, and one that is made of no socket at all."""

from __future__ import annotations

from tests.interop.programs.program import Program, Site
from tests.interop.programs.visit import Visit

APPLICATION = """
import web
from wsgiref.simple_server import make_server

class index:
    def GET(self, name):
        return "hello " + name

    def POST(self, name):
        return web.data()

application = web.application(("/(.*)", index), {"index": index}, autoreload=False).wsgifunc()
wrapped = web.httpserver.LogMiddleware(web.httpserver.StaticMiddleware(application))
make_server("127.0.0.1", 0, wrapped).serve_forever()
"""


def prepare(site: Site) -> list[str]:
    site.write("static/a.txt", "content of a")
    site.write("static/folder/b.txt", "b")
    return [str(site.write("program.py", APPLICATION))]


def talk(visit: Visit) -> None:
    visit.request("GET", "/you")
    visit.request("POST", "/", "a body")
    visit.request("GET", "/static/a.txt")
    visit.request("HEAD", "/static/a.txt")
    visit.request("GET", "/static/a.txt", Range="bytes=3-6")
    visit.request("GET", "/static/a.txt", If_None_Match='"1700000000.0"')
    visit.request("GET", "/static/none")
    visit.request("GET", "/static/folder/")
    visit.request("GET", "/static/folder")
    visit.request("GET", "/static/%2e%2e/program.py")


PROGRAM = Program("web.py", prepare, talk)
