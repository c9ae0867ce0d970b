# SPDX-License-Identifier: Apache-2.0
"""The controller that the docstring of `kube` shows."""

import re
import textwrap
from types import ModuleType
from typing import Any

import kube


def example() -> Any:
    """Return the example as a module."""
    found = re.search(r"(?ms)^    import asyncio$.*?(?=^\S)", kube.__doc__ or "")
    assert found
    module = ModuleType("example")
    exec(textwrap.dedent(found[0]), module.__dict__)  # noqa: S102 - it is ours
    return module
