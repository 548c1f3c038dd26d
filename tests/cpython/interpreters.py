"""Interpreters that run CPython's own tests: the one that runs ours, as its user or as one without any rights."""

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

import pytest_httpserve

USER = "nobody"


@dataclass(frozen=True)
class Interpreter:
    """A Python that can run the package, and what it needs for that."""

    executable: str
    env: dict[str, str] = field(default_factory=lambda: dict(os.environ))
    user: str | None = None

    def run(self, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.executable, *arguments],
            cwd=cwd,
            env=self.env,
            capture_output=True,
            text=True,
            timeout=120,
            user=self.user,
            group=group_of(self.user) if self.user else None,
            extra_groups=[] if self.user else None,
        )


@dataclass(frozen=True)
class Readable:
    """An interpreter, a directory that its user may write to, and where it finds each of the files asked for."""

    interpreter: Interpreter
    home: Path
    files: dict[Path, Path]


@contextmanager
def ordinary_user(*files: Path) -> Iterator[Readable]:
    """This interpreter, the package and these files as a user without rights can read them."""
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
        for file in files:
            shutil.copy(file, root / file.name)
        interpreter = in_place(env, home) or copied(root / "python", env)
        yield Readable(interpreter, home, {file: root / file.name for file in files})
    finally:
        shutil.rmtree(root)


def in_place(env: dict[str, str], home: Path) -> Interpreter | None:
    """The interpreter where it is, if it can be used there: that of a distribution, say."""
    interpreter = Interpreter(base_executable(), env, USER)
    with suppress(OSError):
        if interpreter.run("-c", "import pytest_httpserve, unittest", cwd=home).returncode == 0:
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
