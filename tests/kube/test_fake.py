# SPDX-License-Identifier: Apache-2.0
"""The fake API server: the rules of the real one that the runtime relies on."""

import json

import pytest

from kube.errors import ApiError, ConflictError
from kube.testing.fake import FakeApi, Json
from objects import contracts

CLAIMS = contracts.V1Beta2("v1beta2").claims


def with_claim(**metadata: object) -> tuple[FakeApi, Json]:
    api = FakeApi()
    return api, api.put(CLAIMS, {"metadata": {"name": "web", "namespace": "default", **metadata}})


async def patch(api: FakeApi, version: str, **metadata: object) -> Json:
    changes = {"metadata": {"resourceVersion": version, **metadata}}
    answer: Json = json.loads(
        await api.patch(CLAIMS, "default", "web", json.dumps(changes).encode())
    )
    return answer


def revision(item: Json) -> str:
    version: str = item["metadata"]["resourceVersion"]
    return version


def told(api: FakeApi, seen: int = 0) -> list[str]:
    return [json.loads(event)["type"] for event in api.changes(CLAIMS, "", seen)]


async def test_a_patch_that_changes_nothing_causes_no_event() -> None:
    api, claim = with_claim(labels={"a": "b"})

    left = await patch(api, revision(claim), labels={"a": "b"})

    assert revision(left) == revision(claim)
    assert told(api) == ["ADDED"]


async def test_a_patch_of_another_version_is_refused() -> None:
    api, claim = with_claim()
    await patch(api, revision(claim), labels={"a": "b"})

    with pytest.raises(ConflictError, match="web has changed"):
        await patch(api, revision(claim), labels={"a": "b"})


async def test_finalizers_are_not_added_during_a_deletion() -> None:
    api, claim = with_claim(finalizers=["one", "two"])
    deleting = json.loads(await api.delete(CLAIMS, "default", "web", claim["metadata"]["uid"]))

    with pytest.raises(ApiError, match="no finalizers can be added"):
        await patch(api, revision(deleting), finalizers=["one", "three"])
    left = await patch(api, revision(deleting), finalizers=["two"])
    assert left["metadata"]["finalizers"] == ["two"]
    await patch(api, revision(left), finalizers=[])
    assert api.read(CLAIMS, "default", "web") is None


async def test_a_second_deletion_keeps_the_time_of_the_first() -> None:
    api, claim = with_claim(finalizers=["one"])
    uid = claim["metadata"]["uid"]
    first = json.loads(await api.delete(CLAIMS, "default", "web", uid))
    api.now = "2026-01-01T00:09:00Z"

    assert json.loads(await api.delete(CLAIMS, "default", "web", uid)) == first


async def test_changes_are_reported_from_a_revision_on() -> None:
    api, claim = with_claim()
    await patch(api, revision(claim), labels={"a": "b"})
    api.remove(CLAIMS, "default", "web")

    assert told(api) == ["ADDED", "MODIFIED", "DELETED"]
    assert told(api, int(revision(claim))) == ["MODIFIED", "DELETED"]
