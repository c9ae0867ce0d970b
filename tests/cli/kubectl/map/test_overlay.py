# SPDX-License-Identifier: Apache-2.0
"""What pages show of a manifest: the pools as it would change them."""

from typing import Any

import builders
import pytest
import yaml
from builders import BLUE
from snapshots import Objects

from cli.kubectl import planning
from cli.kubectl.map import model, overlay, pages, states, views, what_if
from cli.kubectl.map.query import EVERYTHING
from ipam.notation import Block
from objects.pools import PoolKey

PREFIX_POOL = "InClusterPrefixPool"
VERSION = "ipam.cluster.x-k8s.io/v1alpha2"


def manifest(*offer: str, key: PoolKey = BLUE, **spec: Any) -> str:
    body = builders.pool(*offer, name=key.name, kind=key.kind, **spec)
    body["metadata"]["namespace"] = key.namespace
    return yaml.safe_dump(body)


async def over(objects: Objects, text: str) -> model.Model:
    reader = model.Reader(objects.api, "https://example.com", "")
    found = await reader.model(await objects.snapshot())
    for key in found.keys:
        found.held(key)  # as a page of the present state does
    return await what_if.WhatIf(objects.api, "").changed(found, overlay.Manifest.read(text))


def states_of(found: model.Model, key: PoolKey = BLUE) -> dict[str, list[str]]:
    """Return the addresses of the states that a pool has on the map."""
    layers = found.layers(key)
    return {
        state: [
            str(Block.of_indexes(layers.family, layers.block_size, *part))
            for part in numbers.ranges
        ]
        for state, numbers in layers.sets.items()
        if numbers
    }


def problems_of(found: model.Model) -> tuple[str, list[str]]:
    assert found.overlay is not None
    refused = [text for change in found.overlay.changes for text in change.plan.refused]
    return found.overlay.problem, refused


@pytest.fixture
def objects() -> Objects:
    found = Objects()
    found.pool("10.0.0.10-10.0.0.19", gateway="10.0.0.1")
    found.bound("web", "10.0.0.12")
    found.bound("db", "10.0.0.18")
    found.address("stray", "10.0.0.25")
    for name in ("late", "later"):
        found.claim(name)
    return found


async def test_each_address_has_the_state_that_the_change_gives_it(objects: Objects) -> None:
    text = manifest("10.0.0.12-10.0.0.16", "10.0.0.24-10.0.0.26", excludedAddresses=["10.0.0.13"])

    found = await over(objects, text)

    assert states_of(found) == {
        "used": ["10.0.0.12"],
        "held": ["10.0.0.25"],
        "free": ["10.0.0.14-10.0.0.16"],
        states.STRANDED: ["10.0.0.18"],
        states.GAINED: ["10.0.0.24", "10.0.0.26"],
        states.LOST: ["10.0.0.10-10.0.0.11", "10.0.0.13", "10.0.0.17", "10.0.0.19"],
    }


async def test_a_holder_that_the_change_strands_says_so(objects: Objects) -> None:
    found = await over(objects, manifest("10.0.0.12-10.0.0.17"))

    assert [(held.report.address, held.report.state) for held in found.held(BLUE)] == [
        ("10.0.0.12", "used"),
        ("10.0.0.18", states.STRANDED),
        ("10.0.0.25", "outside"),
    ]
    ranges = [part.state for part in views.pool(found, BLUE, EVERYTHING).ranges]
    assert ranges == ["free", states.LOST]
    problem, (refused,) = problems_of(found)
    assert not problem
    assert "10.0.0.18" in refused


async def test_the_oldest_claims_are_served(objects: Objects) -> None:
    objects.pool("10.0.0.12", "10.0.0.18")

    found = await over(objects, manifest("10.0.0.12", "10.0.0.18-10.0.0.19"))

    assert [(claim.claim, claim.served) for claim in found.waiting(BLUE)] == [
        ("late", True),
        ("later", False),
    ]


async def test_the_page_has_cells_a_table_and_the_command(objects: Objects) -> None:
    found = await over(objects, manifest("10.0.0.10-10.0.0.29", gateway="10.0.0.1"))

    links = pages.Links("/token", "name")
    text = pages.pool(found, links, EVERYTHING, views.pool(found, BLUE, EVERYTHING))

    assert 'class="gained" aria-label="10.0.0.20, gained"' in text
    assert "The change would serve it." in text
    assert "gains 10.0.0.20-10.0.0.29" in text
    assert "kubectl apply -f pools.yaml" in text
    assert '<input type="hidden" name="plan" value="name">' in text
    assert "blue?plan=name" in text


async def test_blocks_show_that_some_of_their_addresses_change() -> None:
    objects = Objects()
    pool = objects.pool("10.0.0.0-10.0.63.99", prefix=16)
    objects.bound("web", "10.0.2.5", pool, 16)
    objects.bound("edge", "10.0.0.77", pool, 16)
    objects.bound("early", "10.0.64.9", pool, 16)
    excluded = ["10.0.63.5"]
    text = manifest("10.0.1.0-10.0.64.199", prefix=16, excludedAddresses=excluded)
    found = await over(objects, text)

    view = views.pool(found, BLUE, EVERYTHING)
    cells = {
        cell.label.partition(",")[0]: (cell.classes, cell.text)
        for row in view.rows
        for cell in row.cells
        if isinstance(cell, views.CellView)
    }

    assert cells["10.0.0.0/24"] == ("mixed u0 some-stranded some-lost", "S")
    assert cells["10.0.2.0/24"] == ("mixed u1", "1")
    assert cells["10.0.63.0/24"] == ("mixed u0 some-lost some-gained", "-+")
    assert cells["10.0.64.0/24"] == ("mixed u1 some-gained", "+")
    assert [part for part in view.states if part in states.CHANGES] == [*states.CHANGES]


