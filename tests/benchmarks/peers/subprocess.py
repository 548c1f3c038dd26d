"""``subprocess.run``: what a CGI script costs without a server. It has no start; the measure of CGI runs it."""

from __future__ import annotations

from . import SUBPROCESS, Peer

PEER = Peer(SUBPROCESS, only=("cgi",))
