# SPDX-License-Identifier: Apache-2.0
"""`python -m envtest.lab COMMAND...`: runs a command where labs can be built, and nothing is left.

The command is process 1 of a process namespace, so the kernel kills whatever it started as soon as
it ends; the network and the file system on `SCRATCH` go with the last process.
"""

import os
import shutil
import sys
from pathlib import Path

from ..errors import EnvtestError, MissingToolError
from . import MARK
from .network import prepare

SCRATCH = "/mnt"
"""Where the lab keeps its files, in memory: every Linux has this folder, the lab's is its own."""
INSIDE = "--inside"
PROGRAMS = {"unshare": "util-linux", "mount": "util-linux", "ip": "iproute2", "runc": "runc"}
"""What must be on PATH, and the package that brings it."""
NAMESPACES = ("--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc")


def main(command: list[str]) -> None:
    """Replace this process by the command, inside the namespaces."""
    if command[:1] == [INSIDE]:
        prepare(SCRATCH)
        temporary = Path(SCRATCH, "tmp")
        temporary.mkdir(mode=0o777)
        os.environ |= {MARK: SCRATCH, "TMPDIR": str(temporary)}
        os.execvp(command[1], command[1:])  # noqa: S606 - no shell is the point
    _require()
    again = [sys.executable, "-m", "envtest.lab", INSIDE, *command]
    os.execvp("unshare", ["unshare", *NAMESPACES, "--", *again])  # noqa: S606 - as above


def _require() -> None:
    if os.geteuid() != 0:
        raise MissingToolError("a lab", "it makes namespaces and needs root: use sudo")
    for program, package in PROGRAMS.items():
        if shutil.which(program) is None:
            raise MissingToolError(program, f"install the package {package}")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except EnvtestError as error:
        sys.exit(f"lab: {error}")
