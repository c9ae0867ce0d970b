# SPDX-License-Identifier: Apache-2.0
"""Import modules while the process already serves: one after the other, in one thread.

Two threads that import at once may wait for each other's modules.  Python then hands out a module
that is only partly initialized.
"""

import asyncio
import gc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar, TypeVarTuple

Ts = TypeVarTuple("Ts")
R = TypeVar("R")

_THREAD = ThreadPoolExecutor(1, thread_name_prefix="import")


async def run(function: Callable[[*Ts], R], *args: *Ts) -> R:
    """Call a function that imports, after all that were submitted before.

    Flow:
        Modules are never freed, so the garbage collector ignores them from then on.
    """
    result = await asyncio.get_running_loop().run_in_executor(_THREAD, function, *args)
    gc.freeze()
    return result
