"""Public programs that subclass ``http.server``'s classes, unmodified, over it and over ours: clients see the same."""

from __future__ import annotations

import difflib
import os
import re
import sys
from pathlib import Path

import pytest

from pytest_httpserve import CertificateAuthority, HTTPServe
from tests.interop.programs import PROGRAMS
from tests.interop.programs.program import Program, Site, running
from tests.interop.programs.visit import Visit

OURS = "pytest_httpserve.server"
MODEL = "http.server"


@pytest.fixture
def programs_environment(environment: dict[str, str], httpserve_env: dict[str, str]) -> dict[str, str]:
    of_programs = {"PYTHONUNBUFFERED": "1", "PYTHONHASHSEED": "0", "NO_COLOR": "1"}
    of_git = {"GIT_AUTHOR_DATE": "2026-01-01T00:00:00Z", "GIT_COMMITTER_DATE": "2026-01-01T00:00:00Z"}
    return environment | httpserve_env | of_programs | of_git


def visited(
    program: Program, module: str, directory: Path, ca: CertificateAuthority, environment: dict[str, str]
) -> tuple[list[str], str]:
    """What the client of a program saw and how the program ended, and what it printed."""
    directory.mkdir()
    with HTTPServe() as upstream, HTTPServe(tls=True, ca=ca) as secure_upstream:
        site = Site(directory, upstream, secure_upstream, ca)
        with running(program, site, module, environment) as run:
            output = run.output
            visit = Visit(run.address, directory, upstream, secure_upstream, ca, output.wait_for, environment)
            try:
                program.talk(visit)
                visit.note("the program ended with", run.end(itself=program.ends_itself))
            except Exception as error:
                error.add_note("\n".join([f"over {module}, after:", *visit.seen, "the program printed:", output.text]))
                raise
    failures = set(re.findall(r"(?m)^[\w.]+(?:Error|Exception)\b(?!.*is likely shutting down).*", output.text))
    visit.note("failures that it printed", "\n  ".join(sorted(failures)))
    return visit.seen, output.text


@pytest.mark.same_everywhere
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_a_program_is_the_same_to_its_clients(
    program: Program, tmp_path: Path, httpserve_ca: CertificateAuthority, programs_environment: dict[str, str]
) -> None:
    ours, log = visited(program, OURS, tmp_path / "ours", httpserve_ca, programs_environment)
    if sys.version_info[:2] >= program.before:
        # There is nothing left to compare it with.
        assert not [note for note in ours if "no whole answer" in note], f"{os.linesep.join(ours)}\n{log}"
        return
    model, _ = visited(program, MODEL, tmp_path / "model", httpserve_ca, programs_environment)
    difference = os.linesep.join(
        difflib.unified_diff(lines(model, frozenset()), lines(ours, program.more), MODEL, OURS, lineterm="")
    )
    assert not difference, f"{difference}\n\nOver ours, the program printed:\n{log}"


def lines(seen: list[str], without: frozenset[str]) -> list[str]:
    return [
        line for note in seen for line in note.splitlines() if line.strip().partition(":")[0].lower() not in without
    ]


BASES = """
import socket, wsgiref.simple_server, xmlrpc.server
for one in (wsgiref.simple_server.WSGIServer, xmlrpc.server.SimpleXMLRPCRequestHandler):
    print(one.__bases__[0].__module__)
socket.create_server(("127.0.0.1", 0)).listen()
"""


@pytest.mark.parametrize("module", [OURS, MODEL])
def test_the_launcher_puts_the_module_in_its_place(
    module: str,
    tmp_path: Path,
    httpserve: HTTPServe,
    httpserve_ca: CertificateAuthority,
    programs_environment: dict[str, str],
) -> None:
    """Otherwise, all of the above would compare http.server with itself."""
    program = Program("bases", lambda site: [str(site.write("bases.py", BASES))], lambda visit: None)
    (tmp_path / "site").mkdir()
    site = Site(tmp_path / "site", httpserve, httpserve, httpserve_ca)
    with running(program, site, module, programs_environment) as run:
        run.end(itself=True)
    modules = run.output.text.splitlines()
    assert len(modules) == 2 and all(name.startswith(module) for name in modules), modules
