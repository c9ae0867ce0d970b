# SPDX-License-Identifier: Apache-2.0
"""Histories that nobody lived through, each with one thing wrong."""

import copy
import datetime as dt
from typing import Any

import pytest

from envtest import manifests
from envtest.chaos import checker
from envtest.chaos.history import RESTORED, Event
from envtest.contract import PAUSED, PROTECT, RECORD, RECORD_FOR, RELEASE

DELETED_AT = dt.datetime(2026, 1, 1, 12, tzinfo=dt.UTC)
LONG_AFTER = DELETED_AT.timestamp() + 60
Json = dict[str, Any]


def claim(name: str = "web", uid: str = "", pool: str = "blue", **more: Any) -> Json:
    uid = uid or f"uid-of-{name}"
    return manifests.claim(name, pool, namespace="east", uid=uid) | more


def bound(name: str = "web", uid: str = "") -> Json:
    return claim(name, uid, status={"addressRef": {"name": name}})


def deleted(body: Json) -> Json:
    body = copy.deepcopy(body)
    body["metadata"]["deletionTimestamp"] = DELETED_AT.strftime("%Y-%m-%dT%H:%M:%SZ")
    return body


def asking(body: Json, address: str, chosen_for: str = "") -> Json:
    annotations = {RECORD: address}
    if chosen_for:
        annotations[RECORD_FOR] = chosen_for
    body["metadata"]["annotations"] = annotations
    return body


def address(
    name: str = "web", text: str = "10.0.0.1", uid: str = "", pool: str = "blue", made: int = 1
) -> Json:
    owner = {"kind": "IPAddressClaim", "name": name, "uid": uid or f"uid-of-{name}"}
    metadata: Json = {
        "namespace": "east",
        "uid": f"address-{made}-of-{name}",
        "finalizers": [PROTECT],
        "ownerReferences": [owner],
    }
    return manifests.address(name, text, pool, **metadata)


def paused(body: Json) -> Json:
    body["metadata"]["annotations"] = {PAUSED: ""}
    return body


def unprotected(body: Json) -> Json:
    body["metadata"]["finalizers"] = []
    return body


def stripped(body: Json) -> Json:
    body["metadata"]["ownerReferences"] = []
    return body


def pool(grace: int = 0, *addresses: str, prefix: int = 24, **more: Any) -> Json:
    listed = list(addresses) or ["10.0.0.1-10.0.0.9"]
    spec = {"addresses": listed, "prefix": prefix, "addressReuseGracePeriodSeconds": grace}
    return {"metadata": {}, "spec": spec | more}


