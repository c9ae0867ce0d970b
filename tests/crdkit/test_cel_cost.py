# SPDX-License-Identifier: Apache-2.0
"""What rules cost, told before the API server is asked, and compared with what it says."""

import contextlib
import json
import re
from typing import Annotated, Any, ClassVar

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from made_models import make
from pydantic import Field

from api import kinds
from crdkit import errors
from crdkit.models import markers, model, resources
from crdkit.render import files
from crdkit.schema import structural
from crdkit.validate import cel_cost
from envtest import errors as envtest_errors
from envtest.controlplane.provider import Provider

CEL = markers.CEL
BUDGET = 10_000_000

Name = Annotated[str, Field(max_length=253)]
Names = Annotated[tuple[Name, ...], Field(max_length=1000)]


class Item(model.Model):
    name: Name
    size: int
    tags: Annotated[tuple[Name, ...], Field(max_length=20)] = ()


class Fields(model.Model):
    """What the rules below are about."""

    name: Name = ""
    text: str = ""
    names: Names = ()
    others: Names = ()
    texts: tuple[str, ...] = ()
    items: Annotated[tuple[Item, ...], Field(max_length=1000)] = ()
    open_items: tuple[Item, ...] = ()
    labels: Annotated[dict[str, Name], Field(max_length=500)] = Field({})
    numbers: tuple[int, ...] = ()


def ruled(rule: str, **more: Any) -> type[model.Model]:
    return make("Spec", Fields, {}, rules=(CEL(rule, "is bad", **more),))


class Below(model.Model):
    texts: tuple[Annotated[str, CEL("self.contains('x')", "is bad")], ...]


class Deep(model.Model):
    below: dict[str, Below]


def nested(field: str = "names") -> str:
    return f"self.{field}.all(a, self.others.all(b, a.startsWith(b)))"


REFUSED = {
    "nested loops": (
        ruled(nested()),
        (
            "Spec: the rule 'self.names.all(a, self.others.all(b, a.startsWith(b)))' could cost "
            "the API server 10.70 times its budget: give the lists and strings that it reads a "
            "smaller max_length"
        ),
    ),
    "no bound": (
        ruled("self.texts.all(t, t.contains('x'))"),
        (
            "Spec: the rule \"self.texts.all(t, t.contains('x'))\" could cost the API server more "
            "than 100 times its budget: give Spec.texts[] and Spec.texts a max_length"
        ),
    ),
    "below what has no bound": (
        Deep,
        (
            "Deep.below{}.texts[]: the rule \"self.contains('x')\" could cost the API server more "
            "than 100 times its budget: give Deep.below and Deep.below{}.texts[] a max_length"
        ),
    ),
    "message": (
        ruled("true", message_expression="self.names.filter(a, self.others.exists(b, b == a))[0]"),
        (
            "Spec: the messageExpression 'self.names.filter(a, self.others.exists(b, b == a))[0]' "
            "could cost the API server 10.70 times its budget: give the lists and strings that it "
            "reads a smaller max_length"
        ),
    ),
}


@pytest.mark.parametrize(("kind", "message"), REFUSED.values(), ids=REFUSED)
def test_a_rule_over_the_budget_is_refused_with_what_to_bound(
    kind: type[model.Model], message: str
) -> None:
    with pytest.raises(errors.CostError) as refusal:
        structural.schema_of(kind)

    assert str(refusal.value) == message


EXPRESSIONS = [
    "self.items.all(i, i.tags.all(t, t.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z]+)*$')))",
    "self.items.all(i, self.names.all(t, t.contains(i.name)))",
    "self.items.all(i, self.items.all(j, i.name.contains(j.name)))",
    "self.items.all(i, i.tags.all(t, i.tags.all(u, u.contains('0123456789012345678901'))))",
    "self.items.all(i, i.name.contains(i.name) && i.name.contains(self.name))",
    "self.names.all(n, n.replace('a', 'bb').contains('abcdefghijklmnop' + 'abcdefghijklmnop'))",
    "self.names.all(n, n.split(',').all(t, t.matches('^[a-z]([-a-z0-9]*[a-z])?([.][a-z]+)*$')))",
    "self.names.all(n, n.substring(1).contains(self.name))",
    "self.names.map(n, n.lowerAscii()).all(n, n.contains(self.name))",
    "self.names.all(n, n.contains(self.name))",
    "self.names.all(n, n.matches('^[a-z]+$'))",
    "self.names.all(n, n.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]+)*$'))",
    "self.names.all(n, self.names.exists_one(m, m == n))",
    nested(),
    "self.names.all(n, n in self.others)",
    "self.names.all(n, n.lowerAscii() in self.others.map(o, o.lowerAscii()))",
    "self.items.all(i, self.items.filter(j, j.size > i.size).size() < 3)",
    "self.items.map(i, i.name).all(n, self.names.exists(m, m == n))",
    "self.labels.all(k, self.labels[k].contains(k))",
    "self.labels.all(k, v, v.startsWith(k) && self.names.exists(n, n == v))",
    "self.text.contains('abc')",
    "self.text.matches('^[a-z]+$')",
    "self.text.split(',').all(t, t.trim() != '')",
    "self.texts.all(t, t.contains('x'))",
    "self.texts.size() < 9",
    "self.numbers.all(n, n > 0)",
    "self.numbers.sum() < 100",
    "self.numbers.all(n, self.names.exists(m, m == string(n)))",
    "self.open_items.all(i, i.size > 0)".replace("open_items", "openItems"),
    "self.openItems.all(i, i.name.startsWith('x'))",
    "self.names.all(n, isIP(n) || isCIDR(n) || quantity('1').isGreaterThan(quantity('0')))",
    "sets.contains(self.names, self.others)",
    "self.names.join(',').contains(self.name)",
    "self.names.all(n, self.others.all(o, self.names.exists(x, x == o + n)))",
    "has(self.name) && self.name != '' ? self.names[0] == self.name : self.names.size() > 0",
    "self == oldSelf",
    "self.?name.orValue('x') != self.text.replace('a', 'bb')",
    "self.names.exists(n, n.replace('a', 'bb').contains(self.name))",
]

