# SPDX-License-Identifier: Apache-2.0
"""Which build this is: for `--version`, for the logs, and for the API server's audit log."""

import functools
import json
import subprocess
from importlib import metadata
from pathlib import Path

_DISTRIBUTION = "cluster-api-ipam-provider-in-cluster"


def describe(program: str) -> str:
    """Return version, commit and build date in one line."""
    commit, date = _build()
    return f"{program} {_version()} (commit {commit}, built {date})"


def user_agent(program: str) -> str:
    """Return what the API server's audit log shall call us; asks no git, since start-up waits."""
    return f"{program}/{_version()}"


@functools.cache
def _version() -> str:
    return metadata.version(_DISTRIBUTION)


def _build() -> tuple[str, str]:
    """Return commit and date: what the build recorded, else what the checkout says."""
    recorded = Path(__file__).with_name("build.json")
    if recorded.is_file():
        info = json.loads(recorded.read_text())
        return str(info["commit"]), str(info["date"])
    root = Path(__file__).resolve().parent.parent
    command = ["git", "-C", str(root), "log", "-1", "--format=%H %cI"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown", "unknown"
    commit, date = done.stdout.split()
    return commit, date
