# SPDX-License-Identifier: Apache-2.0
"""Replaces itself by a command that the kernel kills when its starter dies.

Usage: python -I -S launcher.py STARTER_PID COMMAND...

Without it a SIGKILLed test run would leave etcd and kube-apiserver behind.  A program of its own,
because code between fork and exec of a threaded process may deadlock.  PR_SET_PDEATHSIG survives
exec.  Caveat: the kernel means the thread that forked, so children are started by a thread that
lives as long as they do.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


def main(starter: int, command: list[str]) -> None:
    """Ask for the signal, make sure that the starter did not die before that, and exec."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL) != 0:
        sys.exit(f"prctl(PR_SET_PDEATHSIG): {os.strerror(ctypes.get_errno())}")
    if os.getppid() != starter:
        sys.exit("the process that started this one is gone")
    os.execvp(command[0], command)  # noqa: S606 - no shell is the point


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
