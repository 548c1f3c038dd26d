"""CGI (RFC 3875): programs beneath a directory that answer requests."""

from __future__ import annotations

from pytest_httpserve.server.cgi.handler import CGI_TIMEOUT, CGIHTTPRequestHandler

__all__ = ["CGI_TIMEOUT", "CGIHTTPRequestHandler"]
