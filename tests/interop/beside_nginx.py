"""What nginx and ours both serve, what is asked of both, and what nginx answered, by its version.

``python -m tests.interop.beside_nginx`` keeps the answers of the nginx that is installed.
"""

from __future__ import annotations

import http.client
import json
import os
import tempfile
from dataclasses import asdict
from pathlib import Path

from tests.versions import nginx

from .conversation import PROBE_BODY, Answer, Outcome, converse
from .nginx_server import Nginx
from .requests_sent import GROUPS, MODIFIED, Case

FILES = {
    "index.html": "<p>the root",
    "letters.txt": "abcdefghijklmnopqrstuvwxyz",
    "empty.txt": "",
    "page.html": "<p>page",
    "probe.txt": PROBE_BODY.decode(),
    "hidden.txt": "the hidden request was served",
    ".hidden": "dot",
    "a+b.txt": "plus",
    "a%b.txt": "percent",
    "with space.txt": "space",
    "with dir/one.txt": "one",
    "ü.txt": "umlaut",
    "semi;colon.txt": "semicolon",
    "colon:x.txt": "colon",
    "back\\slash.txt": "backslash",
    "dir/index.html": "<p>an index page",
    "dir?/one.txt": "one",
    "list/one.txt": "one",
    "list/two & <b>.txt": "two",
    "deep/er/file.txt": "deep",
}
LINKS = {
    "link.txt": "letters.txt",
    "link-dir": "list",
    "link-out.txt": "../secret.txt",
    "link-out": "..",
    "link-loop": "link-loop",
}

Address = tuple[str, int]
Outcomes = dict[str, Outcome]

_KEPT = Path(__file__).parent / "nginx_answers"


def build_site(root: Path) -> None:
    """What both serve, in a directory that is not there yet."""
    for name, text in FILES.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    (root / "bytes").write_bytes(bytes(range(256)) * 1000)
    (root.parent / "secret.txt").write_text("secret")
    os.mkfifo(root / "pipe")
    for path in root.rglob("*"):
        os.utime(path, (MODIFIED, MODIFIED))
    for name, where in LINKS.items():
        (root / name).symlink_to(where)


def ask(address: Address, cases: list[Case]) -> Outcomes:
    """What the server makes of every request."""
    etag = _etag(address)
    return {case.name: converse(address, case.data_for(etag), case.methods, ends=case.ends) for case in cases}


def _etag(address: Address) -> bytes:
    connection = http.client.HTTPConnection(*address, timeout=10)
    try:
        connection.request("GET", "/letters.txt")
        return (connection.getresponse().getheader("ETag") or "").encode()
    finally:
        connection.close()


def kept_versions() -> list[str]:
    """The versions of nginx whose answers are kept."""
    return sorted(path.stem for path in _KEPT.glob("*.json"))


def kept(version: str) -> Outcomes:
    """What nginx of this version answered."""
    outcomes = json.loads((_KEPT / f"{version}.json").read_text(encoding="utf-8"))
    return {
        name: Outcome(tuple(Answer(**answer) for answer in outcome["answers"]), outcome["open"])
        for name, outcome in outcomes.items()
    }


def keep(version: str, outcomes: Outcomes) -> None:
    """One request on a line, so that two versions can be compared by eye."""
    lines = [f"{json.dumps(name)}: {json.dumps(asdict(outcome))}" for name, outcome in outcomes.items()]
    text = "{\n" + ",\n".join(lines) + "\n}\n"
    (_KEPT / f"{version}.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        root, prefix = Path(folder, "site", "root"), Path(folder, "nginx")
        prefix.mkdir()
        build_site(root)
        server = Nginx(root, prefix)
        try:
            keep(nginx(), ask((server.host, server.port), [case for cases in GROUPS.values() for case in cases]))
        finally:
            server.stop()
