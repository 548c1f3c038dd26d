"""Run pytest where something is taken away: ``python -m tests.lacking NAME[,NAME...] [arguments of pytest]``."""

import os
import sys
from pathlib import Path

from tests.lacking.sitecustomize import LACKS


def main(arguments: list[str]) -> None:
    if not arguments or not set(arguments[0].split(",")) <= set(LACKS):
        sys.exit(f"python -m tests.lacking NAME[,NAME...] [arguments of pytest]; a name is one of: {', '.join(LACKS)}")
    names, *rest = arguments
    folders = [str(Path(__file__).parent), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    print(f"without {', '.join(place for name in names.split(',') for place in LACKS[name])}", flush=True)
    os.environ.update(HTTPSERVE_LACKING=names, PYTHONPATH=os.pathsep.join(folders))
    os.execv(sys.executable, [sys.executable, "-m", "pytest", *rest])


main(sys.argv[1:])
