# SPDX-License-Identifier: Apache-2.0
"""How Python says what stands in a manifest."""

import json

import pydantic
import pytest

from api import v1alpha1, v1alpha2
from crdkit.models import markers, model

SPEC = {
    "addresses": ["10.0.0.1-10.0.0.9"],
    "prefix": 24,
    "allocateReservedIPAddresses": True,
    "gateway": "",
}


@pytest.mark.parametrize(
    ("attribute", "name"),
    [
        ("prefix", "prefix"),
        ("out_of_range", "outOfRange"),
        ("ip_addresses", "ipAddresses"),
        ("allocate_reserved_ip_addresses", "allocateReservedIPAddresses"),
    ],
)
def test_json_names_are_those_of_kubernetes(attribute: str, name: str) -> None:
    assert model.json_name(attribute) == name


def test_a_manifest_comes_back_as_it_was_written() -> None:
    manifest = {
        "apiVersion": "ipam.cluster.x-k8s.io/v1alpha2",
        "kind": "InClusterIPPool",
        "metadata": {"name": "blue", "labels": {"a": ""}},
        "spec": SPEC,
    }

    assert v1alpha2.InClusterIPPool.model_validate(manifest).as_json() == manifest


def test_attributes_are_set_by_their_python_names() -> None:
    spec = v1alpha2.InClusterIPPoolSpec(
        addresses=("10.0.0.1-10.0.0.9",),
        prefix=24,
        allocate_reserved_ip_addresses=True,
        gateway="",
    )

    assert spec.as_json() == SPEC


def test_unknown_fields_are_ignored_as_the_api_server_prunes_them() -> None:
    spec = v1alpha2.InClusterIPPoolSpec.model_validate({**SPEC, "excludeAddresses": ["10.0.0.1"]})

    assert spec.as_json() == SPEC


def test_a_default_is_read_but_not_written() -> None:
    spec = v1alpha2.InClusterPrefixPoolSpec(prefixes=("2001:db8::/48",))

    assert spec.allocation_prefix_length == 64
    assert spec.as_json() == {"prefixes": ["2001:db8::/48"]}


class Secretive(model.Model):
    password: pydantic.SecretStr
    of_many: tuple[pydantic.SecretStr, ...] = ()
    by_name: dict[str, "Secretive"] = pydantic.Field({})

    @pydantic.computed_field
    @property
    def how_many(self) -> int:
        return len(self.of_many)


def test_secrets_are_written_as_they_were_read_and_shown_nowhere_else() -> None:
    inner = {"password": "**********", "ofMany": ["x", "", "y"]}
    manifest = {"password": "s3cret", "byName": {"a": inner, "b": {"password": ""}}}

    read = Secretive.model_validate_json(json.dumps(manifest))

    assert read.as_json() == manifest
    assert "s3cret" not in f"{read!r} {read} {read.model_dump_json()}"


def test_what_is_computed_is_not_in_the_manifest() -> None:
    read = Secretive.model_validate_json('{"password": "x", "howMany": 7}')

    assert (read.how_many, read.as_json()) == (0, {"password": "x"})


class Aliased(pydantic.BaseModel):
    snake_case: int = pydantic.Field(alias="snakeCase")


class Around(model.Model):
    inner: Aliased


def test_models_of_another_base_are_written_by_their_json_names() -> None:
    manifest = {"inner": {"snakeCase": 1}}

    assert Around.model_validate(manifest).as_json() == manifest


def test_rules_without_the_comma_of_a_tuple_are_refused() -> None:
    rule = markers.CEL("true", "is bad")

    with pytest.raises(TypeError) as refusal:
        type("Spec", (model.Model,), {"rules": rule, "__module__": __name__})

    assert str(refusal.value) == (
        "the rules of Spec are no tuple: write (CEL(...),) with a comma at the end"
    )


def test_an_object_never_changes() -> None:
    spec = v1alpha2.InClusterIPPoolSpec.model_validate(SPEC)

    with pytest.raises(pydantic.ValidationError, match="frozen"):
        setattr(spec, "prefix", 25)  # noqa: B010 - type checkers refuse the plain form, too


@pytest.mark.parametrize(
    "field", [{"prefix": "24"}, {"addresses": "10.0.0.1"}, {"addresses": [1]}, {"gateway": 1}]
)
def test_json_types_are_not_bent(field: dict[str, object]) -> None:
    with pytest.raises(pydantic.ValidationError):
        v1alpha2.InClusterIPPoolSpec.model_validate({**SPEC, **field})


@pytest.mark.parametrize(
    "kind", [v1alpha1.InClusterIPPool, v1alpha2.InClusterIPPool], ids=lambda k: k.version.name
)
def test_a_pool_without_a_spec_is_a_pool(kind: type[model.Object]) -> None:
    assert kind.model_validate({"kind": "InClusterIPPool"}).as_json() == {"kind": "InClusterIPPool"}
