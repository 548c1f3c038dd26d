"""A drop-in for ``http.server``: ``from pytest_httpserve.server import ThreadingHTTPServer``."""

from pytest_httpserve.server.base import BaseHTTPRequestHandler
from pytest_httpserve.server.servers import HTTPServer, ThreadingHTTPServer
from pytest_httpserve.server.static import SimpleHTTPRequestHandler

__all__ = ["BaseHTTPRequestHandler", "HTTPServer", "SimpleHTTPRequestHandler", "ThreadingHTTPServer"]
