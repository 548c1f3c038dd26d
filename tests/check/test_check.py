"""``python -m pytest_httpserve check``: what it thinks of clients that do right, and of those that do wrong."""

from __future__ import annotations

import json
import os
import pkgutil
import select
import signal
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from pytest_httpserve.__main__ import main
from pytest_httpserve.check.catalogue import CATALOGUE

CLIENTS = Path(__file__).parent / "clients"
MODULE = [sys.executable, "-m", "pytest_httpserve", "check"]
RIGHT = [sys.executable, str(CLIENTS / "right.py"), "{url}"]

# Each starts many programs, which are the same on every Python.
pytestmark = [pytest.mark.same_everywhere, pytest.mark.needs("os.killpg")]

Check = Callable[..., dict[str, dict[str, Any]]]


def careless(way: str) -> list[str]:
    return [sys.executable, str(CLIENTS / "careless.py"), way, "{url}"]


@pytest.fixture
def check(capsys: pytest.CaptureFixture[str]) -> Check:
    """Check a command; what ``--json`` prints, by the names of the entries."""

    def check(command: list[str], *options: str, status: int | None = None) -> dict[str, dict[str, Any]]:
        code = main(["check", "--json", "--timeout", "60", *options, "--", *command])
        told = {one["entry"]: one for one in json.loads(capsys.readouterr().out)}
        expected = 1 if any(one["verdict"] == "wrong" for one in told.values()) else 0
        assert code == (expected if status is None else status)
        return told

    return check


def test_a_client_that_does_right_is_told_so_in_every_entry(check: Check) -> None:
    told = check(RIGHT)
    assert [*told] == [entry.name for entry in CATALOGUE]
    verdicts = {name: one["verdict"] for name, one in told.items() if one["verdict"] != "right"}
    # It does not check for revocation, and speaks no HTTP/2.
    others = {"revoked", "http2_control", *(entry.name for entry in CATALOGUE if entry.http2)}
    assert verdicts == dict.fromkeys(others, "unclear")
    assert told["http2_control"]["did"].startswith("spoke HTTP/1.1: exit 0, 1 request")
    assert told["http2_reset"]["did"] == "was not run: the client did not pass http2_control"
    assert told["control"]["repeated"] == 0
    assert told["too_many_requests"]["repeated"] == 1


@pytest.mark.needs("curl")
def test_a_client_that_speaks_http2_is_tried_with_it(check: Check) -> None:
    told = check(["curl", "-sSf", "--max-time", "5", "{url}"], "--only", "http2")
    assert {one["verdict"] for one in told.values()} == {"right"}
    assert len(told) == 1 + sum(entry.group == "http2" for entry in CATALOGUE)


def test_without_its_extra_no_client_is_tried_with_http2(check: Check, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "h2", None)
    told = check(RIGHT, "--only", "http2_reset")
    assert {name: one["verdict"] for name, one in told.items()} == {
        "http2_control": "unclear",
        "http2_reset": "unclear",
    }
    assert told["http2_control"]["did"].startswith("could not be run: ")
    assert "exit_status" not in told["http2_control"]


def verdicts(told: dict[str, dict[str, Any]]) -> dict[str, str]:
    return {name: one["verdict"] for name, one in told.items() if one["group"] != "controls"}


def test_a_client_that_takes_what_is_cut_short_does_wrong(check: Check) -> None:
    told = check(
        careless("ignores_the_end"), "--only", "cut_body,reset_body,no_answer,length_fewer,slow_body,not_found"
    )
    assert verdicts(told) == {
        "cut_body": "wrong",
        "reset_body": "wrong",
        "no_answer": "wrong",
        "length_fewer": "wrong",
        "slow_body": "right",
        "not_found": "unclear",
    }
    assert told["cut_body"]["did"].startswith("took something else for the body: exit 0, 1 request, ")
    assert told["not_found"]["did"].startswith("took an error or a redirect for the answer: exit 0")


def test_a_client_that_trusts_every_certificate_does_wrong(check: Check) -> None:
    told = check(careless("ignores_the_end"), "--only", "expired,self_signed,revoked,handshake_reset,intermediate")
    assert verdicts(told) == {
        "intermediate": "right",
        "expired": "wrong",
        "self_signed": "wrong",
        "revoked": "unclear",
        "handshake_reset": "right",
    }
    assert told["expired"]["did"].startswith("sent its request: exit 0, 1 request")


