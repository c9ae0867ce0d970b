# SPDX-License-Identifier: Apache-2.0
"""Writes that fail: a claim keeps what it has, and says what lasts."""

import builders
import pytest
from builders import CONTRACT
from claim_world import World
from typing_extensions import override

from kube.errors import ApiError, ConflictError, KubeError, UnreachableError
from kube.meta import Key
from kube.options import EVERYTHING, ListOptions
from kube.resources import ApiResource
from objects.metadata import CLUSTER_NAME_LABEL

OLD, YOUNG = Key("default", "old"), Key("default", "young")

FORBIDDEN = ApiError(403, "Forbidden", "exceeded quota: few", "POST ipaddresses")
INVALID = ApiError(422, "Invalid", "policy 'names' denied request", "PATCH claims")
BAD = ApiError(400, "BadRequest", "admission webhook denied the request", "PATCH claims")
BUSY = ApiError(429, "TooManyRequests", "too many requests", "PATCH claims")
CONFLICT = ConflictError(409, "Conflict", "it has changed", "PATCH claims")
BROKEN = UnreachableError("PATCH claims", "500 InternalError")
ALL = [FORBIDDEN, INVALID, BAD, BUSY, CONFLICT, BROKEN]
LASTING = [FORBIDDEN, INVALID, BAD]


@pytest.fixture
def world() -> World:
    made = World()
    made.pool("10.0.0.5")
    return made


def two_claims(world: World) -> None:
    world.claim("old", creationTimestamp="2026-01-01T00:00:01Z")
    world.claim("young", creationTimestamp="2026-01-01T00:00:02Z")


# ---- who comes first ----


@pytest.mark.parametrize("writes_before", [0, 1])
@pytest.mark.parametrize("error", ALL, ids=lambda error: type(error).__name__ + str(error)[:30])
async def test_an_older_claim_whose_write_fails_is_not_overtaken(
    world: World, error: KubeError, writes_before: int
) -> None:
    two_claims(world)
    claims = await world.claims()
    name = ["old", "ipaddresses"][writes_before]
    world.api.refusals[name] = error
    with pytest.raises(type(error)):
        await claims.reconcile(OLD)
    del world.api.refusals[name]

    await claims.reconcile(YOUNG)
    assert world.ready("young")["reason"] == "PoolExhausted"
    await claims.reconcile(OLD)

    assert world.address("old")["spec"]["address"] == "10.0.0.5"


class Listless(builders.Api):
    """Refuses the next list of one kind."""

    refused = ""

    @override
    async def list(self, resource: ApiResource, options: ListOptions = EVERYTHING) -> bytes:
        if resource.plural == self.refused:
            raise BUSY
        return await super().list(resource, options)


async def test_an_older_claim_that_fails_before_its_choice_keeps_its_place(world: World) -> None:
    world.api = Listless()
    world.pool("10.0.0.5")
    world.claim("old", creationTimestamp="2026-01-01T00:00:01Z", labels={CLUSTER_NAME_LABEL: "c1"})
    world.claim("young", creationTimestamp="2026-01-01T00:00:02Z")
    claims = await world.claims()
    world.api.refused = "clusters"
    with pytest.raises(ApiError):
        await claims.reconcile(OLD)

    await claims.reconcile(YOUNG)

    assert world.ready("young")["reason"] == "PoolExhausted"


async def test_a_claim_that_is_not_served_any_more_gives_its_choice_up(world: World) -> None:
    two_claims(world)
    claims = await world.claims()
    world.api.refusals["old"] = BUSY
    with pytest.raises(ApiError):
        await claims.reconcile(OLD)
    del world.api.refusals["old"]
    paused = {"cluster.x-k8s.io/paused": ""}
    world.api.put(
        CONTRACT.claims,
        world.read("old") | {"metadata": world.read("old")["metadata"] | {"annotations": paused}},
    )
    await claims._state.claims.get_live(world.api, OLD)
    await claims.reconcile(OLD)

    await claims.reconcile(YOUNG)

    assert world.address("young")["spec"]["address"] == "10.0.0.5"


