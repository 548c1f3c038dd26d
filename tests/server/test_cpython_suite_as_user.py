"""CPython's own tests of ``http.server`` pass with our module in its place, for root and for an ordinary user.

Its tests of CGI skip themselves for root, so that root runs the whole of them a second time as nobody.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

import pytest_httpserve

USER = "nobody"
pytestmark = pytest.mark.needs("CPython's tests")

RUNNER = """
import http, http.server, os, sys, unittest, warnings
import pytest_httpserve.server as ours

standard = http.server
ours.os = os  # the tests patch it there
if sys.version_info >= (3, 13):
    # From here on, http.server's own class says that it will go. Ours stays; the tests want to hear it all the same.
    class Deprecated(ours.CGIHTTPRequestHandler):
        def __init__(self, *args, **kwargs):
            warnings.warn("http.server.CGIHTTPRequestHandler", DeprecationWarning)
            super().__init__(*args, **kwargs)

    ours.CGIHTTPRequestHandler = Deprecated
sys.modules["http.server"] = http.server = ours
import test.test_httpservers as module


def leaves(suite):
    for part in suite:
        if isinstance(part, unittest.TestSuite):
            yield from leaves(part)
        elif not part.id().endswith("MiscTestCase.test_all"):  # it lists all names of http.server's module, as they are
            yield part


tests = unittest.defaultTestLoader.loadTestsFromModule(module)
result = unittest.TextTestRunner(verbosity=2).run(unittest.TestSuite(leaves(tests)))
sys.exit(not result.wasSuccessful())
"""


@dataclass(frozen=True)
class Interpreter:
    """A Python that may run the package, and what it needs for that."""

    executable: str
    env: dict[str, str] = field(default_factory=lambda: dict(os.environ))
    user: str | None = None

    def run(self, program: str, cwd: Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.executable, "-c", program],
            cwd=cwd,
            env=self.env,
            capture_output=True,
            text=True,
            timeout=120,
            user=self.user,
            group=group_of(self.user) if self.user else None,
            extra_groups=[] if self.user else None,
        )


def check(interpreter: Interpreter, cwd: Path) -> str:
    """Run the suite; what it printed."""
    done = interpreter.run(RUNNER, cwd)
    assert done.returncode == 0, done.stderr
    return done.stderr


def test_for_whoever_runs_the_tests(tmp_path: Path) -> None:
    check(Interpreter(sys.executable), tmp_path)


@pytest.mark.needs("root")  # who is not ran the test above as a user
def test_for_an_ordinary_user() -> None:
    with readable_copy() as (interpreter, home):
        said = check(interpreter, home)

    # On a Python whose http.server has CGI no more, there are no tests of it either.
    if sys.version_info < (3, 15):
        assert "CGIHTTPServerTestCase.test_post) ... ok" in said


@contextmanager
def readable_copy() -> Iterator[tuple[Interpreter, Path]]:
    """This interpreter and the package as they can be read by nobody, in a directory of nobody's."""
    root = Path(tempfile.mkdtemp(prefix="pytest-httpserve-"))
    try:
        root.chmod(0o755)
        home = root / "home"
        home.mkdir()
        shutil.chown(home, USER, group_of(USER))
        package = Path(pytest_httpserve.__file__).parent
        shutil.copytree(package, root / "package" / package.name, ignore=shutil.ignore_patterns("__pycache__"))
        env = {
            "PATH": os.defpath,
            "HOME": str(home),
            "LANG": "C.UTF-8",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONPATH": str(root / "package"),
        }
        yield in_place(env, home) or copied(root / "python", env), home
    finally:
        shutil.rmtree(root)


def in_place(env: dict[str, str], home: Path) -> Interpreter | None:
    """The interpreter where it is, if it can be used there: that of a distribution, say."""
    interpreter = Interpreter(base_executable(), env, USER)
    with suppress(OSError):
        if interpreter.run("import pytest_httpserve, unittest", home).returncode == 0:
            return interpreter
    return None


def copied(prefix: Path, env: dict[str, str]) -> Interpreter:
    """As much of the interpreter as the tests need. A version manager often keeps it in a home that is closed."""
    library = Path(sysconfig.get_path("stdlib", vars={"installed_base": sys.base_prefix, "base": sys.base_prefix}))
    executable = prefix / "bin" / f"python{sys.version_info[0]}.{sys.version_info[1]}"
    executable.parent.mkdir(parents=True)
    link_or_copy(base_executable(), str(executable))
    for shared in (Path(sys.base_prefix) / "lib").glob("libpython*"):
        (prefix / "lib").mkdir(exist_ok=True)
        link_or_copy(str(shared), str(prefix / "lib" / shared.name))
    shutil.copytree(
        library,
        prefix / "lib" / library.name,
        symlinks=True,
        ignore=shutil.ignore_patterns("site-packages", "__pycache__", "config-*"),
        copy_function=link_or_copy,
    )
    return Interpreter(str(executable), {**env, "LD_LIBRARY_PATH": str(prefix / "lib")}, USER)


def group_of(user: str) -> int:
    import pwd

    return pwd.getpwnam(user).pw_gid


def base_executable() -> str:
    return os.path.realpath(sys.executable)


def link_or_copy(source: str, target: str) -> None:
    try:
        os.link(os.path.realpath(source), target)
    except OSError:  # another file system
        shutil.copy2(source, target)
