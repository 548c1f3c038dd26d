"""What clients make of faults: the table in docs/faults.md is what they do.

A column is of a client in a version. Those of the versions that are installed are written anew, or added, by
``python -m tests.interop.test_faults``.
"""

import asyncio
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import aiohttp
import httpx
import pytest
import requests
import urllib3

from pytest_httpserve import HTTPServe
from pytest_httpserve.faults import (
    BrokenKeepAlive,
    Close,
    CloseAfter,
    Delay,
    Duplicate,
    EarlyAnswer,
    Extend,
    Fault,
    Garbage,
    NoContinue,
    NoLastChunk,
    Reset,
    Slow,
    Stall,
    Truncate,
    WrongChunkSize,
    WrongLength,
)
from tests.versions import compare_with_known, curl, distribution, reports_versions

_TABLE = re.compile(r"^\| fault \| requests .*(?:\n\|.*)*", re.MULTILINE)
PAGE = Path(__file__).parents[2] / "docs" / "faults.md"
BODY = b"hello world"
PATIENCE = 10.0  # seconds
# Where silence is the fault: nothing comes, however long the client waits.
IMPATIENCE = 0.2

FAULTS: list[Fault] = [
    Close(phase="accept"),
    Reset(after=3, phase="request_body"),
    Close(),
    Reset(),
    Stall(),
    Close(after=9, phase="response_head"),
    Close(after=5),
    Reset(after=5),
    Stall(after=5),
    Reset(phase="response_end"),
    Truncate(1),
    Extend(b" and more"),
    Garbage("status_line"),
    Garbage("header"),
    Garbage("chunk"),
    WrongLength(1),
    WrongLength(-4),
    WrongLength(says="eleven"),
    Duplicate("Content-Length"),
    Duplicate("Content-Length", "7"),
    NoLastChunk(),
    WrongChunkSize(1),
    CloseAfter(1),
    BrokenKeepAlive(1),
    Slow(chunk=1, phase="response_head"),
    Slow(rate=1000, chunk=4, phase="response_body"),
    Delay(0.01),
    EarlyAnswer(),
    NoContinue(),
]


def with_requests(url: str, patience: float) -> bytes:
    with requests.Session() as session:
        session.trust_env = False
        return session.post(url, b"abc", timeout=patience).content


def with_urllib3(url: str, patience: float) -> bytes:
    with urllib3.PoolManager(retries=False, timeout=patience) as pool:
        return pool.request("POST", url, body=b"abc").data


def with_httpx(url: str, patience: float) -> bytes:
    with httpx.Client(trust_env=False, timeout=patience) as client:
        return client.post(url, content=b"abc").content


def with_aiohttp(url: str, patience: float) -> bytes:
    async def read() -> bytes:
        timeout = aiohttp.ClientTimeout(total=PATIENCE, sock_read=patience)
        async with aiohttp.ClientSession(timeout=timeout) as session, session.post(url, data=b"abc") as answer:
            return await answer.read()

    return asyncio.run(read())


class CurlError(Exception):
    """curl ended with this status."""


def with_curl(url: str, patience: float) -> bytes:
    # What curl waits for 100 before it sends a body, by itself only a large one.
    options = ["--disable", "--silent", "--noproxy", "*", "--data", "abc", "--expect100-timeout", "0.01"]
    ran = subprocess.run(
        ["curl", *options, "--header", "Expect: 100-continue", "--max-time", str(patience), url],
        capture_output=True,
        timeout=PATIENCE * 2,
        check=False,
    )
    if ran.returncode:
        raise CurlError(f"exit {ran.returncode}")
    return ran.stdout


CLIENTS: dict[str, Callable[[str, float], bytes]] = {
    "requests": with_requests,
    "urllib3": with_urllib3,
    "httpx": with_httpx,
    "aiohttp": with_aiohttp,
    "curl": with_curl,
}
IN_PYTHON = [client for client in CLIENTS if client != "curl"]


def made_of(server: HTTPServe, fault: Fault, client: str) -> str:
    """What the client makes of it, as it stands in the table."""
    route = server.on("POST", "/a")
    if fault.place == "accept":
        route.respond(body=BODY)
        server.fault(fault)
    else:
        route.respond(body=BODY, fault=fault)
    try:
        got = CLIENTS[client](server.url_for("/a"), IMPATIENCE if isinstance(fault, Stall) else PATIENCE)
    except CurlError as error:
        return str(error)
    except Exception as error:
        return type(error).__name__
    return "whole" if got == BODY else f"takes `{got!r}`"


def column_of(client: str) -> str:
    """The heading of the client's column, in the version that is installed."""
    return f"{client} {curl()[0] if client == 'curl' else distribution(client)}"


def told() -> dict[str, dict[str, str]]:
    """What the table says: its columns, each with the cells beside the faults."""
    (text,) = _TABLE.findall(PAGE.read_text("utf-8"))
    headings, _, *rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines()]
    return {heading: {row[0]: row[at] for row in rows} for at, heading in enumerate(headings) if at}


@pytest.mark.same_everywhere
@reports_versions
@pytest.mark.parametrize("client", [*IN_PYTHON, pytest.param("curl", marks=pytest.mark.needs("curl"))])
@pytest.mark.parametrize("fault", FAULTS, ids=[fault.name for fault in FAULTS])
def test_the_table_says_what_a_client_makes_of_a_fault(httpserve: HTTPServe, fault: Fault, client: str) -> None:
    made = made_of(httpserve, fault, client)

    if isinstance(fault, Stall):
        # The client gave up, and may have done so before the server came to the fault.
        httpserve.wait_for("POST", "/a")
        httpserve.assert_all_closed()
    if not (isinstance(fault, NoContinue) and client != "curl"):  # the others do not ask
        assert [event.fault for event in httpserve.fault_events][:1] == [fault]
    columns, column = told(), column_of(client)
    # Of a version that is not there, the newest that is says what to expect.
    like = column if column in columns else [name for name in columns if name.split()[0] == client][-1]
    expected = columns[like][f"`{fault!r}`"]
    differences = [] if made in expected.split(" or ") else [f"{fault!r}: {made}, {like}: {expected}"]
    compare_with_known(column, column in columns, differences)


def table() -> str:
    """The table, with the columns of the clients that are installed as they are now."""
    columns = told()
    for client in CLIENTS:
        columns[column_of(client)] = {f"`{fault!r}`": " or ".join(sorted(makings(client, fault))) for fault in FAULTS}
    headings = sorted(columns, key=lambda heading: list(CLIENTS).index(heading.split()[0]))
    lines = [["fault", *headings], ["---"] * (len(headings) + 1)]
    for fault in FAULTS:
        lines.append([f"`{fault!r}`", *(columns[heading][f"`{fault!r}`"] for heading in headings)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def makings(client: str, fault: Fault) -> set[str]:
    """All that the client makes of the fault in several tries."""
    made = set()
    for _ in range(1 if isinstance(fault, Stall) or client == "curl" else 20):
        with HTTPServe() as server:
            made.add(made_of(server, fault, client))
    return made


if __name__ == "__main__":
    PAGE.write_text(_TABLE.sub(lambda _: table(), PAGE.read_text("utf-8")), "utf-8")
