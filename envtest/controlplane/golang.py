# SPDX-License-Identifier: Apache-2.0
"""The Go command, and the folder of the modules that it builds programs from."""

import shutil
from pathlib import Path

from ..errors import MissingToolError

TOOLS = Path(__file__).parents[2] / "hack" / "tools"
GO_REMEDY = (
    "install Go 1.26 or later (https://go.dev/dl), so that it can be built, "
    "or set KUBEBUILDER_ASSETS to a folder that holds it"
)


def require_go(what: str) -> str:
    """Return the path of the Go command; say what needs it where there is none."""
    go = shutil.which("go")
    if go is None:
        raise MissingToolError(what, GO_REMEDY)
    return go
