"""PyWebDAV3: a WebDAV server. Its handler is its own for every method of RFC 4918, and keeps connections."""

from __future__ import annotations

import base64
import re

from tests.interop.programs.program import Program, Site
from tests.interop.programs.visit import Visit

LOCK = """<?xml version="1.0" encoding="utf-8"?>
<D:lockinfo xmlns:D="DAV:"><D:lockscope><D:exclusive/></D:lockscope><D:locktype><D:write/></D:locktype>
<D:owner><D:href>somebody</D:href></D:owner></D:lockinfo>"""
NAMES = """<?xml version="1.0"?><D:propfind xmlns:D="DAV:"><D:prop><D:displayname/><D:getcontentlength/>
<D:resourcetype/></D:prop></D:propfind>"""


def prepare(site: Site) -> list[str]:
    site.write("a.txt", "content of a")
    site.write("folder/b.txt", "b")
    return ["-m", "pywebdav.server.server", "-D", str(site.directory), "-H", "127.0.0.1", "-P", "0", *ACCOUNT]


ACCOUNT = ["-u", "somebody", "-p", "secret", "-M"]


def talk(visit: Visit) -> None:
    key = {"Authorization": "Basic " + base64.b64encode(b"somebody:secret").decode()}
    visit.request("PROPFIND", "/", NAMES, Depth="1")  # without the password
    with visit.connection() as kept:
        kept.request("OPTIONS", "/", **key)
        kept.request("PROPFIND", "/folder/", NAMES, Depth="1", Content_Type="text/xml", **key)
        kept.request("GET", "/a.txt", **key)
        kept.request("GET", "/a.txt", Range="bytes=3-6", **key)
        kept.request("HEAD", "/a.txt", **key)
    with visit.connection() as kept:
        kept.request("MKCOL", "/new/", **key)
        kept.request("PUT", "/new/c.txt", "content of c", Content_Type="text/plain", **key)
        kept.request("PUT", "/new/empty.txt", "", **key)
        kept.request("COPY", "/new/c.txt", Destination=visit.url("/new/d.txt"), **key)
        kept.request("MOVE", "/new/d.txt", Destination=visit.url("/new/e.txt"), Overwrite="F", **key)
        kept.request("PROPFIND", "/new/", NAMES, Depth="1", **key)
        kept.request("DELETE", "/new/e.txt", **key)
        kept.request("GET", "/new/e.txt", **key)
    with visit.connection() as kept:
        answer = kept.request("LOCK", "/new/c.txt", LOCK, Depth="0", Timeout="Second-60", **key)
        kept.request("PUT", "/new/c.txt", "not mine", **key)
        if token := re.search(r"opaquelocktoken:[-\w]+", answer):
            kept.request("UNLOCK", "/new/c.txt", Lock_Token=f"<{token[0]}>", **key)
        kept.request("PUT", "/new/c.txt", "mine again", **key)
    with visit.connection() as kept:  # an answer of HTTP/1.0: nothing to wait for
        kept.request("PUT", "/new/asked.txt", "asked", Expect="100-continue", Connection="close", **key)
    visit.note("asked.txt", (visit.directory / "new" / "asked.txt").read_text())
    visit.request("DELETE", "/new/", **key)
    visit.note("what is left", sorted(path.name for path in visit.directory.rglob("*")))


PROGRAM = Program("PyWebDAV3", prepare, talk)