class Story:
    """A history, told object by object."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def _add(self, plural: str, name: str, body: Json | None, seen: float) -> "Story":
        revision = len(self.events) + 1
        self.events.append(Event(revision, plural, "east", name, body, seen))
        return self

    def claim(self, body: Json | None, name: str = "web") -> "Story":
        return self._add(checker.CLAIMS, body["metadata"]["name"] if body else name, body, 0)

    def address(self, body: Json | None, name: str = "web", seen: float = LONG_AFTER) -> "Story":
        name = body["metadata"]["name"] if body else name
        return self._add(checker.ADDRESSES, name, body, seen)

    def pool(self, body: Json, name: str = "blue") -> "Story":
        return self._add("inclusterippools", name, body, 0)

    def restored(self, revision: int) -> "Story":
        """Go on from a backup that has all up to a revision."""
        self.events.append(Event(revision, RESTORED, "", "", None))
        return self

    @property
    def laws(self) -> list[str]:
        """Which laws it breaks, in order."""
        return [violation.law for violation in checker.check(self.events)]


def served() -> Story:
    """A claim that has its address."""
    return began().claim(claim()).address(address()).claim(bound())


def began() -> Story:
    """There is a pool."""
    return Story().pool(pool())


def test_a_whole_life_breaks_no_law() -> None:
    story = served().claim(deleted(bound())).address(deleted(address()))

    story = story.address(unprotected(deleted(address()))).address(None).claim(None)

    assert story.claim(claim(uid="next")).address(address(uid="next", made=2)).laws == []


def test_an_address_may_move_on_when_its_holder_is_gone() -> None:
    story = served().claim(deleted(bound())).address(None).claim(None)

    assert story.claim(claim("other")).address(address("other")).laws == []


@pytest.mark.parametrize("text", ["10.0.0.1", "::ffff:10.0.0.1"])
def test_one_address_of_two_pools_is_no_duplicate(text: str) -> None:
    offer = pool(0, text, prefix=128 if ":" in text else 32, allocateReservedIPAddresses=True)
    story = served().pool(offer, "green").claim(claim("other", pool="green"))

    assert story.address(address("other", text, pool="green")).laws == []


@pytest.mark.parametrize("text", ["10.0.0.5", "10.0.0.10", "10.0.0.0", "10.9.9.9"])
def test_an_address_that_the_pool_never_offered_is_found(text: str) -> None:
    story = Story().pool(pool(gateway="10.0.0.5")).claim(claim())

    assert story.address(address(text=text)).laws == ["of what the pool ever offered"]


def test_an_address_that_the_pool_offered_before_an_edit_is_no_wrong_one() -> None:
    story = began().pool(pool(0, "10.0.0.5-10.0.0.9")).claim(claim())

    assert story.address(address(text="10.0.0.1")).laws == []


def test_an_address_of_another_pool_than_the_claims_is_found() -> None:
    story = began().pool(pool(), "green").claim(claim())

    assert story.address(address(pool="green")).laws == ["of its claim's pool"]


def test_an_address_that_is_made_without_protection_is_found() -> None:
    story = began().claim(claim()).address(unprotected(address()))

    assert story.laws == ["protected at birth"]


def test_two_holders_of_one_address_are_found() -> None:
    story = served().claim(claim("other")).address(address("other"))

    assert story.laws == ["no address twice"]


def test_two_spellings_of_one_address_are_found() -> None:
    story = Story().pool(pool(0, "fd00::1", prefix=64)).claim(claim())
    story = story.address(address(text="fd00::1")).claim(claim("other"))

    assert story.address(address("other", "FD00:0::0001")).laws == ["no address twice"]


def test_a_holder_that_is_being_deleted_still_holds() -> None:
    story = served().claim(deleted(bound())).address(deleted(address())).claim(claim("other"))

    assert story.address(address("other")).laws == ["no address twice"]


def test_an_address_that_goes_while_its_claim_lives_is_found() -> None:
    assert served().address(None).laws == ["held while its claim lives"]


def test_an_address_that_loses_its_protection_while_its_claim_lives_is_found() -> None:
    story = served().address(deleted(address())).address(unprotected(deleted(address())))

    assert story.laws == ["held while its claim lives"]


def test_an_address_that_lost_its_owner_is_still_its_claims() -> None:
    story = served().address(stripped(address()))

    assert story.laws == []
    assert story.address(None).laws == ["held while its claim lives"]


def test_an_address_that_lost_its_owner_goes_before_its_claim_all_the_same() -> None:
    assert served().address(stripped(address())).claim(None).laws == ["the address goes first"]


def test_an_address_that_a_living_claim_took_over_is_that_claims() -> None:
    held = claim()
    held["metadata"]["finalizers"] = [RELEASE]
    story = began().claim(held).address(address()).claim(None)  # past its finalizer

    story = story.claim(claim(uid="new")).address(address(uid="new")).claim(bound(uid="new"))

    assert story.laws == []
    assert story.address(None).laws == ["held while its claim lives"]


def test_an_address_that_is_given_to_nobody_alive_is_still_its_claims() -> None:
    story = served().address(address(uid="of-nobody"))

    assert story.address(None).laws == ["held while its claim lives"]


def test_an_address_that_is_replaced_while_its_claim_lives_is_found() -> None:
    assert "held while its claim lives" in served().address(address(made=2)).laws


@pytest.mark.parametrize(("seconds", "broken"), [(2.5, ["held for its grace"]), (3.5, [])])
def test_a_grace_period_that_is_cut_short_is_found(seconds: float, broken: list[str]) -> None:
    story = Story().pool(pool(3)).claim(claim()).address(address()).claim(deleted(claim()))

    assert story.address(None, seen=DELETED_AT.timestamp() + seconds).laws == broken


@pytest.mark.parametrize(("seconds", "broken"), [(20, []), (40, ["nothing for what is paused"])])
@pytest.mark.parametrize("what", ["claim", "pool"])
def test_what_is_made_for_something_paused_is_found(
    what: str, seconds: int, broken: list[str]
) -> None:
    """Shortly after the pause a manager may not know of it yet."""
    story = began().claim(claim())
    halted = paused(claim()) if what == "claim" else paused(pool())
    story = story.claim(halted) if what == "claim" else story.pool(halted)

    assert story.address(address(), seen=seconds).laws == broken


@pytest.mark.parametrize("what", ["claim", "pool"])
def test_what_is_let_go_of_something_paused_is_found(what: str) -> None:
    story = served().claim(deleted(bound()))
    halted = paused(deleted(bound())) if what == "claim" else paused(pool())
    story = story.claim(halted) if what == "claim" else story.pool(halted)

    assert story.address(None).laws == ["nothing for what is paused"]


def test_what_goes_on_after_a_pause_breaks_no_law() -> None:
    story = began().pool(paused(pool())).claim(paused(claim())).pool(pool()).claim(claim())

    assert story.address(address()).claim(bound()).laws == []


def test_an_address_that_changes_is_found() -> None:
    assert served().address(address(text="10.0.0.2")).laws == ["an address never changes"]


def test_a_claim_that_gets_another_address_is_found() -> None:
    story = served().address(None).address(address(text="10.0.0.2", made=2))

    assert story.laws == ["held while its claim lives", "a claim keeps its address"]


def test_a_status_that_forgets_its_address_is_found() -> None:
    assert served().claim(claim()).laws == ["a claim keeps its address"]


def test_a_status_that_names_what_is_not_there_is_found() -> None:
    assert began().claim(claim()).claim(bound()).laws == ["bound to its own"]


def test_a_status_that_names_the_address_of_a_former_claim_is_found() -> None:
    story = began().claim(claim(uid="old")).address(address(uid="old")).claim(bound(uid="new"))

    assert "bound to its own" in story.laws


def test_an_address_for_a_claim_that_is_gone_is_found() -> None:
    story = began().claim(claim()).claim(None).address(address())

    assert story.laws == ["made for a claim that exists"]


def test_an_address_for_a_former_claim_of_that_name_is_found() -> None:
    story = began().claim(claim(uid="new")).address(address(uid="old"))

    assert story.laws == ["made for a claim that exists"]


def test_a_claim_that_goes_before_its_address_is_found() -> None:
    assert served().claim(None).laws == ["the address goes first"]


def test_another_address_than_the_one_asked_for_is_found() -> None:
    story = began().claim(asking(claim(), "10.0.0.7")).address(address())

    assert story.laws == ["what was asked for"]


def test_what_the_provider_chose_itself_was_not_asked_for() -> None:
    body = asking(claim(), "10.0.0.7", chosen_for="uid-of-web")

    assert began().claim(body).address(address()).laws == []


def test_what_the_api_server_removed_past_its_finalizer_breaks_no_law_of_the_provider() -> None:
    held = claim()
    held["metadata"]["finalizers"] = [RELEASE]

    assert began().claim(claim()).claim(held).claim(None).address(address()).laws == []
    assert began().claim(held).address(address()).claim(None).laws == []


def test_an_address_twice_is_found_though_the_claim_of_one_was_removed_so() -> None:
    held = claim()
    held["metadata"]["finalizers"] = [RELEASE]
    story = began().claim(held).claim(None).claim(claim("other")).address(address("other"))

    assert story.address(address()).laws == ["no address twice"]


def test_a_violation_says_which_write_broke_the_law() -> None:
    (violation,) = checker.check(served().address(None).events)

    assert str(violation) == (
        "held while its claim lives (revision 5): ipaddresses east/web: 10.0.0.1"
    )


def test_what_a_backup_lacks_may_be_given_again_after_its_restore() -> None:
    story = served()

    story = story.restored(1).claim(claim("other")).address(address("other"))

    assert story.laws == []


def test_what_a_backup_has_is_held_after_its_restore() -> None:
    story = served()
    backup = len(story.events)
    story = story.claim(deleted(bound())).address(unprotected(address())).address(None).claim(None)

    story = story.restored(backup).claim(claim("other")).address(address("other"))

    assert story.laws == ["no address twice"]


def test_a_law_that_was_broken_before_a_restore_stays_broken() -> None:
    story = served().claim(claim("other")).address(address("other"))

    story = story.restored(1).claim(claim("other")).address(address("other"))

    assert story.laws == ["no address twice"]


def test_a_law_that_was_broken_before_the_backup_is_reported_once() -> None:
    story = served().claim(claim("other")).address(address("other"))

    assert story.restored(len(story.events)).laws == ["no address twice"]
