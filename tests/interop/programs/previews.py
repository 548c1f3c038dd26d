"""Previews of static sites: pelican's, mkdocs' and pdoc's, and RangeHTTPServer, which has ranges of its own."""

from __future__ import annotations

from tests.interop.programs.program import Program, Site
from tests.interop.programs.visit import Visit

PAGE = "<html><head><title>A page</title></head><body><p>a page</p></body></html>\n"
ADDED = frozenset({"etag", "accept-ranges"})


def pelican(site: Site) -> list[str]:
    site.write("output/index.html", PAGE)
    site.write("output/page.html", PAGE)
    site.write("output/folder/index.html", PAGE)
    site.write("output/bare/a.txt", "content of a")
    site.write("output/code.js", "let a")
    return ["-m", "pelican.server", "0", "127.0.0.1", "--path", "output"]


def talk_to_pelican(visit: Visit) -> None:
    for path in ("/", "/page", "/page.html", "/page?a=b", "/folder", "/folder/", "/bare/", "/bare/a.txt", "/code.js"):
        visit.request("GET", path)
        visit.request("HEAD", path)
    visit.request("GET", "/none")
    visit.request("GET", "/../pelican.log")
    visit.curl("--location", visit.url("/folder"))


def mkdocs(site: Site) -> list[str]:
    site.write("mkdocs.yml", "site_name: Site\ntheme: {name: null, custom_dir: theme}\nuse_directory_urls: true\n")
    site.write("theme/main.html", "<html><body>{{ page.content }}</body></html>")
    site.write("theme/404.html", "<html><body>not there</body></html>")
    site.write("docs/index.md", "# Welcome")
    site.write("docs/guide.md", "# The guide")
    site.write("docs/a.txt", "content of a")
    return ["-m", "mkdocs", "serve", "-a", "127.0.0.1:0", "--no-livereload"]


def talk_to_mkdocs(visit: Visit) -> None:
    for path in ("/", "/guide/", "/guide", "/a.txt", "/none"):
        visit.request("GET", path)
    visit.note("an epoch", visit.run("curl", "--silent", visit.url("/livereload/0/0")).isdigit())
    visit.request("HEAD", "/a.txt")
    visit.request("POST", "/", "body")
    visit.raw("HTTP/1.0", b"GET /a.txt HTTP/1.0\r\n\r\n")


def pdoc(site: Site) -> list[str]:
    site.write("shop.py", '"""A shop."""\n\ndef order(item: str) -> int:\n    """Order it."""\n    return 1\n')
    return ["-m", "pdoc", "--host", "127.0.0.1", "--port", "0", "--no-browser", "./shop.py"]


def talk_to_pdoc(visit: Visit) -> None:
    for path in ("/", "/shop.html", "/shop", "/shop.html?mtime=1", "/search.js", "/none", "/a.b.html"):
        visit.request("GET", path)
    visit.request("HEAD", "/shop.html")
    visit.request("POST", "/", "body")


def ranges(site: Site) -> list[str]:
    site.write("a.txt", "content of a")
    site.write("large", "0123456789" * 30_000)
    return ["-m", "RangeHTTPServer", "0", "--bind", "127.0.0.1"]


def talk_to_ranges(visit: Visit) -> None:
    for asked in (
        "bytes=3-6",
        "bytes=3-",
        "bytes=0-0",
        "bytes=3-1000",
        "bytes=1000-",
        "bytes=-3",
        "bytes=0-1,4-5",
        "x",
    ):
        visit.request("GET", "/a.txt", Range=asked)
    visit.request("HEAD", "/a.txt", Range="bytes=3-6")
    visit.request("GET", "/large", Range="bytes=1000-200999")
    visit.request("GET", "/a.txt")
    visit.request("HEAD", "/a.txt")
    visit.request("GET", "/")
    visit.request("GET", "/none", Range="bytes=3-6")
    visit.curl("-r", "3-6", visit.url("/a.txt"))


PELICAN = Program("pelican", pelican, talk_to_pelican, more=ADDED)
MKDOCS = Program("mkdocs", mkdocs, talk_to_mkdocs)
PDOC = Program("pdoc", pdoc, talk_to_pdoc)
RANGES = Program("RangeHTTPServer", ranges, talk_to_ranges, more=frozenset({"etag"}))
