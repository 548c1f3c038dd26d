"""A browser without a window."""

import subprocess
from pathlib import Path


def dom(environment: dict[str, str], browser: str, url: str, folder: Path, *options: str) -> str:
    """The page as the browser has made it of what it got; of one that it does not show, nothing, or an error page."""
    quiet = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-dev-shm-usage"]
    program = [browser, *quiet, f"--user-data-dir={folder}", "--timeout=30000", *options, "--dump-dom", url]
    done = subprocess.run(program, env=environment, capture_output=True, text=True, timeout=120, check=False)
    return done.stdout
