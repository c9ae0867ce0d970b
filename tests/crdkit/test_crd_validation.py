# SPDX-License-Identifier: Apache-2.0
"""What the generator refuses of a structural schema, and that the API server would, too."""

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import pytest
import yaml
from made_models import make
from pydantic import Field, JsonValue

from crdkit import errors
from crdkit.models import markers, model, resources, values
from crdkit.render import files
from crdkit.schema import structural
from crdkit.validate import cel_cost, crd_validation
from envtest import errors as envtest_errors
from envtest.controlplane.provider import Provider

CEL = markers.CEL
ListType = markers.ListType


class Item(model.Model):
    name: str
    other: str = "x"
    maybe: str | None = None
    null: Annotated[str | None, markers.Nullable()]
    many: tuple[str, ...]


class Kinded(model.Model):
    kind: int = 1


class WithMetadata(model.Model):
    metadata: str | None = None


class Choice(model.Model):
    a: int | None = None
    b: int | None = None
    namespace: int | None = None


class Spec(model.Model):
    """Each case adds one field to a model like this."""

    known: int = 0


def spec(field: Any, default: Any = ..., *rules: CEL) -> type[model.Model]:
    """Return a model with one field `x`."""
    defaults = {} if default is ... else {"x": default}
    return make("Spec", Spec, {"x": field}, rules=rules, **defaults)


def rule(expression: str, **more: Any) -> CEL:
    return CEL(expression, more.pop("message", "is bad"), **more)


NESTED = tuple[Annotated[tuple[str, ...], ListType("set")], ...]
LEAF = Annotated[int, rule("self >= oldSelf")]


class Leaf(model.Model):
    x: LEAF


