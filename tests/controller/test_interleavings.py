# SPDX-License-Identifier: Apache-2.0
"""What the machine of `interleaving` finds, and stories that it would have to find by luck."""

from collections.abc import Callable, Iterator

import builders
import hypothesis
import pytest
from interleaving.machine import CLAIM_KEYS, Interleavings
from interleaving.steps import START
from interleaving.wire import ADDRESSES, CLAIMS
from interleaving.world import BLUE

from kube.errors import NotFoundError
from kube.meta import Key
from objects.metadata import ADDRESS_ANNOTATION, ADDRESS_FOR_ANNOTATION, RELEASE_FINALIZER
from objects.pools import PoolKey

TestInterleavings = Interleavings.TestCase
TestInterleavings.settings = hypothesis.settings(stateful_step_count=60)


# ---- single stories, each of which one careless line would spoil ----


@pytest.fixture
def story() -> Iterator[Interleavings]:
    made = Interleavings()
    made.there_are_a_pool_and_some_claims("10.0.0.1-10.0.0.2", 2)  # one/a and one/b
    yield made
    made.teardown()


A, B = CLAIM_KEYS[:2]


def given(story: Interleavings, key: Key) -> str:
    address = story.server.find(ADDRESSES, key)
    return str(address["spec"]["address"]) if address else ""


def recorded(story: Interleavings, key: Key) -> str:
    claim = story.server.find(CLAIMS, key) or {}
    return str(claim["metadata"].get("annotations", {}).get(ADDRESS_ANNOTATION, ""))


def test_a_record_whose_answer_was_lost_is_nobody_elses_address(story: Interleavings) -> None:
    story.process.hear(BLUE.resource.plural)
    story.process.hear(CLAIMS.plural)
    story.a_worker_goes_some_steps(0, 2)  # the record of a is stored
    story.an_answer_is_lost(0)

    story.a_worker_finishes_what_it_has(1)

    assert (recorded(story, A), given(story, B)) == ("10.0.0.1", "10.0.0.2")


def test_a_late_record_of_the_former_controller_is_refused(story: Interleavings) -> None:
    story.process.hear(BLUE.resource.plural)
    story.process.hear(CLAIMS.plural)
    story.a_worker_goes_some_steps(0, 1)  # the record of a is on its way
    story.a_claim_is_paused_or_resumed(A, paused=True)
    story.the_controller_is_replaced()
    story.everything_comes_to_rest()

    story.a_worker_of_the_former_controller_goes_on(0, 4)

    assert (recorded(story, A), given(story, B)) == ("", "10.0.0.1")


def test_an_address_that_exists_counts_more_than_an_older_claims_record(
    story: Interleavings,
) -> None:
    story.a_claim_is_paused_or_resumed(A, paused=True)
    story.everything_comes_to_rest()
    uid = (story.server.find(CLAIMS, A) or {})["metadata"]["uid"]
    late = {ADDRESS_ANNOTATION: "10.0.0.1", ADDRESS_FOR_ANNOTATION: uid}
    story.change(CLAIMS, A, metadata={"annotations": late, "finalizers": [RELEASE_FINALIZER]})

    story.the_controller_is_replaced()
    story.everything_comes_to_rest()

    assert (given(story, A), given(story, B)) == ("10.0.0.2", "10.0.0.1")


def test_a_bound_claim_whose_address_somebody_took_gets_no_other(story: Interleavings) -> None:
    story.everything_comes_to_rest()
    story.a_claim_is_deleted(B)
    story.everything_comes_to_rest()
    story.somebody_takes_parts_of_an_address_away(A, {"finalizers"})
    story.somebody_deletes_an_address(A)
    story.somebody_makes_an_address(Key("one", "by-hand"), BLUE, "10.0.0.1", adoptable=False)

    story.the_controller_is_replaced()
    story.everything_comes_to_rest()

    claim = story.server.find(CLAIMS, A) or {}
    assert claim["status"]["conditions"][0]["reason"] == "AllocationFailed"
    assert given(story, A) == ""


def takes_the_record_away(story: Interleavings) -> None:
    story.a_claim_asks_for_something_else(A, "")


def takes_the_claim_away(story: Interleavings) -> None:
    story.a_claim_is_lost(A)


@pytest.mark.parametrize("act", [takes_the_record_away, takes_the_claim_away])
@pytest.mark.parametrize("sent", [False, True])
def test_an_address_that_may_be_on_its_way_is_nobody_elses(
    story: Interleavings, act: Callable[[Interleavings], None], *, sent: bool
) -> None:
    story.process.hear(BLUE.resource.plural)
    story.process.hear(CLAIMS.plural)
    story.a_worker_goes_some_steps(0, 4 if sent else 3)  # a: its record is stored, and then?
    act(story)
    story.process.hear(CLAIMS.plural)
    if sent:
        story.an_answer_is_lost(0)

    for number in (1, 1, 0):
        story.a_worker_finishes_what_it_has(number)

    assert given(story, B) == "10.0.0.2"


