# SPDX-License-Identifier: Apache-2.0
"""`python -m envtest.lab COMMAND...`: runs a command where labs can be built, and nothing is left.

The command is process 1 of a process namespace, so the kernel kills whatever it started as soon as
it ends; the network and the file system on `SCRATCH` go with the last process.
"""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

from ..errors import EnvtestError, MissingToolError
from . import MARK
from .network import prepare

SCRATCH = "/mnt"
"""Where the lab keeps its files, in memory: every Linux has this folder, the lab's is its own."""
INSIDE = "--inside"
PROGRAMS = {
    "setpriv": "util-linux",
    "unshare": "util-linux",
    "mount": "util-linux",
    "ip": "iproute2",
    "runc": "runc",
}
"""What must be on PATH, and the package that brings it."""
ENDED_WITH_US = ("setpriv", "--pdeathsig", "KILL")
NAMESPACES = ("--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc")


def main(command: list[str]) -> int:
    """Run the command inside the namespaces and return its status.

    A Ctrl-C reaches the command itself, which ends in order; SIGTERM ends everything at once, and
    so does the end of this process by whatever means.
    """
    if command[:1] == [INSIDE]:
        _go_inside(command[1:])
    _require()
    again = [sys.executable, "-m", "envtest.lab", INSIDE, *command]
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with subprocess.Popen([*ENDED_WITH_US, "unshare", *NAMESPACES, "--", *again]) as child:

        def end(_number: int, _frame: object) -> None:
            child.kill()

        signal.signal(signal.SIGTERM, end)
        return child.wait()


def _go_inside(command: list[str]) -> NoReturn:
    """Make the network and the folders of these namespaces, and become the command."""
    prepare(SCRATCH)
    temporary = Path(SCRATCH, "tmp")
    temporary.mkdir(mode=0o777)
    os.environ |= {MARK: SCRATCH, "TMPDIR": str(temporary)}
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.execvp(command[0], command)  # noqa: S606 - no shell is the point


def _require() -> None:
    if os.geteuid() != 0:
        raise MissingToolError("a lab", "it makes namespaces and needs root: use sudo")
    for program, package in PROGRAMS.items():
        if shutil.which(program) is None:
            raise MissingToolError(program, f"install the package {package}")


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except EnvtestError as error:
        sys.exit(f"lab: {error}")
