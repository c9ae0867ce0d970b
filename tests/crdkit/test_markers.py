# SPDX-License-Identifier: Apache-2.0
"""What each marker says in the schema."""

from typing import Annotated, Any, ClassVar

import pytest

from crdkit.models import markers, model


class Marked(model.Model):
    """An object with every marker."""

    rules: ClassVar = (markers.CEL("self.a != self.b", "must differ", field_path=".b"),)

    a: Annotated[int, markers.Format("int64")]
    """First line
    and second.
    """

    b: Annotated[str, markers.CEL("self != 'x'", "is x"), markers.CEL("self != 'y'", "is y")]
    names: Annotated[tuple[str, ...], markers.ListType("set")]
    items: Annotated[tuple[str, ...], markers.ListType("map", keys=("type",))]
    anything: Annotated[dict[str, str], markers.Opaque()]
    whole: Annotated[dict[str, str], markers.MapType("atomic")]
    or_null: Annotated[int | None, markers.Nullable()]
    share: Annotated[int | str, markers.IntOrString()]
    percent: Annotated[int | str, markers.IntOrString(pattern="%$")]
    kept: Annotated[dict[str, str], markers.PreserveUnknownFields()]
    inside: Annotated[dict[str, str], markers.Embedded()]
    named: Annotated[dict[str, str], markers.Named(9)]
    patterned: Annotated[dict[str, str], markers.Named(pattern="^a")]
    fixed: Annotated[int, markers.IMMUTABLE]


SCHEMA = Marked.model_json_schema()
FIELDS = SCHEMA["properties"]


def test_a_field_docstring_is_its_description() -> None:
    assert FIELDS["a"]["description"] == "First line\nand second."


def test_a_format_is_named() -> None:
    assert (FIELDS["a"]["type"], FIELDS["a"]["format"]) == ("integer", "int64")


def test_rules_of_a_field_stand_in_their_order() -> None:
    assert FIELDS["b"]["x-kubernetes-validations"] == [
        {"message": "is x", "rule": "self != 'x'"},
        {"message": "is y", "rule": "self != 'y'"},
    ]


def test_rules_of_a_model_stand_at_the_object() -> None:
    assert SCHEMA["x-kubernetes-validations"] == [
        {"fieldPath": ".b", "message": "must differ", "rule": "self.a != self.b"}
    ]


def test_a_rule_has_everything_that_it_was_given() -> None:
    rule = markers.CEL(
        "r",
        "m",
        message_expression="e",
        reason="FieldValueForbidden",
        field_path=".f",
        optional_old_self=True,
    )

    assert rule.as_schema() == {
        "fieldPath": ".f",
        "message": "m",
        "messageExpression": "e",
        "optionalOldSelf": True,
        "reason": "FieldValueForbidden",
        "rule": "r",
    }


@pytest.mark.parametrize(
    ("marker", "rule", "message"),
    [
        (
            markers.ExactlyOneOf("a", "b"),
            "(has(self.a)?1:0)+(has(self.b)?1:0) == 1",
            "exactly one of the fields in [a b] must be set",
        ),
        (
            markers.AtMostOneOf("a", "b"),
            "(has(self.a)?1:0)+(has(self.b)?1:0) <= 1",
            "at most one of the fields in [a b] may be set",
        ),
        (
            markers.AtLeastOneOf("a", "b"),
            "has(self.a)||has(self.b)",
            "at least one of the fields in [a b] must be set",
        ),
        (
            markers.AtLeastOneOf("namespace", "a-b", "c__d.e"),
            ("has(self.__namespace__)||has(self.a__dash__b)||has(self.c__underscores__d__dot__e)"),
            "at least one of the fields in [namespace a-b c__d.e] must be set",
        ),
    ],
    ids=["exactly", "at-most", "at-least", "names-that-cel-spells-otherwise"],
)
def test_how_many_fields_are_set_is_a_rule_as_controller_gen_words_it(
    marker: markers.CEL, rule: str, message: str
) -> None:
    assert marker.as_schema() == {"message": message, "rule": rule}


EITHER = [{"type": "integer"}, {"type": "string"}]
NAME = {"type": "string", "maxLength": 9}


@pytest.mark.parametrize(
    ("name", "schema"),
    [
        ("whole", {"x-kubernetes-map-type": "atomic"}),
        ("orNull", {"anyOf": [{"type": "integer"}, {"type": "null"}], "nullable": True}),
        ("share", {"anyOf": EITHER, "x-kubernetes-int-or-string": True}),
        ("percent", {"anyOf": EITHER, "pattern": "%$", "x-kubernetes-int-or-string": True}),
        ("kept", {"x-kubernetes-preserve-unknown-fields": True}),
        ("inside", {"x-kubernetes-embedded-resource": True}),
        ("named", {"type": "object", "properties": {"name": NAME}}),
        (
            "patterned",
            {
                "type": "object",
                "properties": {"name": {"type": "string", "maxLength": 253, "pattern": "^a"}},
            },
        ),
        (
            "fixed",
            {
                "type": "integer",
                "x-kubernetes-validations": [
                    {"message": "is immutable", "rule": "self == oldSelf"}
                ],
            },
        ),
    ],
)
def test_a_marker_says_in_the_schema_what_it_means(name: str, schema: dict[str, Any]) -> None:
    dict_says = {"additionalProperties", "title"}
    plain = {"type": "object"} if name in {"whole", "kept", "inside"} else {}

    said = {key: value for key, value in FIELDS[name].items() if key not in dict_says}
    assert said == {**plain, **schema}


def test_a_list_type_and_its_keys_are_extensions() -> None:
    assert FIELDS["names"]["x-kubernetes-list-type"] == "set"
    assert "x-kubernetes-list-map-keys" not in FIELDS["names"]
    assert FIELDS["items"]["x-kubernetes-list-type"] == "map"
    assert FIELDS["items"]["x-kubernetes-list-map-keys"] == ["type"]


def test_an_opaque_object_says_nothing_about_its_fields() -> None:
    assert FIELDS["anything"].keys() == {"type", "title"}
    assert FIELDS["anything"]["type"] == "object"
