"""The command line: ``python -m tests.benchmarks [what ...]``."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from . import __doc__ as description
from . import drawing, measures, peers, report
from .peers import Peer
from .plan import Figure, Plan, UnavailableError, progress
from .targets import compared, judge, without_gaps

SHORT = 40.0
"""Seconds after which a short run begins no further round of anything."""


def arguments(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("what", nargs="*", metavar="what", help=f"measures to take: {', '.join(measures.MODULES)}")
    parser.add_argument("--short", action="store_true", help="where a peer could beat ours, in less than a minute")
    parser.add_argument("--seconds", type=seconds, help="length of a turn of load (0.35, short 0.1)")
    parser.add_argument("--repeat", type=rounds, default=3, help="rounds (%(default)s)")
    parser.add_argument("--peers", metavar="NAME,...", help="these alone beside ours (all that are installed)")
    parser.add_argument("--svg", type=Path, metavar="DIR", help="draw the figures into this directory as well")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every value here as well")
    parsed = parser.parse_args(argv)
    if unknown := [name for name in parsed.what if name not in measures.MODULES]:
        parser.error(f"no such measure: {', '.join(unknown)}; there are {', '.join(measures.MODULES)}")
    # Refused now: at the end, all that was measured would be lost.
    if parsed.json and (parsed.json.is_dir() or not parsed.json.parent.is_dir()):
        parser.error(f"--json: {parsed.json} is no file in a directory that exists")
    if parsed.svg and parsed.svg.exists() and not parsed.svg.is_dir():
        parser.error(f"--svg: {parsed.svg} is no directory")
    return parsed


def seconds(text: str) -> float:
    value = float(text)
    if not 0 < value <= 3600:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 3600")
    return value


def rounds(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is less than 1")
    return value


def main() -> int:
    asked = arguments(sys.argv[1:])
    turn = asked.seconds or (0.1 if asked.short else 0.35)
    notes: list[str] = []
    servers = peers.available(notes)
    if asked.peers:
        try:
            servers = peers.chosen(servers, asked.peers.split(","))
        except ValueError as error:
            sys.exit(f"--peers: {error}")
    plan = Plan(turn, asked.repeat, notes)
    if asked.short:
        plan = replace(plan, wanted=compared, deadline=time.monotonic() + SHORT)
    if (load := os.getloadavg()[0]) > 0.5 * (os.cpu_count() or 1):
        plan.note(f"the machine was busy before the run (load average {load:.1f}): do not quote these figures")
    usual = measures.SHORT if asked.short else measures.MODULES
    figures, whole = measure(asked.what or list(usual), servers, plan)
    verdicts = without_gaps(judge(figures)) if asked.short else judge(figures)
    print(report.text(figures, verdicts, plan))
    if asked.json:
        asked.json.write_text(json.dumps(report.data(figures, verdicts, plan), indent=2) + "\n")
    if asked.svg:
        drawing.draw(figures, asked.svg)
    return int(not whole or any(verdict.beaten or verdict.absent for verdict in verdicts))


def measure(names: Sequence[str], servers: Sequence[Peer], plan: Plan) -> tuple[list[Figure], bool]:
    """Take the measures; one that cannot be taken here, or that breaks off, is noted. Whether none broke off."""
    figures: list[Figure] = []
    whole = True
    for name in names:
        try:
            takers = [peer for peer in servers if not peer.only or name in peer.only]
            figures += measures.find(name)(takers, plan)
        except (ImportError, UnavailableError) as error:
            plan.note(f"{name}: not measured, {error}")
        except Exception as error:
            plan.note(f"{name}: broke off, {type(error).__name__}: {error}")
            whole = False
    progress("")
    return figures, whole


if __name__ == "__main__":
    sys.exit(main())
