# SPDX-License-Identifier: Apache-2.0
"""The controller's slim structs say nothing that the models do not."""

import msgspec
import pytest

from api import v1alpha2
from objects import pools

MODELS = (v1alpha2.InClusterIPPoolSpec, v1alpha2.InClusterPrefixPoolSpec)


def json_names() -> set[str]:
    return {field.encode_name for field in msgspec.structs.fields(pools.PoolSpec)}


def test_the_struct_has_exactly_the_fields_of_the_models() -> None:
    named = {info.alias or name for model in MODELS for name, info in model.model_fields.items()}

    assert json_names() == named


def test_an_ip_pool_and_a_prefix_pool_offer_what_their_specs_say() -> None:
    ip = pools.Pool(
        kind="InClusterIPPool",
        metadata=pools.PoolMeta(name="blue"),
        spec=pools.PoolSpec(addresses=("10.0.0.0/30",), prefix=30),
    )
    prefix = pools.Pool(
        kind="GlobalInClusterPrefixPool",
        metadata=pools.PoolMeta(name="racks"),
        spec=pools.PoolSpec(prefixes=("2001:db8::/56",)),
    )

    assert (pools.address_set_of(ip).total, pools.prefix_length(ip)) == (2, 30)
    assert (pools.address_set_of(prefix).total, pools.prefix_length(prefix)) == (256, 64)


@pytest.mark.parametrize("kind", pools.RESOURCES)
def test_a_pool_without_a_spec_offers_nothing(kind: str) -> None:
    pool = pools.Pool(kind=kind, metadata=pools.PoolMeta(name="empty"))

    assert pools.address_set_of(pool).errors
    assert pools.address_set_of(pool).total == 0