REFUSED: dict[str, tuple[type[model.Model], str]] = {
    "list type of no list": (
        spec(Annotated[str, ListType("atomic")]),
        ".x: ListType('atomic') stands at a value of type string: it is for lists",
    ),
    "no keys": (
        spec(Annotated[tuple[Item, ...], ListType("map")]),
        ".x: ListType('map') has no keys: name the fields that identify an item",
    ),
    "keys of a set": (
        spec(Annotated[tuple[str, ...], ListType("set", ("name",))]),
        ".x: ListType('set') has keys: only a list of type map has",
    ),
    "unknown key": (
        spec(Annotated[tuple[Item, ...], ListType("map", ("nam",))]),
        ".x: the key 'nam' is no field of the items: choose of many, maybe, name, null, other",
    ),
    "key that may be absent": (
        spec(Annotated[tuple[Item, ...], ListType("map", ("name", "maybe"))]),
        ".x: the key 'maybe' may be absent from an item: require it, or give it a default",
    ),
    "key that may be null": (
        spec(Annotated[tuple[Item, ...], ListType("map", ("null",))]),
        ".x: the key 'null' may be null: take Nullable off it",
    ),
    "list as a key": (
        spec(Annotated[tuple[Item, ...], ListType("map", ("many",))]),
        ".x: the key 'many' is of type array: choose a plain value",
    ),
    "key twice": (
        spec(Annotated[tuple[Item, ...], ListType("map", ("name", "name"))]),
        ".x: a key is there twice: name, name",
    ),
    "map of texts": (
        spec(Annotated[tuple[str, ...], ListType("map", ("name",))]),
        ".x: ListType('map') is for lists of objects, not of type string",
    ),
    "null in a set": (
        spec(Annotated[tuple[Annotated[str | None, markers.Nullable()], ...], ListType("set")]),
        ".x: the items of ListType('set') may be null: take Nullable off them",
    ),
    "set of objects": (
        spec(Annotated[tuple[Leaf, ...], ListType("set")]),
        (
            ".x: ListType('set') of objects, which server-side apply and CEL do not support: use "
            "'map' or 'atomic'"
        ),
    ),
    "set of sets": (
        spec(Annotated[NESTED, ListType("set")]),
        (
            ".x: ListType('set') of arrays, which server-side apply and CEL do not support: use "
            "'map' or 'atomic'"
        ),
    ),
    "map type of a list": (
        spec(Annotated[tuple[str, ...], markers.MapType("atomic")]),
        ".x: MapType('atomic') stands at a value of type array: it is for objects",
    ),
    "embedded map": (
        spec(Annotated[dict[str, str], markers.Embedded()]),
        ".x: Embedded is for a model or for dict[str, Any], not for a map or another type",
    ),
    "embedded nothing": (
        spec(Annotated[model.Model, markers.Embedded()]),
        ".x: Embedded is for an object with fields: type it dict[str, Any], or as a model",
    ),
    "default of another type": (
        spec(int, "5"),
        ".x: the default does not fit: '5' is no integer",
    ),
    "default out of bounds": (
        spec(Annotated[int, Field(ge=1, le=9)], 0),
        ".x: the default does not fit: 0 is below the minimum of 1",
    ),
    "default above": (
        spec(Annotated[float, Field(lt=9)], 9.0),
        ".x: the default does not fit: 9.0 is above the maximum of 9",
    ),
    "default of no multiple": (
        spec(Annotated[int, Field(multiple_of=4)], 6),
        ".x: the default does not fit: 6 is no multiple of 4",
    ),
    "default of no multiple, by fractions": (
        spec(Annotated[float, Field(multiple_of=0.1)], 0.35),
        ".x: the default does not fit: 0.35 is no multiple of 0.1",
    ),
    "default that is none of them": (
        spec(Literal["a", "b"], "c"),
        ".x: the default does not fit: 'c' is none of 'a', 'b'",
    ),
    "default too long": (
        spec(Annotated[str, Field(max_length=2)], "abc"),
        ".x: the default does not fit: 'abc' is not between minLength 0 and maxLength 2",
    ),
    "default against a pattern": (
        spec(Annotated[str, Field(pattern="^a")], "b"),
        ".x: the default does not fit: 'b' does not match ^a",
    ),
    "default for int-or-string": (
        spec(values.IntOrString, 1.5),
        ".x: the default does not fit: 1.5 is no integer or string",
    ),
    "default in a list": (
        spec(tuple[int, ...], (1, "x")),
        ".x: the default does not fit: [1]: 'x' is no integer",
    ),
    "default with a field missing": (
        spec(tuple[Leaf, ...], [{}]),
        ".x: the default does not fit: [0]: x is missing",
    ),
    "default with an unknown field": (
        spec(Leaf, {"x": 1, "y": 2}),
        ".x: the default does not fit: y is no field",
    ),
    "default against a format": (
        spec(Annotated[str, markers.Format("date")], "2026-02-30"),
        ".x: the default does not fit: '2026-02-30' is no date",
    ),
    "default in a list against a format": (
        spec(tuple[Annotated[str, markers.Format("ipv4")], ...], ("10.0.0.7", "10.0.0")),
        ".x: the default does not fit: [1]: '10.0.0' is no ipv4",
    ),
    "default above int32": (
        spec(Annotated[int, markers.Format("int32")], 2**31),
        ".x: the default does not fit: 2147483648 is no int32",
    ),
    "default above all integers": (
        spec(int, 2**63),
        ".x: the default does not fit: 9223372036854775808 is no int64",
    ),
    "default of an embedded object without its kind": (
        spec(Annotated[dict[str, Any], markers.Embedded()], {"apiVersion": "v1"}),
        ".x: the default does not fit: kind is missing",
    ),
    "default of an embedded object with a bad kind": (
        spec(Annotated[Leaf, markers.Embedded()], {"apiVersion": "v1", "kind": "a b", "x": 1}),
        (
            ".x: the default does not fit: kind: 'a b' does not match "
            "^[A-Za-z]([-A-Za-z0-9]{0,61}[A-Za-z0-9])?$"
        ),
    ),
    "embedded kind of another type": (
        spec(Annotated[Kinded, markers.Embedded()]),
        ".x.kind: is of type integer, but every object has it: it has to be of type string",
    ),
    "embedded metadata of another type": (
        spec(Annotated[WithMetadata, markers.Embedded()]),
        ".x.metadata: is of type string, but every object has it: it has to be of type object",
    ),
    "unknown fields of int-or-string": (
        spec(Annotated[values.IntOrString, markers.PreserveUnknownFields()]),
        (".x: PreserveUnknownFields stands at a value of type int-or-string: it is for objects"),
    ),
    "pattern of many": (
        spec(Annotated[str, Field(pattern="^a{1001}$")]),
        (
            ".x: the API server can't read the pattern '^a{1001}$': invalid repetition size: "
            "{1001} (a part is repeated at most 1000 times, through all levels: use min_length and "
            "max_length, or a CEL rule)"
        ),
    ),
    "pattern of many, in two steps": (
        spec(Annotated[str, Field(pattern="([{][x)]{2,11}b?){92}")]),
        (
            ".x: the API server can't read the pattern '([{][x)]{2,11}b?){92}': invalid repetition "
            "size: {92} (a part is repeated at most 1000 times, through all levels: use min_length "
            "and max_length, or a CEL rule)"
        ),
    ),
    "one of fields that are not there": (
        spec(Annotated[Choice, markers.ExactlyOneOf("a", "c")]),
        (
            ".x: the rule '(has(self.a)?1:0)+(has(self.c)?1:0) == 1' asks for self.c, which is not "
            "in the schema: choose of a, b, namespace"
        ),
    ),
    "rule about a field of anything": (
        spec(Annotated[dict[str, Any], rule("has(self.y)")]),
        (".x: the rule 'has(self.y)' asks for self.y, which is not in the schema: choose of none"),
    ),
    "one of fields further down": (
        spec(int, 0, markers.AtLeastOneOf("x.y")),
        (
            ": the rule 'has(self.x__dot__y)' asks for self.x__dot__y, which is not in the "
            "schema: choose of known, x"
        ),
    ),
    "default in a map": (
        spec(dict[str, Leaf], {"a": {"x": "1"}}),
        ".x: the default does not fit: a.x: '1' is no integer",
    ),
    "look-ahead": (
        spec(Annotated[int | str, markers.IntOrString(pattern="^(?!x)")]),
        (
            ".x: the API server can't read the pattern '^(?!x)': invalid perl operator: (?! "
            "(it has no look-around and no comments: use a CEL rule, which can combine several "
            "patterns)"
        ),
    ),
    "no pattern": (
        spec(Annotated[int | str, markers.IntOrString(pattern="(")]),
        ".x: the API server can't read the pattern '(': missing ): (",
    ),
    "field path": (
        spec(int, 0, rule("self.x > 0", field_path=".y")),
        (
            ": the rule 'self.x > 0' blames '.y', which is not in the schema: write field_path "
            "from here on, with the JSON names of the fields"
        ),
    ),
    "field path into a list": (
        spec(tuple[Leaf, ...], (), rule("true", field_path=".x[0].x")),
        (
            ": the rule 'true' blames '.x[0].x', which is not in the schema: write field_path from "
            "here on, with the JSON names of the fields"
        ),
    ),
    "field path into the unknown": (
        spec(dict[str, Any], {}, rule("true", field_path=".x.y")),
        (
            ": the rule 'true' blames '.x.y', which is not in the schema: write field_path from "
            "here on, with the JSON names of the fields"
        ),
    ),
    "blank message": (
        spec(int, 0, rule("true", message=" ")),
        ": the message of the rule 'true' is blank: write one, or leave it out",
    ),
    "blank message expression": (
        spec(int, 0, rule("true", message_expression=" ")),
        ": the message_expression of the rule 'true' is blank: write one, or leave it out",
    ),
    "rule of two lines without a message": (
        spec(int, 0, rule("true ||\nfalse", message="")),
        ": the rule 'true ||\\nfalse' has line breaks: give it a message",
    ),
    "empty rule": (spec(int, 0, rule(" ")), ": a rule is empty"),
    "message of two lines": (
        spec(int, 0, rule("true", message="a\nb")),
        ": the message of the rule 'true' has line breaks: write it in one line",
    ),
    "rule about anything": (
        spec(Annotated[Any, rule("self != 1")]),
        ".x: the rule 'self != 1' is about a value of any type: give it a type",
    ),
    "transition in a list": (
        spec(tuple[LEAF, ...]),
        (
            ".x[]: the rule 'self >= oldSelf' asks for oldSelf, but Spec.x has no items that can "
            "be told apart: give it ListType('map') with keys"
        ),
    ),
    "transition in a set": (
        spec(Annotated[tuple[LEAF, ...], ListType("set")]),
        (
            ".x[]: the rule 'self >= oldSelf' asks for oldSelf, but Spec.x has no items that can "
            "be told apart: give it ListType('map') with keys"
        ),
    ),
    "optional oldSelf of none": (
        spec(int, 0, rule("self.x != 1 || 'oldSelf' == 'oldSelf'", optional_old_self=True)),
        (
            ": the rule \"self.x != 1 || 'oldSelf' == 'oldSelf'\" has optional_old_self, but no "
            "oldSelf: take it out"
        ),
    ),
}


