# SPDX-License-Identifier: Apache-2.0
import asyncio
import base64
import contextlib
import json
import random
import zlib
from collections.abc import Mapping
from typing import Any

import pytest

from conversion import registry
from crdkit.conversion import annotation
from crdkit.webhook import conversion_review, errors, worker
from envtest import manifests

GROUP = "ipam.cluster.x-k8s.io"


def pool(name: str, spec: object, version: str = "v1alpha1") -> dict[str, object]:
    fields: list[Any] = [{"f:x": {}}]
    body = manifests.pool(name, spec, version=version, namespace="default", managedFields=fields)
    return {**body, "status": {"ipAddresses": {"total": 254}}}


def review(*objects: object, desired: str = f"{GROUP}/v1alpha2") -> bytes:
    request = {"uid": "u-1", "desiredAPIVersion": desired, "objects": objects}
    kind = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "ConversionReview"}
    return json.dumps({**kind, "request": request}).encode()


def answer(body: bytes) -> Mapping[str, Any]:
    whole = json.loads(
        asyncio.run(conversion_review.Converter(registry.REGISTRY, worker.Worker()).convert(body))
    )
    assert (whole["apiVersion"], whole["kind"]) == ("apiextensions.k8s.io/v1", "ConversionReview")
    response: Mapping[str, Any] = whole["response"]
    assert response["uid"] == "u-1"
    return response


def test_objects_come_back_converted_and_in_order() -> None:
    names = [f"pool-{number}" for number in range(20)]

    response = answer(review(*(pool(name, {"subnet": "10.0.0.0/24"}) for name in names)))

    assert response["result"] == {"status": "Success"}
    converted = response["convertedObjects"]
    assert [obj["metadata"]["name"] for obj in converted] == names
    assert converted[0]["spec"] == {"addresses": ["10.0.0.1-10.0.0.254"], "prefix": 24}
    assert converted[0]["status"] == {"ipAddresses": {"total": 254}}
    assert converted[0]["metadata"]["managedFields"] == [{"f:x": {}}]


def test_one_bad_object_fails_all_and_is_named_with_its_field() -> None:
    response = answer(review(pool("good", {}), pool("bad", {"prefix": "24"})))

    assert response["convertedObjects"] == []
    assert response["result"] == {
        "status": "Failure",
        "message": "InClusterIPPool default/bad: spec.prefix: must be an integer, not '24'",
    }


@pytest.mark.parametrize(
    ("obj", "message"),
    [
        (5, "objects[0] is not an object"),
        (pool("x", []), "InClusterIPPool default/x: spec: must be an object, not []"),
        ({"kind": "Pod", "apiVersion": "v1"}, "Pod (without a name): Pod of v1 is unknown here"),
        ({}, "object (without a name): None of None is unknown here"),
        ({"metadata": 5}, "object (without a name): None of None is unknown here"),
    ],
)
def test_what_cannot_be_converted_is_a_failure(obj: object, message: str) -> None:
    result = answer(review(obj))["result"]

    assert result["status"] == "Failure"
    assert result["message"].startswith(message)


def test_an_unknown_desired_version_is_a_failure() -> None:
    result = answer(review(pool("x", {}), desired=f"{GROUP}/v9"))["result"]

    assert result["status"] == "Failure"
    assert f"InClusterIPPool of {GROUP}/v9 is unknown here" in result["message"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b"\xff",
        b"{}",
        b'{"kind":"ConversionReview","apiVersion":"apiextensions.k8s.io/v1"}',
        b'{"kind":"AdmissionReview","request":{"uid":"1","desiredAPIVersion":"x","objects":[]}}',
        review().replace(b"extensions.k8s.io/v1", b"extensions.k8s.io/v2"),
        b'{"kind":"ConversionReview","request":{"uid":5,"desiredAPIVersion":"x","objects":[]}}',
        b'{"kind":"ConversionReview","request":' + b"[" * 100_000,
        review(pool("deep", 0)).replace(b'"spec": 0', b'"spec": ' + b"[" * 5000 + b"]" * 5000),
    ],
    ids=range(12),
)
async def test_what_is_no_review_is_refused_as_a_request(body: bytes) -> None:
    with pytest.raises(errors.RequestError) as caught:
        await conversion_review.Converter(registry.REGISTRY, worker.Worker()).convert(body)

    assert caught.value.status == 400


async def test_garbage_gets_a_review_or_a_refusal() -> None:
    dice = random.Random(4)  # noqa: S311 - seeded, so that a failure comes again
    good = review(pool("x", {"subnet": "10.0.0.0/24", "addresses": ["10.0.0.3"]}))
    for _ in range(2000):
        body = bytearray(good)
        for _ in range(dice.randint(1, 8)):
            body[dice.randrange(len(body))] = dice.randrange(256)
        with contextlib.suppress(errors.RequestError):
            assert json.loads(
                await conversion_review.Converter(registry.REGISTRY, worker.Worker()).convert(
                    bytes(body)
                )
            )["response"]


def packed(size: int) -> dict[str, object]:
    """Return a pool whose annotation unpacks to so many bytes of a list."""
    kept = {"spec": {"excludedAddresses": ["1"] * (size // 4)}}
    text = base64.b64encode(zlib.compress(json.dumps(kept).encode())).decode()
    obj = pool("packed", {})
    obj["metadata"] = {
        "name": "packed",
        "annotations": {annotation.NAME: json.dumps({"zlib": text})},
    }
    return obj


def test_annotations_cannot_unpack_to_more_than_an_answer_may_have(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(conversion_review, "ANSWER_BYTES", 500_000)

    assert answer(review(*[packed(100_000)] * 3))["result"]["status"] == "Success"
    result = answer(review(*[packed(100_000)] * 9))["result"]
    assert result["status"] == "Failure"
    assert result["message"] == (
        "InClusterIPPool packed: the answer is larger than 500000 bytes: "
        "send fewer objects in a review"
    )


async def test_a_review_of_many_objects_lets_others_be_answered() -> None:
    converter = conversion_review.Converter(registry.REGISTRY, worker.Worker())
    many = review(*[pool("x", {"subnet": "10.0.0.0/24"})] * 500)
    order: list[str] = []

    async def ask(name: str, body: bytes) -> None:
        await converter.convert(body)
        order.append(name)

    await asyncio.gather(ask("large", many), ask("single", review(pool("y", {}))))

    assert order == ["single", "large"]
