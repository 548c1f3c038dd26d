"""What hostile inputs cost, at n, 2n and 4n: their time, by how much the memory of the server's process grows, and the
worst answer of a good client that asks another server of the same session meanwhile.

Each has a session of its own (``attacked.py``), which ``inputs.py`` attacks; a first one, of a tenth, is not counted.
What one call of C does, such as ``json.loads``, holds the interpreter, and so all servers: some 10 ms for each MiB.
"""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from ..attacked import ATTACKED, session
from ..client import connect
from ..inputs import INPUTS, TIMES, Address, Input, make_directory
from ..neighbour import asking
from ..peers import FIXTURE, Peer
from ..plan import Figure, Plan, UnavailableError, interleave
from ..serving import Served, serve
from .connections import room
from .memory import memory


def run(peers: Sequence[Peer], plan: Plan) -> list[Figure]:
    if not room(2_000):
        raise UnavailableError("this process may open fewer than 2,000 files (ulimit -n)")
    takers = [peer for peer in peers if peer.name == FIXTURE]
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        make_directory(directory)
        return [
            figure
            for each in INPUTS
            for times in TIMES
            for figure in measure(each, each.size * times, directory, takers, plan)
        ]


def measure(each: Input, size: int, directory: Path, takers: Sequence[Peer], plan: Plan) -> list[Figure]:
    """The figures of one input at one size."""
    key = f"hostile.{each.name}"
    figures = [
        Figure(f"{key}.{size}", f"{size:,} {each.unit}", "ms", at=size),
        Figure(f"{key}.memory.{size}", "  memory", "MiB", at=size),
        Figure(f"{key}.worst.{size}", "  a good client's worst", "ms", at=size),
    ]
    return interleave(figures, takers, plan, lambda peer: turn(each, size, directory))


def turn(each: Input, size: int, directory: Path) -> list[float]:
    """Milliseconds, MiB, and milliseconds of a good client's worst answer."""
    with serve(session, str(directory)) as good:
        attacked = address_of_attacked(good)
        if each.name != "listing":  # whose directories are of three sizes
            each.send(attacked, each.size // 10)
        with contextlib.suppress(OSError):  # then the peak of its start counts too
            Path(f"/proc/{good.pid}/clear_refs").write_text("5")
        before = memory(good, "VmRSS")
        with asking(good) as worst:
            begun = time.perf_counter()
            each.send(attacked, size)
            spent = time.perf_counter() - begun
            waited = worst()
        return [1e3 * spent, max(memory(good, "VmHWM") - before, 0.0), waited]


def address_of_attacked(good: Served) -> Address:
    """Where the other server of the session is."""
    connection = connect(good)
    try:
        connection.request("GET", ATTACKED)
        return good.host, int(connection.getresponse().read())
    finally:
        connection.close()
