"""A stand-in for docker, for docs/processes.md: it runs the command on this machine, with 127.0.0.1 as the host."""

import os
import subprocess
import sys

HOST = "host.docker.internal"

assert sys.argv[1:3] == ["run", "--rm"], sys.argv
options = [argument for argument in sys.argv[3:] if argument.startswith("--")]
image, program, *arguments = sys.argv[3 + len(options) :]
given: dict[str, list[str]] = {}
for option in options:
    name, _, value = option.partition("=")
    given.setdefault(name, []).append(value)
assert given.pop("--add-host") == [f"{HOST}:host-gateway"]
for volume in given.pop("--volume"):
    here, there, mode = volume.split(":")
    assert here == there and mode == "ro" and os.path.exists(here), volume
environment = dict(variable.partition("=")[::2] for variable in given.pop("--env"))
assert not given, given
assert (image, program) == ("python:3", "python")
environment = {name: value.replace(HOST, "127.0.0.1") for name, value in environment.items()}
sys.exit(subprocess.run([sys.executable, *arguments], env=environment, check=False).returncode)