def test_a_client_that_follows_redirects_for_ever_does_wrong(check: Check) -> None:
    told = check(careless("loops"), "--only", "redirects", "--timeout", "5")
    assert verdicts(told)["redirect_loop"] == verdicts(told)["redirect_endless"] == "wrong"
    assert verdicts(told)["redirect"] == verdicts(told)["redirect_chain"] == "right"
    assert told["redirect_loop"]["exit_status"] is None
    assert told["redirect_loop"]["repeated"] > 0
    assert told["redirect_loop"]["did"].startswith("was still running: ")


def test_a_client_that_repeats_at_once_does_wrong(check: Check) -> None:
    told = check(careless("insists"), "--only", "unavailable_for_long")
    assert verdicts(told) == {"unavailable_for_long": "wrong"}
    expected = "repeated its request too early: exit 0, 3 requests, 2 of them repeated"
    assert told["unavailable_for_long"]["did"].startswith(expected)


def test_a_client_that_never_ends_does_wrong_where_all_is_well(check: Check) -> None:
    sleeps = [sys.executable, "-c", "import time; time.sleep(300)", "{url}"]
    told = check(sleeps, "--only", "not_found", "--timeout", "0.3")
    assert told["control"]["verdict"] == "wrong"
    assert told["control"]["did"] == f"was still running: no requests, {told['control']['seconds']:.1f} s"
    assert told["not_found"]["did"] == "was not run: the client did not pass control"
    assert told["not_found"]["verdict"] == "unclear"


@pytest.mark.parametrize("way", ["crashes", "fails"])
def test_a_client_that_fails_where_all_is_well_tells_nothing_of_the_rest(check: Check, way: str) -> None:
    told = check(careless(way))
    controls = {name: told.pop(name) for name in ("control", "tls_control", "http2_control")}
    assert {one["verdict"] for one in controls.values()} == {"wrong"}
    assert {one["verdict"] for one in told.values()} == {"unclear"}
    expected = "crashed: signal SIGSEGV, no requests" if way == "crashes" else "reported an error: exit 1, no requests"
    assert controls["control"]["did"].startswith(expected)
    assert ("nothing works" in controls["control"]["stderr"]) is (way == "fails")


def test_a_client_that_fails_over_tls_alone_is_judged_by_the_rest(check: Check) -> None:
    script = (
        "import sys, urllib.request as u; url = sys.argv[1]; assert url[:5] != 'https'; print(u.urlopen(url).read())"
    )
    told = check([sys.executable, "-c", script, "{url}"], "--only", "expired,not_found,chunked")
    assert told["expired"]["did"] == "was not run: the client did not pass tls_control"
    assert verdicts(told) == {"expired": "unclear", "chunked": "right", "not_found": "right"}


def test_a_client_that_prints_a_file_of_its_machine_does_wrong(check: Check) -> None:
    told = check(careless("reads_files"), "--only", "redirect_to_file,redirect")
    assert verdicts(told) == {"redirect": "unclear", "redirect_to_file": "wrong"}
    assert told["redirect_to_file"]["did"].startswith("printed what it must not")


def test_a_client_that_follows_to_the_wrong_place_does_wrong(check: Check) -> None:
    told = check(careless("goes_astray"), "--only", "redirect")
    assert told["redirect"]["did"].startswith("asked for a wrong path: exit 22, 2 requests")
    assert told["redirect"]["verdict"] == "wrong"


def test_a_coded_body_is_unclear_only_of_a_client_that_did_not_ask_for_it(check: Check) -> None:
    assert verdicts(check(careless("ignores_the_end"), "--only", "gzip,gzip_cut,coding_unknown")) == {
        "gzip": "unclear",
        "gzip_cut": "unclear",
        "coding_unknown": "unclear",
    }
    assert verdicts(check(careless("claims_gzip"), "--only", "gzip,gzip_cut,coding_unknown")) == {
        "gzip": "wrong",
        "gzip_cut": "wrong",
        "coding_unknown": "unclear",
    }


def test_of_a_client_that_prints_no_body_its_exit_status_tells(check: Check) -> None:
    told = check(careless("prints_nothing"), "--only", "cut_body,length_fewer,slow_body")
    assert verdicts(told) == {"cut_body": "wrong", "length_fewer": "right", "slow_body": "right"}


def test_a_client_may_print_more_than_the_body(check: Check) -> None:
    told = check(careless("prints_more"), "--only", "cut_body,slow_body,surplus")
    assert verdicts(told) == {"cut_body": "wrong", "surplus": "wrong", "slow_body": "right"}


