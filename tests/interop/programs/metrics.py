"""prometheus_client: an exposition endpoint, by wsgiref's server and by a handler of its own."""

from __future__ import annotations

from tests.interop.programs.program import Program, Site
from tests.interop.programs.visit import Visit

METRICS = """
from prometheus_client import CollectorRegistry, Counter, Gauge, disable_created_metrics
disable_created_metrics()
registry = CollectorRegistry()
Counter("orders", "Orders.", ["item"], registry=registry).labels("tea").inc(3)
Gauge("cups", "Cups.", registry=registry).set(7)
"""
STARTED = (
    METRICS
    + """
from prometheus_client import start_http_server
server, thread = start_http_server(0, addr="127.0.0.1", registry=registry)
thread.join()
"""
)
HANDLED = (
    METRICS
    + """
from http.server import ThreadingHTTPServer
from prometheus_client import MetricsHandler
ThreadingHTTPServer(("127.0.0.1", 0), MetricsHandler.factory(registry)).serve_forever()
"""
)


def started(site: Site) -> list[str]:
    return [str(site.write("started.py", STARTED))]


def handled(site: Site) -> list[str]:
    return [str(site.write("handled.py", HANDLED))]


def talk(visit: Visit) -> None:
    visit.request("GET", "/metrics")
    visit.request("GET", "/metrics?name[]=cups")
    visit.request("GET", "/metrics", Accept="application/openmetrics-text; version=1.0.0")
    visit.request("HEAD", "/metrics")
    visit.request("POST", "/metrics", "body")
    visit.request("OPTIONS", "/metrics")
    visit.request("GET", "/favicon.ico")
    visit.curl("--compressed", visit.url("/metrics"))
    visit.raw("pipelined", b"GET / HTTP/1.1\r\nHost: test\r\n\r\nGET / HTTP/1.1\r\nHost: test\r\n\r\n")


STARTED_SERVER = Program("prometheus_client-server", started, talk)
HANDLER = Program("prometheus_client-handler", handled, talk)
