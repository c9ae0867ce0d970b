# SPDX-License-Identifier: Apache-2.0
"""Rules are collected from the modules that need them."""

import sys
from types import ModuleType

import pytest

import kube.rbac
from generator import errors, rbac

READ = kube.rbac.Rule(("",), ("pods",), ("list", "get"))
WRITE = kube.rbac.Rule(("",), ("pods",), ("delete", "get"))
ONE = kube.rbac.Rule(("",), ("pods",), ("update",), names=("mine",))


def declare(monkeypatch: pytest.MonkeyPatch, name: str, **rules: object) -> str:
    module = ModuleType(name)
    vars(module).update(rules)
    monkeypatch.setitem(sys.modules, name, module)
    return name


def test_rules_for_the_same_resources_are_one(monkeypatch: pytest.MonkeyPatch) -> None:
    first = declare(monkeypatch, "first", CLUSTER_RULES=(READ,), NAMESPACE_RULES=(WRITE,))
    second = declare(monkeypatch, "second", CLUSTER_RULES=(ONE, WRITE))

    access = rbac.load([first, second])

    assert access.cluster_rules == [
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["delete", "get", "list"]},
        {"apiGroups": [""], "resourceNames": ["mine"], "resources": ["pods"], "verbs": ["update"]},
    ]
    assert access.namespace_rules == [
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["delete", "get"]}
    ]


def test_a_module_without_rules_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    name = declare(monkeypatch, "silent")

    with pytest.raises(errors.RulesError) as refusal:
        rbac.load([name])

    assert str(refusal.value) == "silent: declares neither CLUSTER_RULES nor NAMESPACE_RULES"
    assert refusal.value.module == "silent"
    assert refusal.value.problem == "declares neither CLUSTER_RULES nor NAMESPACE_RULES"


def test_a_module_that_does_not_exist_is_refused() -> None:
    with pytest.raises(errors.RulesError, match=r"^nowhere: can't be imported: No module named"):
        rbac.load(["nowhere"])