@pytest.mark.parametrize(("kind", "message"), REFUSED.values(), ids=REFUSED)
def test_a_refusal_names_model_and_field_and_what_to_do(
    kind: type[model.Model], message: str
) -> None:
    with pytest.raises(errors.SchemaError) as refusal:
        structural.schema_of(kind)

    assert str(refusal.value) == f"Spec{message}"


UNKNOWN = (
    "choose one of bsonobjectid, byte, cidr, creditcard, date, date-time, duration, email, "
    "hexcolor, hostname, ipv4, ipv6, isbn, isbn10, isbn13, k8s-long-name, k8s-short-name, mac, "
    "password, rgbcolor, ssn, uri, uuid, uuid3, uuid4, uuid5"
)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (
            spec(Annotated[str, Field(json_schema_extra={"format": "colour"})]),
            f".x: the API server knows no format 'colour' of type 'string': {UNKNOWN}",
        ),
        (
            spec(
                Annotated[tuple[Annotated[Leaf, markers.MapType("atomic")], ...], ListType("set")]
            ),
            (
                ".x: ListType('set') of objects, which server-side apply and CEL do not support: "
                "use 'map' or 'atomic'"
            ),
        ),
        (
            spec(None),
            ".x: None is its only value, and the API server has no type for that: give it another",
        ),
        (
            spec(Annotated[int, Field(ge=5, le=3)]),
            ".x: no value fits: its minimum is 5, its maximum 3",
        ),
        (
            spec(Annotated[tuple[str, ...], Field(min_length=3, max_length=1)]),
            ".x: no value fits: its minItems is 3, its maxItems 1",
        ),
        (
            spec(Annotated[int, Field(examples=["5"])]),
            ".x: the example does not fit: '5' is no integer",
        ),
        (spec(float, float("nan")), ".x: the default does not fit: nan is no number in JSON"),
        (spec(float, float("inf")), ".x: the default does not fit: inf is no number in JSON"),
        (
            spec(Annotated[int, markers.Format("double")]),
            (
                ".x: the API server knows no format 'double' of type 'integer': choose one of "
                "int32, int64"
            ),
        ),
        (
            spec(Annotated[bool, markers.Format("int32")]),
            ".x: the API server knows no format 'int32' of type 'boolean': choose one of none",
        ),
        (
            spec(Annotated[str, markers.PreserveUnknownFields()]),
            ".x: PreserveUnknownFields stands at a value of type string: it is for objects",
        ),
    ],
)
def test_what_the_api_server_takes_but_does_not_follow_is_refused_too(
    kind: type[model.Model], message: str
) -> None:
    with pytest.raises(errors.SchemaError) as refusal:
        structural.schema_of(kind)

    assert str(refusal.value) == f"Spec{message}"


