# SPDX-License-Identifier: Apache-2.0
"""The example in the docstring of `kube` is a controller that works, here on the fake."""

import asyncio
import contextlib

from walk import example

from kube.testing.fake import FakeApi

SETTINGS = {"metadata": {"name": "settings", "namespace": "default"}}


async def test_the_example_counts_the_entries_of_a_config_map() -> None:
    module, api = example(), FakeApi()

    def counted() -> object:
        stored = api.read(module.CONFIG_MAPS, "default", "settings")
        return stored and stored["data"].get("entries")

    async def entries(expected: str) -> None:
        while counted() != expected:  # noqa: ASYNC110 - what is waited for is no event
            await asyncio.sleep(0.01)

    api.put(module.CONFIG_MAPS, SETTINGS | {"data": {"a": "1", "b": "2"}})
    running = asyncio.create_task(module.Controller(api).run())
    async with asyncio.timeout(10):
        await entries("2")
        api.put(module.CONFIG_MAPS, SETTINGS | {"data": {"a": "1"}})
        await entries("1")

    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    assert [verb for verb, _, _ in api.writes] == ["patch", "patch"]