def test_a_request_that_changes_after_a_lost_answer_finds_what_was_made(
    story: Interleavings,
) -> None:
    story.process.hear(BLUE.resource.plural)
    story.process.hear(CLAIMS.plural)
    story.a_worker_goes_some_steps(0, 4)
    story.an_answer_is_lost(0)
    story.a_claim_asks_for_something_else(A, "10.0.0.2")

    story.settle()

    assert (given(story, A), recorded(story, A)) == ("10.0.0.1", "10.0.0.1")


def test_a_request_that_changes_after_a_create_that_never_was_gets_what_it_asks_for(
    story: Interleavings,
) -> None:
    story.process.hear(BLUE.resource.plural)
    story.process.hear(CLAIMS.plural)
    story.a_worker_goes_some_steps(0, 3)
    story.a_request_fails(0, "500")
    story.a_claim_is_deleted(B)
    story.a_claim_asks_for_something_else(A, "10.0.0.2")

    story.settle()

    assert given(story, A) == "10.0.0.2"


def test_a_conflict_with_our_own_record_keeps_it(story: Interleavings) -> None:
    story.process.hear(BLUE.resource.plural)
    story.process.hear(CLAIMS.plural)
    story.a_worker_goes_some_steps(0, 2)  # the record of a is stored
    story.an_answer_is_lost(0)
    story.clock.pass_(1)  # and it is tried again, before the watch has told
    for number in (0, 1, 1, 1):
        story.a_worker_finishes_what_it_has(number)

    assert (recorded(story, A), given(story, B)) == ("10.0.0.1", "10.0.0.2")


def sends_a_create_that_is_delayed(story: Interleavings) -> None:
    story.process.hear(BLUE.resource.plural)
    story.process.hear(CLAIMS.plural)
    story.a_worker_goes_some_steps(0, 3)
    story.a_create_is_given_up_while_it_is_on_its_way(0)


@pytest.mark.parametrize("replaced", [False, True])
@pytest.mark.parametrize("gone", [False, True])
def test_what_a_deleted_claim_has_sent_for_is_nobody_elses_until_it_cannot_arrive(
    story: Interleavings, *, replaced: bool, gone: bool
) -> None:
    sends_a_create_that_is_delayed(story)
    if gone:
        story.a_claim_is_lost(A)
    else:
        story.a_claim_is_deleted(A)
    if replaced:
        story.the_controller_is_replaced()
    story.clock.pass_(0.1)
    story.everything_comes_to_rest()
    assert given(story, B) == ("10.0.0.1" if gone and replaced else "10.0.0.2")

    if not (gone and replaced):  # nothing is left that a new process could know of
        story.what_was_on_its_way_arrives()
    story.settle()

    assert given(story, B)


@pytest.mark.parametrize("followed", [False, True])
def test_what_a_former_leader_has_sent_for_is_nobody_elses_though_its_record_goes(
    story: Interleavings, *, followed: bool
) -> None:
    sends_a_create_that_is_delayed(story)
    if followed:
        story.the_standby_takes_over()
    else:
        story.the_controller_is_replaced()
    story.a_claim_is_paused_or_resumed(A, paused=True)
    story.a_claim_asks_for_something_else(A, "")
    story.everything_comes_to_rest()

    story.what_was_on_its_way_arrives()

    assert (given(story, A), given(story, B)) == ("10.0.0.1", "10.0.0.2")


def test_a_standby_that_followed_all_the_while_knows_what_a_new_process_would(
    story: Interleavings,
) -> None:
    story.everything_comes_to_rest()
    for plural in (ADDRESSES.plural, CLAIMS.plural, BLUE.resource.plural):  # as it likes
        story.the_standby_hears_of_changes(plural, 100)
    story.a_pool_is_edited(BLUE, "10.0.0.2-10.0.0.4", 0)
    story.a_claim_is_deleted(A)
    story.everything_comes_to_rest()

    story.the_standby_takes_over()
    assert story.process.state.waiting == set()
    story.everything_comes_to_rest()

    assert given(story, B) == "10.0.0.2"


def test_a_wish_that_changes_while_a_create_is_on_its_way_counts(story: Interleavings) -> None:
    sends_a_create_that_is_delayed(story)
    story.a_claim_is_deleted(B)
    story.a_claim_asks_for_something_else(A, "10.0.0.2")
    story.clock.pass_(0.1)
    story.everything_comes_to_rest()
    assert given(story, A) == "10.0.0.2"

    story.what_was_on_its_way_arrives()
    story.settle()

    assert (given(story, A), recorded(story, A)) == ("10.0.0.2", "10.0.0.2")


def test_an_address_that_somebody_makes_by_hand_meanwhile_is_theirs(story: Interleavings) -> None:
    story.process.hear(BLUE.resource.plural)
    story.process.hear(CLAIMS.plural)
    story.a_worker_goes_some_steps(0, 1)  # a: chosen, and its record fails
    story.a_request_fails(0, "500")
    story.somebody_makes_an_address(Key("one", "by-hand"), BLUE, "10.0.0.1", adoptable=False)
    story.process.hear(ADDRESSES.plural)

    story.settle()

    assert sorted((given(story, A), given(story, B))) == ["", "10.0.0.2"]


