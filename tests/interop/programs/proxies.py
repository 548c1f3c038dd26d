"""Intercepting proxies: after CONNECT, proxy3 goes on over files of its own, and proxyspy over a socket of its own."""

from __future__ import annotations

import re
import ssl
import subprocess
import sys

from tests.interop.programs.program import Program, Site
from tests.interop.programs.visit import Visit


def proxy3(site: Site) -> list[str]:
    subprocess.run(
        [sys.executable, "-m", "proxy3", "--make-certs"], cwd=site.directory, check=True, capture_output=True
    )
    _upstreams(site)
    return ["-m", "proxy3", "--bind", "127.0.0.1", "--port", "0", "--domain", "127.0.0.1"]


def _upstreams(site: Site) -> None:
    for upstream in (site.upstream, site.secure_upstream):
        upstream.on("GET", "/a").respond(text="content of a", headers={"X-From": "upstream"})
        upstream.on("POST", "/echo").respond(text="taken")
        upstream.on("GET", "/none").respond(404, text="not there")


def talk_through_proxy3(visit: Visit) -> None:
    context = ssl.create_default_context(cafile=str(visit.directory / "ca-cert.pem"))
    plain, secure = visit.upstream, visit.secure_upstream
    with visit.connection() as kept:
        kept.request("GET", plain.url_for("/a"))
        kept.request("GET", plain.url_for("/none"))
        kept.request("POST", plain.url_for("/echo"), "a body")
    with visit.connection(context, tunnel=(secure.host, secure.port)) as kept:
        kept.request("GET", "/a")
        kept.request("POST", "/echo", "a body")
        kept.request("POST", "/echo", "x" * 100_000)
        kept.request("GET", "/none")
    with visit.connection(context, tunnel=(secure.host, secure.port)) as kept:
        kept.request("GET", "/a")
    _curl(visit, visit.directory / "ca-cert.pem")
    with visit.connection(visit.ca.client_ssl_context(), tunnel=("localhost", secure.port)) as kept:
        kept.request("GET", "/a")  # not its domain: relayed as it is
        kept.request("POST", "/echo", "x" * 100_000)
    visit.request("GET", "http://127.0.0.1:1/refused")


def _curl(visit: Visit, ca: object) -> None:
    url = visit.secure_upstream.url_for("/a")
    for version in ("--http1.0", "--http1.1"):
        visit.curl(version, "-x", visit.url(), "--cacert", str(ca), url, url)
    visit.note("arrived", [str(exchange.request) for exchange in visit.secure_upstream.exchanges])


def proxyspy(site: Site) -> list[str]:
    _upstreams(site)
    return ["-m", "proxyspy", "--standalone", "--cert-dir", "certs"]


def talk_through_proxyspy(visit: Visit) -> None:
    secure = visit.secure_upstream
    visit.printed(re.compile("export .*"))
    context = ssl.create_default_context(cafile=str(visit.directory / "certs" / "cert.pem"))
    with visit.connection(context, tunnel=("localhost", secure.port)) as kept:
        kept.request("GET", "/a")
        kept.request("POST", "/echo", "a body")
    visit.request("GET", secure.url_for("/a"))


PROXY3 = Program("proxy3", proxy3, talk_through_proxy3)
PROXYSPY = Program("proxyspy", proxyspy, talk_through_proxyspy)
