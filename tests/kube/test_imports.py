# SPDX-License-Identifier: Apache-2.0
"""What is imported while the process serves."""

import asyncio
import gc
import threading
import time

import pytest

from kube import imports


async def test_two_imports_never_run_at_once() -> None:
    running, most, threads = 0, 0, set[int]()

    def load() -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        threads.add(threading.get_ident())
        time.sleep(0.01)
        running -= 1

    await asyncio.gather(*(imports.run(load) for _ in range(5)))

    assert most == 1
    assert threads != {threading.get_ident()}


async def test_an_import_that_fails_is_reported_and_others_go_on() -> None:
    with pytest.raises(ModuleNotFoundError):
        await imports.run(__import__, "no.such.module")

    assert await imports.run(int, "1") == 1


def many() -> list[list[int]]:
    return [[] for _ in range(100)]


async def test_what_was_imported_is_left_out_of_garbage_collections() -> None:
    gc.unfreeze()
    try:
        await imports.run(str)

        assert gc.get_freeze_count()
    finally:
        gc.unfreeze()