# ---- what a claim says ----


@pytest.mark.parametrize("error", LASTING, ids=lambda error: error.reason)
@pytest.mark.parametrize("name", ["ipaddresses", "web"])
async def test_a_lasting_refusal_is_the_claims_condition_in_the_api_servers_words(
    world: World, error: ApiError, name: str
) -> None:
    world.claim()
    world.api = OnlyObjects(world.api, name, error)

    with pytest.raises(ApiError):
        await world.reconcile()

    ready = world.ready()
    assert (ready["status"], ready["reason"]) == ("False", "AllocationFailed")
    assert error.message in ready["message"]


class OnlyObjects(builders.Api):
    """Refuses writes of one name or plural, but for those of a status."""

    def __init__(self, like: builders.Api, name: str, error: KubeError) -> None:
        self.__dict__ |= like.__dict__
        self._refused, self._error = name, error

    @override
    def _write(self, verb: str, place: tuple[str, str, str]) -> None:
        if verb != "patch status" and self._refused in place and place[0] != "events":
            raise self._error
        super()._write(verb, place)


async def test_a_refusal_is_one_event_and_one_status_however_often_it_is_tried(
    world: World,
) -> None:
    world.claim()
    world.api = OnlyObjects(world.api, "ipaddresses", FORBIDDEN)
    with pytest.raises(ApiError):
        await world.reconcile()
    world.api.writes.clear()

    with pytest.raises(ApiError):
        await world.reconcile()

    assert world.api.writes == []


async def test_a_refusal_is_reported_in_an_event(world: World) -> None:
    world.claim()
    world.api = OnlyObjects(world.api, "ipaddresses", FORBIDDEN)

    assert await world.events_of("web", fails=True) == ["AllocationFailed"]


@pytest.mark.parametrize("error", [BUSY, CONFLICT, BROKEN], ids=lambda error: str(error)[:30])
async def test_a_failure_that_passes_is_no_condition(world: World, error: KubeError) -> None:
    world.claim()
    world.api = OnlyObjects(world.api, "web", error)

    with pytest.raises(type(error)):
        await world.reconcile()

    assert "status" not in world.read()


async def test_a_claim_says_that_it_is_ready_when_the_refusal_ends(world: World) -> None:
    world.claim()
    whole = world.api
    world.api = OnlyObjects(whole, "ipaddresses", FORBIDDEN)
    with pytest.raises(ApiError):
        await world.reconcile()
    world.api._refused = ""

    await world.reconcile()

    assert world.ready()["status"] == "True"


async def test_a_claim_that_has_its_address_stays_ready_and_gets_an_event(world: World) -> None:
    world.claim()
    await world.reconcile()
    address = world.address()
    address["metadata"].pop("finalizers")
    world.api.put(CONTRACT.addresses, address)
    world.api = OnlyObjects(world.api, "ipaddresses", FORBIDDEN)

    assert await world.events_of("web", fails=True) == ["AllocationFailed"]
    assert world.ready()["status"] == "True"


async def test_a_deleted_claim_says_that_its_release_is_refused(world: World) -> None:
    world.claim()
    await world.reconcile()
    world.delete()
    world.api = OnlyObjects(world.api, "ipaddresses", FORBIDDEN)

    with pytest.raises(ApiError):
        await world.reconcile()

    deleting = world.conditions()["Deleting"]
    assert (deleting["status"], deleting["reason"]) == ("True", "ReleaseFailed")
    assert "exceeded quota" in deleting["message"]


async def test_where_the_status_is_refused_too_the_first_error_counts(world: World) -> None:
    world.claim()
    world.api.refusals["web"] = INVALID

    with pytest.raises(ApiError) as caught:
        await world.reconcile()

    assert caught.value is INVALID