async def test_a_new_pool_has_a_page(objects: Objects) -> None:
    azure = PoolKey("InClusterIPPool", "default", "azure")

    found = await over(objects, manifest("10.0.0.19-10.0.0.20", key=azure))

    assert found.keys == [azure, BLUE]
    assert states_of(found, azure) == {states.GAINED: ["10.0.0.19-10.0.0.20"]}
    assert views.OVERLAP in views.pool(found, azure, EVERYTHING).states


async def test_of_two_manifests_of_a_pool_the_last_one_is_drawn(objects: Objects) -> None:
    found = await over(objects, "---\n".join(map(manifest, ["10.0.0.10-10.0.0.99", "10.0.0.11"])))

    assert states_of(found)[states.STRANDED] == ["10.0.0.12", "10.0.0.18"]
    assert found.overlay is not None
    assert [change.plan.change for change in found.overlay.changes] == ["changed", "refused"]


async def test_a_manifest_without_a_namespace_is_for_that_of_the_context(objects: Objects) -> None:
    text = manifest("10.0.0.10").replace("  namespace: default\n", "")

    assert "namespace" not in text
    assert list((await over(objects, text)).usages) == [BLUE]


async def test_prefixes_of_ipv6_are_no_special_case() -> None:
    objects = Objects()
    nets = objects.pool("2001:db8::/48", name="nets", kind=PREFIX_POOL)
    objects.bound("net", "2001:db8:0:7::", nets, 64)

    found = await over(objects, manifest("2001:db8::/48", "2001:db8:1::/48", key=nets))

    view = views.pool(found, nets, EVERYTHING)
    assert states_of(found, nets)[states.GAINED] == [
        "2001:db8:1::-2001:db8:1:ffff:ffff:ffff:ffff:ffff"
    ]
    assert len(view.rows) < 12


async def test_another_family_draws_the_new_addresses_and_names_the_lost_ones() -> None:
    objects = Objects()
    objects.pool("10.0.0.10-10.0.0.19")

    found = await over(objects, manifest("2001:db8::1-2001:db8::9", prefix=64))

    assert found.overlay is not None
    assert states_of(found) == {states.GAINED: ["2001:db8::1-2001:db8::9"]}
    assert found.overlay.changes[0].plan.lost == ["10.0.0.10-10.0.0.19"]


@pytest.mark.parametrize(
    ("text", "problem", "refused"),
    [
        ("", "the manifest contains no pool", ""),
        ("a: [", "the manifest: line 1, column 5: ", ""),
        ("\x00", "the manifest: ", ""),
        ("kind: Secret", "the manifest contains no pool", ""),
        ("[" * 5000, "the manifest: is nested too deeply", ""),
        (manifest("10.0.0.300"), "", "spec.addresses[0]"),
        (manifest("10.0.0.10", gateway="x"), "", "spec.gateway"),
        (manifest("10.0.0.10", typo=1), "", "spec.typo"),
        (manifest("10.0.0.10").replace("IPPool", "IPPol"), "", "kind"),
        (manifest("10.0.0.10").replace("name: blue", "nam: blue"), "", "metadata.name"),
        (manifest("10.0.0.10").replace("\n  - 10.0.0.10", " 7"), "", "spec.addresses"),
    ],
)
async def test_a_manifest_that_cannot_be_applied_has_a_message(
    objects: Objects, text: str, problem: str, refused: str
) -> None:
    found = await over(objects, text)

    said, why = problems_of(found)
    page = pages.pool(found, pages.Links("/token"), EVERYTHING, views.pool(found, BLUE, EVERYTHING))
    assert said.startswith(problem) == bool(problem or not said)
    assert refused in "".join(why)
    assert bool(why) == bool(refused)
    assert 'aria-invalid="true"' in page
    assert "kubectl apply" not in page
    assert states_of(found)["used"] == ["10.0.0.12", "10.0.0.18"]


async def test_an_answer_is_kept_for_the_next_page(objects: Objects) -> None:
    reader, asked = model.Reader(objects.api, "", ""), what_if.WhatIf(objects.api, "")
    found = await reader.model(await objects.snapshot())
    texts = [overlay.Manifest.read(manifest(each)) for each in ("10.0.0.10", "10.0.0.11")]

    first = await asked.changed(found, texts[0])

    assert await asked.changed(found, texts[0]) is first
    assert await asked.changed(found, texts[1]) is not first
    assert await asked.changed(await reader.model(await objects.snapshot()), texts[0]) is not first


async def test_the_form_begins_with_the_pool_as_it_is(objects: Objects) -> None:
    usages = (await objects.snapshot()).pools

    text = overlay.text_of(usages[BLUE])

    found = await over(objects, text)
    assert found.overlay is not None
    assert found.overlay.changes[0].plan.change == planning.UNCHANGED
    assert overlay.text_of(None) == ""
    shared = objects.pool("10.9.0.1", name="shared", kind="GlobalInClusterIPPool")
    text = overlay.text_of((await objects.snapshot()).pools[shared])
    assert yaml.safe_load(text)["metadata"] == {"name": "shared"}


def test_the_oldest_forms_are_forgotten_and_files_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(what_if, "_KEPT", 2)
    file = overlay.Manifest.read("file", "kubectl apply -f file")
    forms = [overlay.Manifest.read(f"form {number}") for number in range(3)]
    kept = what_if.WhatIf(Objects().api, "")
    for each in (file, *forms):
        kept.keep(each)

    kept.keep(overlay.Manifest.read("file"))  # the same text from a form

    assert [kept.find(each.name) for each in forms] == [None, *forms[1:]]
    assert kept.find(file.name) is file
