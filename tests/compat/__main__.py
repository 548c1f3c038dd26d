"""The table of cases, with what is seen of each: ``python -m tests.compat [PART OF A NAME]``."""

import http.server
import sys

import pytest_httpserve.server
from tests.compat.comparing import faults_of_model, faults_of_ours
from tests.compat.kinds import CASES
from tests.compat.running import run_case


def main() -> None:
    part = sys.argv[1] if len(sys.argv) > 1 else ""
    wrong = failing = 0
    for case in CASES:
        if part not in str(case):
            continue
        if missing := case.missing():
            print(f"{case!s:90} not here: {missing}", flush=True)
            continue
        theirs, ours = run_case(case, http.server), run_case(case, pytest_httpserve.server)
        of_model, of_ours = list(faults_of_model(case, theirs)), list(faults_of_ours(case, theirs, ours))
        wrong, failing = wrong + bool(of_model), failing + bool(of_ours)
        print(f"{case!s:90} {'WRONG CASE ' if of_model else ''}{'fails' if of_ours else 'passes'}", flush=True)
        if part:
            print("\n".join([*of_model, *of_ours]))
    print(f"{failing} fail over ours, {wrong} are wrong about http.server")


if __name__ == "__main__":
    main()
