# SPDX-License-Identifier: Apache-2.0
"""A controller works when its process leads, and the first one knows the former leader's state."""

import asyncio

import pytest

from controller.election import Election


async def test_controllers_wait_until_their_process_leads() -> None:
    election = Election()
    waiting = asyncio.create_task(election.won())
    await asyncio.sleep(0)
    assert (waiting.done(), election.is_won) == (False, False)

    election.win()

    assert (await waiting, election.is_won) == (None, True)


async def test_only_the_first_controller_relies_on_what_the_predecessor_had() -> None:
    former, election = Election(), Election()
    former.catch_up()
    election.win(former.left({"ipaddresses": 7}))

    assert await election.won() == {"ipaddresses": 7}
    assert await election.won() is None


async def test_a_leader_that_never_caught_up_leaves_nothing() -> None:
    """What the leader before it has written may be missing in its caches, and in no other way."""
    assert Election().left({"ipaddresses": 7}) == ""


@pytest.mark.parametrize("left", ["", "no JSON", "[7]", '{"ipaddresses": "7"}'])
async def test_a_text_that_cannot_be_read_says_nothing(left: str) -> None:
    election = Election()
    election.win(left)

    assert await election.won() is None
