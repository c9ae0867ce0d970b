# SPDX-License-Identifier: Apache-2.0
"""The round trips of every kind and version in the registry: a new one is tested as it comes in.

`test_laws.py` has the finer laws, with addresses that mean something.
"""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api import resources
from conversion import registry
from crdkit.conversion import annotation, values

SPOKES = [
    pytest.param(kind, kinds.hub, version, id=f"{kind}-{version}")
    for kind, kinds in registry.REGISTRY.kinds.items()
    for version in kinds.spokes
]
texts = (
    st.ip_addresses().map(str)
    | st.sampled_from(["", "10.0.0.0/24", "fd00::/64", "x" * 500])
    | st.text()
)
BY_TYPE: Mapping[values.Type, st.SearchStrategy[object]] = {
    values.STRING: texts,
    values.STRINGS: st.lists(texts, max_size=4),
    values.INTEGER: st.integers(0, 128),
    values.BOOLEAN: st.booleans(),
}


def objects(kind: str, version: str, fields: values.Fields) -> st.SearchStrategy[values.JsonObject]:
    """Return objects whose JSON types fit, partial ones and such without a spec included."""
    optional = {name: st.none() | BY_TYPE[field] for name, field in fields.items()}
    parts = {"spec": st.fixed_dictionaries({}, optional={**optional, "unknown": texts})}
    fixed = {
        "apiVersion": st.just(f"{resources.GROUP}/{version}"),
        "kind": st.just(kind),
        "metadata": st.just({"name": "blue", "annotations": {"example.com/a": "b"}}),
    }
    return st.fixed_dictionaries(fixed, optional=parts)


def bare(obj: values.JsonObject) -> values.JsonObject:
    return obj | {"metadata": annotation.write(obj, {})}


@pytest.mark.parametrize(("kind", "hub", "version"), SPOKES)
@given(data=st.data())
def test_it_comes_back_from_the_hub_as_it_was_written(
    kind: str, hub: str, version: str, data: st.DataObject
) -> None:
    pair = registry.REGISTRY.kinds[kind].spokes[version]
    obj = data.draw(objects(kind, version, pair.SPOKE_FIELDS))

    there = registry.REGISTRY.convert(obj, f"{resources.GROUP}/{hub}")

    assert bare(registry.REGISTRY.convert(there, f"{resources.GROUP}/{version}")) == obj


@pytest.mark.parametrize(("kind", "hub", "version"), SPOKES)
@given(data=st.data())
def test_the_hub_comes_back_from_it_as_it_was_written(
    kind: str, hub: str, version: str, data: st.DataObject
) -> None:
    pair = registry.REGISTRY.kinds[kind].spokes[version]
    obj = data.draw(objects(kind, hub, pair.HUB_FIELDS))

    there = registry.REGISTRY.convert(obj, f"{resources.GROUP}/{version}")

    assert bare(registry.REGISTRY.convert(there, f"{resources.GROUP}/{hub}")) == obj