RESOURCE = resources.Resource("costs.example.com", "Cost", "costs", "Cluster", ("v1",))


STRICTER = "self.items.all(i, i.tags.all(t, t.contains(i.name)))"
"""Here the API server forgets how long `i.name` can be, and finds more than 100 for our 21."""


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_the_estimate_is_near_that_of_the_api_server(
    expression: str, shared_provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = estimate(expression)
    monkeypatch.setattr(cel_cost, "check", nothing)
    theirs = factor(ruled(expression), shared_provider)

    if theirs == 100 or max(ours, theirs) <= 1.1:  # of which it says no more
        assert (ours >= theirs) or max(ours, theirs) <= 1.1
    else:
        assert theirs / 1.25 <= ours <= theirs * 1.25


def test_what_only_the_api_server_finds_too_expensive_by_far_is_refused_here_too(
    shared_provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert 20 < estimate(STRICTER) < 21
    monkeypatch.setattr(cel_cost, "check", nothing)
    assert factor(ruled(STRICTER), shared_provider) == 100


@pytest.mark.parametrize("kind", kinds.KINDS, ids=lambda k: f"{k.version.name}.{k.__name__}")
def test_our_own_rules_stay_far_inside(
    kind: type[model.Object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cel_cost, "_SCHEMA_BUDGET", BUDGET)  # a tenth

    structural.schema_of(kind)


def test_all_rules_together_have_a_budget_too() -> None:
    rules = tuple(CEL(f"self.names.all(n, self.names.all(m, {n} > 0))", "") for n in range(30))

    with pytest.raises(errors.CostError) as refusal:
        structural.schema_of(make("Spec", Fields, {}, rules=rules))

    assert str(refusal.value) == (
        "Spec: all rules together could cost the API server 1.50 times its budget: give lists and "
        "strings a smaller max_length"
    )


TOKENS = [
    *("self", "names", "n", "in", "all", "map", "filter", "contains", "size", "'a'", "1"),
    *(".", ".?", "(", ")", "[", "[?", "]", "{", "}", ",", ":", "==", "+", "&&", "?", '"', " "),
]


@given(st.lists(st.sampled_from(TOKENS), max_size=40))
def test_any_text_has_a_cost(tokens: list[str]) -> None:
    rule = [{"rule": " ".join(tokens), "message": "", "messageExpression": "".join(tokens)}]

    with contextlib.suppress(errors.CostError):
        cel_cost.check({**FIELDS, "x-kubernetes-validations": rule}, "Spec")


FIELDS = structural.schema_of(Fields)


def nothing(*_: object) -> None: ...


def estimate(expression: str) -> float:
    """Return the cost of a rule in budgets; 0 where it stays inside."""
    try:
        cel_cost.check(
            {**FIELDS, "x-kubernetes-validations": [{"rule": expression, "message": ""}]}, "Spec"
        )
    except errors.CostError as error:
        return told(r"([0-9.]+) times its budget", str(error))
    return 0


def factor(spec: type[model.Model], provider: Provider) -> float:
    """Return by which factor the API server finds a rule over its budget; 0 where it takes it."""

    class Cost(model.Object):
        resource: ClassVar = RESOURCE
        version: ClassVar = markers.Version("v1", storage=True)

    kind = make("Cost", Cost, {"spec": spec})
    (text,) = files.crd_files([kind], "make generate").values()
    crds = provider.admin.resource("apiextensions.k8s.io/v1", "customresourcedefinitions")
    try:
        provider.admin.request(
            "POST", crds.path, json.dumps(yaml.safe_load(text)), query={"dryRun": "All"}
        )
    except envtest_errors.RefusedError as error:
        return told(r"exceeds budget by factor of (?:more than )?([0-9.]+)x", error.message)
    return 0


def told(pattern: str, message: str) -> float:
    found = re.search(pattern, message)
    assert found, message
    return float(found[1])
