"""Mistakes of clients, each with its correct twin, under a test as the documentation teaches it.

All of a table are run in one session of pytest, in a process of its own: two tests for each mistake, which differ in
what the client does and in nothing else.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

# What the tests within find: a client that sends bytes as they are, and the libraries of others.
_PRELUDE = '''
import base64
import concurrent.futures
import gzip
import hashlib
import hmac
import http.client
import json
import pathlib
import socket
import ssl
import time
import zlib

import brotli
import pytest
import requests
import urllib3

try:
    from compression import zstd
except ImportError:  # before Python 3.14
    import zstandard as zstd

from pytest_httpserve import Clock
from pytest_httpserve.faults import Close, Reset, Stall, Truncate

TIMEOUT = 10


def say(server, *parts, ends=True):
    """Send the parts, end the sending side, and return all that comes."""
    with socket.create_connection((server.host, server.port), timeout=TIMEOUT) as client:
        answer = b""
        try:
            for part in parts:
                client.sendall(part)
            if ends:
                client.shutdown(socket.SHUT_WR)
            while piece := client.recv(65536):
                answer += piece
        except ConnectionError:
            pass  # the server has refused what came first
        return answer


def post_part(server, disposition):
    """Send a form of one part, with this Content-Disposition."""
    body = b"--x\\r\\nContent-Disposition: " + disposition + b"\\r\\n\\r\\nall well\\r\\n--x--\\r\\n"
    requests.post(server.url_for("/files"), data=body, headers={"Content-Type": "multipart/form-data; boundary=x"})
'''

# How each of the tests within ended, and what its report says first.
_CONFTEST = """
import json
import os

ENDED = {}


def pytest_runtest_logreport(report):
    if report.failed:
        crash = getattr(report.longrepr, "reprcrash", None)
        ENDED[report.nodeid.split("::")[-1]] = crash.message if crash is not None else str(report.longrepr)
    elif report.when == "call":
        ENDED.setdefault(report.nodeid.split("::")[-1], "" if report.passed else "skipped")


def pytest_sessionfinish(session):
    with open(os.environ["TRUST_ENDED"], "w") as file:
        json.dump(ENDED, file)
"""


@dataclass(frozen=True)
class Mistake:
    """What a client does that it must not do.

    ``test`` is the body of a test, with ``CLIENT`` where the client is called; ``right`` and ``broken`` are what stands
    there. ``says`` is what the first line of the report has of the broken one, ``shows`` what is found beneath it.
    ``fixtures`` and ``marks`` are those of the test.
    """

    name: str
    says: str
    test: str
    right: str
    broken: str
    shows: str = ""
    fixtures: str = "httpserve"
    marks: str = ""

    @property
    def identifier(self) -> str:
        """Its name in Python."""
        return "".join(letter if letter.isalnum() else "_" for letter in self.name)

    def source(self) -> str:
        """The two tests."""
        return "".join(
            f"\n\n{self.marks}\ndef test_{kind}_{self.identifier}({self.fixtures}):\n"
            f"{textwrap.indent(self._filled(client), '    ')}\n"
            for kind, client in (("right", self.right), ("broken", self.broken))
        )

    def _filled(self, client: str) -> str:
        lines = []
        for line in textwrap.dedent(self.test).strip().splitlines():
            indent = line[: len(line) - len(line.lstrip())]
            if line.strip() == "CLIENT":
                lines.append(textwrap.indent(textwrap.dedent(client).strip(), indent))
            else:
                lines.append(line)
        return "\n".join(lines)


def run(mistakes: Sequence[Mistake], folder: Path) -> dict[str, str]:
    """Run them all: by the name of each test, the message that it failed with; none for one that passed."""
    (folder / "test_clients.py").write_text(_PRELUDE + "".join(one.source() for one in mistakes), encoding="utf-8")
    (folder / "conftest.py").write_text(_CONFTEST, encoding="utf-8")
    ended = folder / "ended.json"
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COV_"))}
    environment |= {
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "TRUST_ENDED": str(ended),
        "NO_PROXY": "*",
    }
    command = [sys.executable, "-m", "pytest", "-q", "-p", "pytest_httpserve.plugin", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, "--rootdir", str(folder), str(folder)], cwd=folder, env=environment, capture_output=True, text=True,
        timeout=300,
    )  # fmt: skip
    assert ended.exists(), done.stdout + done.stderr
    found: dict[str, str] = json.loads(ended.read_text(encoding="utf-8"))
    return found


def check(ended: dict[str, str], mistake: Mistake) -> None:
    """The right client passes; the broken one does not, and the report says why."""
    assert ended[f"test_right_{mistake.identifier}"] == ""
    report = ended[f"test_broken_{mistake.identifier}"]
    assert mistake.says in report.partition("\n")[0]
    assert mistake.shows in report