RESOURCE = resources.Resource("refused.example.com", "Refused", "refuseds", "Cluster", ("v1",))


def refused(**fields: Any) -> type[model.Object]:
    """Return a kind with some fields of its own; a tuple is a type and its default."""
    types = {name: value[0] for name, value in fields.items()}
    defaults = {name: value[1] for name, value in fields.items() if len(value) > 1}
    version = markers.Version("v1", storage=True)
    return make("Refused", model.Object, types, resource=RESOURCE, version=version, **defaults)


class Meta(model.Model):
    labels: dict[str, str] | None = None
    name: Annotated[str, Field(max_length=9)]


ROOTS = {
    "required status": (
        refused(status=(Spec,)),
        (
            ".status: is required, but the API server takes it off what is created: give it the "
            "default None"
        ),
    ),
    "labels": (
        refused(metadata=(Meta,)),
        (
            ".metadata: only name and generateName may be restricted, but it has labels: mark it "
            "as Opaque or Named, without a docstring"
        ),
    ),
    "any metadata": (
        refused(metadata=(Mapping[str, JsonValue] | None, None)),
        (
            ".metadata: only name and generateName may be restricted, but it has "
            "additionalProperties: mark it as Opaque or Named, without a docstring"
        ),
    ),
    "kind of a number": (
        refused(kind=(int,)),
        ".kind: is of type integer, but every object has it: it has to be of type string",
    ),
    "API version of any type": (
        refused(api_version=(Any,)),
        ".apiVersion: is of type any, but every object has it: it has to be of type string",
    ),
    "metadata of text": (
        refused(metadata=(str,)),
        (
            ".metadata: only name and generateName may be restricted, but it has the type string: "
            "mark it as Opaque or Named, without a docstring"
        ),
    ),
}


@pytest.mark.parametrize(("kind", "message"), ROOTS.values(), ids=ROOTS)
def test_the_root_of_an_object_has_laws_of_its_own(kind: type[model.Object], message: str) -> None:
    with pytest.raises(errors.SchemaError) as refusal:
        structural.schema_of(kind)

    assert str(refusal.value) == f"Refused{message}"


class OrNull(model.Model):
    inside: Annotated[str, markers.Nullable()] | None
    outside: Annotated[str | None, markers.Nullable()] = None
    alone: Annotated[str, markers.Nullable()]
    model: Annotated[Leaf | None, markers.Nullable()]


