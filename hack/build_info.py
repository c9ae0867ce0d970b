# SPDX-License-Identifier: Apache-2.0
"""Hatch build hook: says in `manager/build.json` which commit a wheel was built from, and when.

`SOURCE_DATE_EPOCH` sets the date and `BUILD_COMMIT` the commit where there is no git checkout.
"""

import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class BuildInfoHook(BuildHookInterface):  # type: ignore[type-arg] # hatchling's own plugins do so
    """Adds `manager/build.json` to a wheel.  An editable install asks git instead."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Write the file, and let hatchling ship it."""
        if version == "editable":
            return
        (Path(self.root) / "manager" / "build.json").write_text(build_info(self.root))
        build_data["artifacts"].append("manager/build.json")


def build_info(root: str) -> str:
    """Return the content of `manager/build.json`."""
    date = int(os.environ.get("SOURCE_DATE_EPOCH", time.time()))
    info = {
        "commit": os.environ.get("BUILD_COMMIT") or _git_commit(root),
        "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(date)),
    }
    return json.dumps(info)


def _git_commit(root: str) -> str:
    command = ["git", "-C", root, "rev-parse", "HEAD"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"
