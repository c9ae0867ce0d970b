# SPDX-License-Identifier: Apache-2.0
"""What running processes cost, as the kernel counts it: true on a busy machine, too."""

import os
import re
import time
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")  # per second, of the CPU times in /proc
SERVER_SHARE = 0.1  # of a core: an API server that only holds watches

_QUIET_SECONDS = 1.0  # what is not at work for so long has nothing left to do
_QUIET_SHARE = 0.03  # of a core: renewing a lease takes a tick or two


def cpu_seconds(*pids: int) -> float:
    """Return the CPU time of processes since each of them started, user and system."""
    return sum(_ticks(pid) for pid in pids) / TICKS


def rss_mib(pid: int) -> float:
    """Return the resident memory of a process."""
    return _mib(pid, "VmRSS")


def forget_peak(pid: int) -> None:
    """Begin anew with the peak of a process's resident memory (proc_pid_clear_refs(5))."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def peak_mib(pid: int) -> float:
    """Return the largest resident memory of a process since `forget_peak`."""
    return _mib(pid, "VmHWM")


def settle(pid: int, share: float = _QUIET_SHARE, patience: float = 300.0) -> None:
    """Return when a process has stopped working, but for a share of a core."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        before = cpu_seconds(pid)
        time.sleep(_QUIET_SECONDS)
        if cpu_seconds(pid) - before <= share * _QUIET_SECONDS:
            return
    raise SystemExit(f"process {pid} is still at work after {patience:g} s")


def _mib(pid: int, field: str) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.findall(rf"{field}:\s+(\d+) kB", status)[0]) / 1024


def _ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])
