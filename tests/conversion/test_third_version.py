# SPDX-License-Identifier: Apache-2.0
"""A throw-away v1beta1, added as docs/how-to/add-a-version.md says."""

import dataclasses
import json
from collections.abc import Sequence
from typing import Any, ClassVar

import pytest

from api import kinds, resources
from conversion import registry, v1alpha1
from crdkit.conversion import errors, values
from crdkit.conversion.registry import Kind, Registry
from crdkit.models import markers, model
from crdkit.models.resources import Resource
from crdkit.schema import crds
from crdkit.webhook import conversion_review, worker
from envtest import manifests
from webhook import deferred

GROUP = resources.GROUP
HUB, OLD, NEW = (f"{GROUP}/{version}" for version in ("v1alpha2", "v1alpha1", "v1beta1"))
POOL = dataclasses.replace(
    resources.IN_CLUSTER_IP_POOL, versions=("v1alpha1", "v1alpha2", "v1beta1")
)


class Spec(model.Model):
    """Calls the addresses `ranges`, and has a field of its own."""

    ranges: Sequence[str] = ()
    """What to hand out."""

    prefix: int | None = None
    """Length of the subnet."""

    note: str | None = None
    """For people."""


class InClusterIPPool(model.Object):
    """The kind in v1beta1."""

    resource: ClassVar[Resource] = POOL
    version: ClassVar[markers.Version] = markers.Version("v1beta1")

    spec: Spec | None = None
    """What is wanted."""


class V1Beta1:
    """What would be the module conversion/v1beta1.py."""

    def __init__(self) -> None:
        strings, integer, string = values.STRINGS, values.INTEGER, values.STRING
        self.SPOKE_FIELDS: values.Fields = {"ranges": strings, "prefix": integer, "note": string}
        self.HUB_FIELDS: values.Fields = v1alpha1.HUB_FIELDS

    def to_hub(self, old: values.JsonObject, /) -> values.JsonObject:
        hub = {name: value for name, value in old.items() if name == "prefix"}
        return hub | ({"addresses": old["ranges"]} if "ranges" in old else {})

    def from_hub(self, hub: values.JsonObject, /) -> values.JsonObject:
        old = {name: value for name, value in hub.items() if name == "prefix"}
        return old | ({"ranges": hub["addresses"]} if "addresses" in hub else {})

    def restore(self, saved: values.JsonObject, hub: values.JsonObject, /) -> values.JsonObject:
        notes = {"note": saved["note"]} if "note" in saved else {}
        return self.from_hub(hub) | notes

    def hub_only(self, saved: values.JsonObject, /) -> values.JsonObject:
        return {name: value for name, value in saved.items() if name not in ("addresses", "prefix")}

    def spoke_only(self, saved: values.JsonObject, /) -> values.JsonObject:
        return {name: value for name, value in saved.items() if name in ("ranges", "note")}


TABLE = Registry(
    [
        *registry.REGISTRY.kinds.values(),
        Kind(POOL, {"v1alpha1": v1alpha1, "v1beta1": V1Beta1()}, "v1alpha1"),
    ]
)


def pool(api_version: str, spec: values.JsonObject) -> values.JsonObject:
    return {**manifests.pool("blue", spec), "apiVersion": api_version}


def converted(obj: values.JsonObject, *versions: str) -> values.JsonObject:
    for version in versions:
        obj = TABLE.convert(obj, version)
    return obj


def test_its_definition_is_generated_beside_the_others() -> None:
    others = [kind for kind in kinds.KINDS if kind.resource.kind == POOL.kind]

    (definition,) = crds.definitions([*others, InClusterIPPool])

    names = [version.version.name for version in definition.versions]
    assert names == ["v1alpha1", "v1alpha2", "v1beta1"]


def test_without_its_pair_the_service_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "REGISTRY", Registry([Kind(POOL, {"v1alpha1": v1alpha1})]))

    with pytest.raises(errors.MissingPairError, match="InClusterIPPool v1beta1 is served"):
        deferred.DeferredApp()

    monkeypatch.setattr(registry, "REGISTRY", TABLE)
    deferred.DeferredApp()


def test_a_model_in_a_version_that_is_not_in_the_list_is_refused() -> None:
    with pytest.raises(TypeError, match=r"v1beta1 is not in the versions of InClusterIPPool"):
        type("Unlisted", (InClusterIPPool,), {"resource": resources.IN_CLUSTER_IP_POOL, "version": markers.Version("v1beta1")})  # fmt: skip # noqa: E501 - one call


@pytest.mark.parametrize(
    ("written", "others"),
    [
        (pool(NEW, {"ranges": ["10.0.0.1"], "prefix": 24, "note": "mine"}), [HUB]),
        (pool(NEW, {"ranges": ["10.0.0.1"], "prefix": 24}), [HUB, OLD, HUB]),
        (pool(OLD, {"subnet": "10.0.0.0/24"}), [HUB]),
        (pool(HUB, {"addresses": ["10.0.0.1"], "excludedAddresses": ["10.0.0.9"]}), [NEW]),
        (pool(HUB, {"addresses": ["10.0.0.1"], "excludedAddresses": ["10.0.0.9"]}), [OLD, NEW]),
    ],
)
def test_there_and_back_loses_nothing(written: values.JsonObject, others: list[str]) -> None:
    assert converted(written, *others, str(written["apiVersion"])) == written


def test_what_one_old_version_wrote_means_the_same_in_the_other() -> None:
    old = pool(OLD, {"subnet": "10.0.0.0/30"})

    stored = converted(old, HUB)

    new: Any = converted(stored, NEW)
    assert new["spec"] == {"ranges": ["10.0.0.1-10.0.0.2"], "prefix": 30}
    assert converted(stored, OLD) == old


async def test_the_service_speaks_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "REGISTRY", TABLE)
    objects = [pool(OLD, {"subnet": "10.0.0.0/30"})]
    request = {"uid": "u", "desiredAPIVersion": NEW, "objects": objects}
    review = {"kind": "ConversionReview", "apiVersion": "apiextensions.k8s.io/v1"}

    answer = await conversion_review.Converter(registry.REGISTRY, worker.Worker()).convert(
        json.dumps(review | {"request": request}).encode()
    )

    (found,) = json.loads(answer)["response"]["convertedObjects"]
    assert found["spec"] == {"ranges": ["10.0.0.1-10.0.0.2"], "prefix": 30}
