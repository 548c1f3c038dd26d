"""Django's development server: its handler overrides ``handle`` and ``handle_one_request``, and reads lines itself."""

from __future__ import annotations

from tests.interop.programs.program import Program, Site
from tests.interop.programs.visit import Visit

PROJECT = """
import sys
from django.conf import settings
from django.core.management import execute_from_command_line
from django.http import FileResponse, HttpResponse, JsonResponse, StreamingHttpResponse
from django.urls import path

settings.configure(DEBUG=True, SECRET_KEY="none", ROOT_URLCONF="manage", ALLOWED_HOSTS=["*"],
    MIDDLEWARE=["django.middleware.common.CommonMiddleware"])

def index(request):
    return HttpResponse("hello")

def echo(request):
    return HttpResponse(request.body)

def unread(request):
    return HttpResponse("not read")

def stream(request):
    return StreamingHttpResponse(f"{number}\\n" for number in range(5))

def environment(request):
    names = ("SERVER_PROTOCOL", "REQUEST_METHOD", "PATH_INFO", "QUERY_STRING", "HTTP_X_ONE", "CONTENT_LENGTH")
    return JsonResponse({name: request.META.get(name) for name in names})

def file(request):
    return FileResponse(open("a.txt", "rb"))

urlpatterns = [path(view.__name__, view) for view in (echo, unread, stream, environment, file)] + [path("", index)]

if __name__ == "__main__":
    sys.modules["manage"] = sys.modules["__main__"]
    execute_from_command_line(["manage.py", *sys.argv[1:]])
"""


def prepare(site: Site) -> list[str]:
    site.write("a.txt", "content of a")
    return [str(site.write("manage.py", PROJECT)), "runserver", "127.0.0.1:0", "--noreload", "--skip-checks"]


def talk(visit: Visit) -> None:
    with visit.connection() as kept:
        for _ in range(3):
            kept.request("GET", "/")
        kept.request("HEAD", "/")
        kept.request("POST", "/echo", "a body")
        kept.request("POST", "/echo", "x" * 100_000)
        kept.request("GET", "/environment?a=b%20c", X_One="1")
        kept.request("GET", "/file")
        kept.request("POST", "/unread", "never read")
        kept.request("GET", "/")
    visit.request("GET", "/stream")
    visit.request("POST", "/echo", b"5\r\nhello\r\n0\r\n\r\n", Transfer_Encoding="chunked")
    underlined = b"GET /environment HTTP/1.1\r\nHost: test\r\nX_One: not let through\r\nConnection: close\r\n\r\n"
    visit.raw("a name with an underline", underlined)
    visit.request("GET", "/" + "a" * 70_000)
    visit.request("NONE", "/")
    first, last = b"GET / HTTP/1.1\r\nHost: test\r\n\r\n", b"GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"
    visit.raw("pipelined", first + first + last)
    visit.raw("one after the other", first, first, last)
    visit.raw("HTTP/1.0", b"GET / HTTP/1.0\r\n\r\n")
    visit.raw("no request", b"\r\n")
    for version in ("--http1.0", "--http1.1"):
        visit.curl(version, "-d", "a", visit.url("/echo"), visit.url("/echo"))


PROGRAM = Program("django", prepare, talk)