def test_a_claim_that_waits_for_what_another_holds_is_called_when_that_goes(
    story: Interleavings,
) -> None:
    story.everything_comes_to_rest()
    story.a_claim_is_deleted(A)
    story.everything_comes_to_rest()
    asks = {ADDRESS_ANNOTATION: given(story, B)}
    held = [RELEASE_FINALIZER]
    body = builders.claim("a", BLUE.name, namespace="one", annotations=asks, finalizers=held)
    story.server.put(CLAIMS, body)
    story.everything_comes_to_rest()
    assert given(story, A) == ""

    story.a_claim_is_deleted(B)
    story.everything_comes_to_rest()

    assert given(story, A) == "10.0.0.2"


# ---- a claim that is deleted while it is being served ----


def serves_a(story: Interleavings, steps: int) -> None:
    """Let a worker begin with claim `a`: 1 the record is sent, 2 stored, 3 create sent, 4 made."""
    story.process.hear(BLUE.resource.plural)
    story.process.hear(CLAIMS.plural)
    story.a_worker_goes_some_steps(0, steps)


@pytest.mark.parametrize("steps", [1, 2])
def test_a_claim_that_goes_before_its_address_is_sent_for_withholds_nothing(
    story: Interleavings, steps: int
) -> None:
    serves_a(story, steps)
    story.a_claim_is_lost(A)  # without its finalizer, or though it has that
    story.process.hear(CLAIMS.plural)
    for number in (0, 1, 1):
        story.a_worker_finishes_what_it_has(number)

    assert (given(story, A), given(story, B)) == ("", "10.0.0.1")
    assert not story.process.state.in_flight


def test_nothing_is_made_for_a_claim_whose_deletion_began_meanwhile(story: Interleavings) -> None:
    serves_a(story, 2)
    story.a_claim_is_deleted(A)
    story.process.hear(CLAIMS.plural)

    story.everything_comes_to_rest()

    assert ("create", ADDRESSES.plural, A.name) not in story.server.writes
    assert story.server.find(CLAIMS, A) is None


def test_a_claim_that_goes_while_its_address_is_made_withholds_it_until_the_answer(
    story: Interleavings,
) -> None:
    serves_a(story, 3)  # the create is on its way
    story.a_claim_is_lost(A)
    story.process.hear(CLAIMS.plural)
    story.a_worker_finishes_what_it_has(1)
    assert given(story, B) == "10.0.0.2"

    story.a_request_fails(0, "422")

    assert story.process.state.allocations_of(PoolKey(*BLUE)).free == 1
    assert not story.process.state.in_flight


@pytest.mark.parametrize("heard", [False, True])
def test_what_was_made_for_a_claim_that_is_gone_is_released_at_once(
    story: Interleavings, *, heard: bool
) -> None:
    serves_a(story, 4)  # the IPAddress is made, and the answer is on its way
    story.a_claim_is_lost(A)
    if heard:
        story.process.hear(CLAIMS.plural)

    story.a_worker_finishes_what_it_has(0)
    story.everything_comes_to_rest()

    assert story.server.find(ADDRESSES, A) is None
    assert story.clock() == START


def test_what_was_made_for_a_claim_that_is_gone_is_its_successors(story: Interleavings) -> None:
    serves_a(story, 4)
    story.a_claim_is_lost(A)
    story.a_worker_goes_some_steps(0, 2)  # the status finds no claim
    story.a_claim_is_created(A, BLUE, "", cluster=False)
    story.everything_comes_to_rest()

    assert given(story, A) == "10.0.0.1"


def test_a_404_that_says_nothing_of_the_claim_releases_nothing(story: Interleavings) -> None:
    serves_a(story, 5)  # the status is on its way
    story.process.workers[0].go(NotFoundError(404, "NotFound", "404 page not found", "PATCH"))

    story.everything_comes_to_rest()

    assert given(story, A) == "10.0.0.1"
    address = story.server.find(ADDRESSES, A) or {}
    assert "deletionTimestamp" not in address["metadata"]


def test_a_create_that_was_looked_for_too_early_is_looked_for_again(story: Interleavings) -> None:
    sends_a_create_that_is_delayed(story)
    story.a_claim_is_lost(A)
    story.clock.pass_(0.1)
    story.process.hear(CLAIMS.plural)
    worker = story.process.workers[0]
    while not worker.at.text.startswith("get ipaddresses"):
        worker.go()
    worker.go()  # the API server has looked, and its answer takes its time
    story.what_was_on_its_way_arrives()
    story.clock.pass_(30)
    story.a_worker_finishes_what_it_has(0)
    assert A in story.process.state.in_flight

    story.everything_comes_to_rest()

    assert given(story, B) == "10.0.0.2"