ACCEPTED: dict[str, type[model.Model]] = {
    "default of a format": spec(Annotated[str, markers.Format("date")], "2024-02-29"),
    "default of an embedded object": spec(
        Annotated[Leaf, markers.Embedded()],
        {"apiVersion": "v1", "kind": "A", "metadata": {"name": "a"}, "x": 1},
    ),
    "title and example": spec(Annotated[int, Field(title="A number", examples=[3])]),
    "rule about an embedded object": spec(
        Annotated[Leaf, markers.Embedded(), rule("has(self.metadata) && has(self.x)")]
    ),
    "rule that says has": spec(int, 0, rule("'has(self.y)' != '' || has(self.x)")),
    "pattern of as many as go": spec(
        Annotated[str, Field(pattern=r"^(a{40}){25}[\]{1001}]a{0,1000}\{2000}$")]
    ),
    "exactly one": spec(Annotated[Choice, markers.ExactlyOneOf("a", "namespace")], {"a": 1}),
    "at most one": spec(Annotated[Choice, markers.AtMostOneOf("a", "b")], {}),
    "at least one": spec(Annotated[Choice, markers.AtLeastOneOf("a", "b")], {"a": 1, "b": 1}),
    "multiple by rounding": spec(Annotated[float, Field(multiple_of=0.1)], 0.3),
    "rule of two lines": spec(int, 0, rule("true ||\nfalse")),
    "nullable inside of optional": OrNull,
    "keys": spec(Annotated[tuple[Item, ...], ListType("map", ("name", "other"))]),
    "transition in an atomic object": spec(Annotated[Leaf, markers.MapType("atomic")]),
    "transition in a map list": spec(
        Annotated[tuple[Leaf, ...], ListType("map", ("x",))],
    ),
    "transition in a map": spec(Annotated[dict[str, Leaf], Field(max_length=9)]),
    "field path into a map": spec(
        Annotated[dict[str, str], Field(max_length=9)], {}, rule("true", field_path=".x['a.b']")
    ),
}


@pytest.mark.parametrize("kind", ACCEPTED.values(), ids=ACCEPTED)
def test_what_the_generator_accepts_the_api_server_accepts(
    kind: type[model.Model], shared_provider: Provider
) -> None:
    assert answer_to(refused(spec=(kind,)), shared_provider) == ""


@pytest.mark.parametrize(
    "kind",
    [
        *(pytest.param(refused(spec=(kind,)), id=name) for name, (kind, _) in REFUSED.items()),
        *(
            pytest.param(kind, id=name)
            for name, (kind, _) in ROOTS.items()
            if name != "required status"  # which it takes, and then creates no object
        ),
    ],
)
def test_what_the_generator_refuses_the_api_server_refuses(
    kind: type[model.Object], shared_provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nothing(*_: object) -> None: ...

    monkeypatch.setattr(crd_validation, "check", nothing)
    monkeypatch.setattr(cel_cost, "check", nothing)

    assert "is invalid" in answer_to(kind, shared_provider)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (
            spec(Annotated[Choice, markers.ExactlyOneOf("a", "namespace")], {"b": 1}),
            "exactly one of the fields in [a namespace] must be set",
        ),
        (
            spec(Annotated[Choice, markers.AtMostOneOf("a", "b")], {"a": 1, "b": 1}),
            "at most one of the fields in [a b] may be set",
        ),
        (
            spec(Annotated[Choice, markers.AtLeastOneOf("a", "b")], {"namespace": 1}),
            "at least one of the fields in [a b] must be set",
        ),
        (spec(Annotated[int, rule("self > 0")], 0), "is bad"),
    ],
)
def test_whether_a_default_obeys_the_rules_is_left_to_the_api_server(
    kind: type[model.Model], message: str, shared_provider: Provider
) -> None:
    assert message in answer_to(refused(spec=(kind,)), shared_provider)


def answer_to(kind: type[model.Object], provider: Provider) -> str:
    """Return why the API server refuses the CRD of a kind; nothing if it takes it."""
    (text,) = files.crd_files([kind], "make generate").values()
    crds = provider.admin.resource("apiextensions.k8s.io/v1", "customresourcedefinitions")
    try:
        answer = provider.admin.request(
            "POST", crds.path, json.dumps(yaml.safe_load(text)), query={"dryRun": "All"}
        )
    except envtest_errors.RefusedError as error:
        return str(error)
    assert answer.warnings == ()
    return ""