# The command line


def test_the_table_tells_of_each_entry_and_how_to_see_it_again(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    junit = tmp_path / "check.xml"
    command = careless("ignores_the_end")
    assert main(["check", "--only", "cut_body,not_found", "--junit", str(junit), "--", *command]) == 1
    heading, *lines = capsys.readouterr().out.splitlines()
    assert heading.split("  ")[0] == "entry"
    assert [line.split()[:2] for line in lines[:3]] == [
        ["control", "right"],
        ["cut_body", "wrong"],
        ["not_found", "unclear"],
    ]
    assert lines[1].endswith("  report an error")
    assert lines[3] == "1 right, 1 wrong, 1 unclear"
    assert lines[5] == "cut_body: the body is cut short of its Content-Length"
    assert lines[-3].startswith("  python -m pytest_httpserve check --only cut_body -- ")
    assert lines[-3].endswith(" ignores_the_end '{url}'")
    assert lines[-1].startswith("To run an entry again: python -m pytest_httpserve check --only NAME -- ")
    suite = ElementTree.parse(junit).getroot()[0]
    assert {name: suite.get(name) for name in ("tests", "failures", "errors", "skipped")} == {
        "tests": "3",
        "failures": "1",
        "errors": "0",
        "skipped": "1",
    }
    assert [(case.get("classname"), case.get("name"), [child.tag for child in case]) for case in suite] == [
        ("controls", "control", []),
        ("faults", "cut_body", ["failure"]),
        ("statuses", "not_found", ["skipped"]),
    ]


@pytest.mark.parametrize(
    ("fail_on", "only", "status"),
    [("wrong", "not_found", 0), ("unclear", "not_found", 1), ("unclear", "chunked", 0), ("never", "cut_body", 0)],
)
def test_what_the_exit_status_is_about_can_be_said(check: Check, fail_on: str, only: str, status: int) -> None:
    command = careless("ignores_the_end")
    if only == "chunked":
        command = RIGHT
    check(command, "--only", only, "--fail-on", fail_on, status=status)


def test_the_script_and_the_module_are_the_same_command() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8"))["project"]
    assert pkgutil.resolve_name(project["scripts"]["httpserve"]) is main
    command = [*MODULE, "--list"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.splitlines()[0] == "controls:"


@pytest.mark.needs("os.fork")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_a_signal_ends_the_check_and_what_it_runs(tmp_path: Path, number: signal.Signals) -> None:
    def set_signals() -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGHUP, signal.SIG_DFL)

    junit = tmp_path / "check.xml"
    os.mkfifo(tmp_path / "held")
    held = os.open(tmp_path / "held", os.O_RDONLY | os.O_NONBLOCK)
    checking = subprocess.Popen(
        [*MODULE, "--timeout", "60", "--junit", str(junit), "--", *careless("never_ends"), str(tmp_path / "held")],
        preexec_fn=set_signals,
    )
    try:
        assert select.select([held], [], [], 60)[0]
        assert os.read(held, 1) == b"."
        checking.send_signal(number)
        assert checking.wait(60) == (-number if number == signal.SIGKILL else 130)
        assert not junit.exists()
    finally:
        checking.kill()
        checking.wait()
    assert select.select([held], [], [], 60)[0]
    assert os.read(held, 1) == b""  # nobody holds the other end
    os.close(held)


def test_a_reader_that_has_gone_ends_the_check() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [*MODULE, "--", *careless("prints_nothing")]
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, timeout=60, check=False)
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no device that is always full")
@pytest.mark.parametrize("arguments", [["--list"], ["--only", "control", "--", *careless("prints_nothing")]])
def test_a_full_disk_is_named(arguments: list[str]) -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run([*MODULE, *arguments], stdout=full, stderr=subprocess.PIPE, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (2, b"python -m pytest_httpserve check: No space left on device\n")


def test_what_a_client_says_is_printed_whatever_the_terminal_can_show() -> None:
    script = "import sys; sys.stderr.buffer.write(b'first\\n\\xe9\\x1b[31mlast\\n'); sys.exit(1)"
    command = [*MODULE, "--only", "control"]
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    done = subprocess.run(
        [*command, "--", sys.executable, "-c", script, "{url}"],
        env=environment,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (1, b"")
    assert b"  the last line of its stderr: \\ufffd\\x1b[31mlast\n" in done.stdout
