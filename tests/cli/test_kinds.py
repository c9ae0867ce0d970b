# SPDX-License-Identifier: Apache-2.0
"""Which documents are pools of ours: by group and kind, misspelled ones and those in Lists too."""

import json
from typing import Any

import pytest
import yaml
from click import testing

from cli import main
from envtest import manifests

GROUP = "ipam.cluster.x-k8s.io"
SPEC = {"subnet": "10.0.0.0/30"}
BAD = {"subnet": "10.0.0/30"}


def run(*arguments: str, stdin: str = "") -> testing.Result:
    result = testing.CliRunner().invoke(main.main, arguments, input=stdin)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def convert(text: str) -> testing.Result:
    return run("convert", "--to", "v1alpha2", stdin=text)


def pool(spec: object = SPEC, kind: str = "InClusterIPPool") -> dict[str, Any]:
    return manifests.pool("blue", spec, kind, "v1alpha1")


def listed(*items: object, kind: str = "List", api_version: str = "v1") -> dict[str, Any]:
    return {"apiVersion": api_version, "kind": kind, "items": list(items)}


@pytest.mark.parametrize(
    "kind",
    [
        "IPAddress",
        "IPAddressClaim",
        "IPAddressClaimList",
        "InfobloxIPPool",
        "InfobloxIPPoolList",
        "GlobalInfobloxIPPool",
        "IPPool",
    ],
)
def test_other_kinds_of_our_group_pass(kind: str) -> None:
    text = json.dumps(pool({"anything": 1}, kind))

    assert run("validate", stdin=text).output == ""
    assert convert(text).output == text


@pytest.mark.parametrize("kind", ["InClusterIPPol", "ClusterIPPool", "InClusterIpPool"])
def test_a_misspelled_kind_gets_a_suggestion(kind: str) -> None:
    for command in (("validate",), ("convert", "--to", "v1alpha2")):
        result = run(*command, stdin=json.dumps(pool(kind=kind)))
        assert result.exit_code == 1
        assert f"'{kind}': unknown kind, did you mean InClusterIPPool?" in result.stderr


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_a_list_in_a_list_is_looked_into(depth: int) -> None:
    good, bad = pool(), pool(BAD)
    for _ in range(depth):
        good, bad = listed(good), listed(bad)

    inner = json.loads(convert(json.dumps(good)).stdout)
    for _ in range(depth):
        (inner,) = inner["items"]

    assert inner["spec"] == {"addresses": ["10.0.0.1-10.0.0.2"], "prefix": 30}
    assert run("validate", stdin=json.dumps(bad)).exit_code == 1


def test_a_list_of_pools_says_for_its_items_what_they_are() -> None:
    item = {"metadata": {"name": "blue"}, "spec": SPEC}
    api_version = f"{GROUP}/v1alpha1"
    text = json.dumps(listed(item, kind="InClusterIPPoolList", api_version=api_version))

    converted = json.loads(convert(text).stdout)

    target = f"{GROUP}/v1alpha2"
    assert (converted["apiVersion"], converted["kind"]) == (target, "InClusterIPPoolList")
    (inner,) = converted["items"]
    assert (inner["apiVersion"], inner["kind"]) == (target, "InClusterIPPool")
    assert inner["spec"] == {"addresses": ["10.0.0.1-10.0.0.2"], "prefix": 30}
    assert run("validate", stdin=text).output == ""
    bad = run("validate", stdin=text.replace("10.0.0.0/30", "10.0.0/30"))
    assert "document 1, item 1: InClusterIPPool blue: spec.subnet" in bad.stderr


@pytest.mark.parametrize("items", ["", "items: 5\n", "items: {a: b}\n", "items: null\n"])
@pytest.mark.parametrize(
    "head",
    ["apiVersion: v1\nkind: List\n", f"apiVersion: {GROUP}/v1alpha2\nkind: InClusterIPPoolList\n"],
)
def test_a_list_without_items_is_reported_and_not_touched(head: str, items: str) -> None:
    text = head + items

    result = run("validate", stdin=text)

    assert result.exit_code == 1
    assert "items: must be a list" in result.stderr
    assert convert(text).output == text


def test_a_list_of_something_else_need_not_have_items() -> None:
    text = "apiVersion: example.org/v1\nkind: PrefixList\nspec: {}\n"

    assert run("validate", stdin=text).output == ""


@pytest.mark.parametrize("group", [GROUP, "ipam.cluster.x-k8s.oi/v1alpha1", "v1"])
def test_a_pool_of_another_group_is_warned_about(group: str) -> None:
    text = yaml.safe_dump(pool() | {"apiVersion": group})

    result = run("validate", stdin=text)

    assert result.exit_code == 0
    right = f"a pool has {GROUP}/v1alpha2"
    assert f"warning: apiVersion: '{group}': is not looked into: {right}" in result.stderr
    converted = convert(text)
    assert (converted.exit_code, converted.stdout) == (0, text)


@pytest.mark.parametrize("kind", ["[a]", "5", "null", "{a: b}"])
def test_a_kind_of_our_group_is_a_string(kind: str) -> None:
    text = f"apiVersion: {GROUP}/v1alpha2\nkind: {kind}\n"

    for command in (("validate",), ("convert", "--to", "v1alpha2")):
        result = run(*command, stdin=text)
        assert result.exit_code == 1
        assert ": kind: " in result.stderr
