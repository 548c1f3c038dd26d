"""uploadserver: files up and down. It rewrites listings on their way, in ``_headers_buffer`` and by ``copyfile``."""

from __future__ import annotations

import base64

from tests.interop.programs.program import Program, Site
from tests.interop.programs.visit import Visit

BOUNDARY = "a-boundary"
KEY = "Basic " + base64.b64encode(b"somebody:secret").decode()


def prepare(site: Site) -> list[str]:
    site.write("served/a.txt", "content of a")
    site.write("served/folder/index.html", "<p>an index")
    return ["-m", "uploadserver", "-b", "127.0.0.1", "-d", "served", "--basic-auth-upload", "somebody:secret", "0"]


def form(name: str, content: str) -> str:
    disposition = f'Content-Disposition: form-data; name="files"; filename="{name}"'
    return f"--{BOUNDARY}\r\n{disposition}\r\n\r\n{content}\r\n--{BOUNDARY}--\r\n"


def talk(visit: Visit) -> None:
    multipart = f"multipart/form-data; boundary={BOUNDARY}"
    visit.request("GET", "/")
    visit.request("HEAD", "/")
    visit.request("GET", "/a.txt")
    visit.request("GET", "/folder")
    visit.request("GET", "/folder/")
    visit.request("GET", "/none")
    visit.request("GET", "/upload")
    visit.request("GET", "/upload", Authorization=KEY)
    visit.request("POST", "/upload", form("b.txt", "not let in"), Content_Type=multipart)
    visit.request("POST", "/upload", form("b.txt", "content of b"), Content_Type=multipart, Authorization=KEY)
    visit.request("PUT", "/upload", form("b.txt", "b again"), Content_Type=multipart, Authorization=KEY)
    visit.request("POST", "/upload", form("big", "x" * 300_000), Content_Type=multipart, Authorization=KEY)
    visit.request("POST", "/elsewhere", "body")
    visit.curl("-u", "somebody:secret", "-F", "files=@served/a.txt", visit.url("/upload"))
    served = visit.directory / "served"
    visit.note("uploaded", {path.name: path.stat().st_size for path in sorted(served.rglob("*")) if path.is_file()})
    visit.request("GET", "/")


# It needs CGIHTTPRequestHandler, which http.server has lost and ours has kept.
PROGRAM = Program("uploadserver", prepare, talk, more=frozenset({"etag", "accept-ranges"}), before=(3, 15))
