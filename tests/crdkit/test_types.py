# SPDX-License-Identifier: Apache-2.0
"""Types of Python in the API server's words; of those that it has none for, what to write."""

import json
import re
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import IntEnum, StrEnum
from fractions import Fraction
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Network
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import pydantic.dataclasses
import pytest
import yaml
from jsonschema import Draft7Validator
from made_models import make
from pydantic import (
    AfterValidator,
    AliasChoices,
    AliasPath,
    AwareDatetime,
    Base64Bytes,
    Base64Str,
    BaseModel,
    BeforeValidator,
    ByteSize,
    Field,
    HttpUrl,
    IPvAnyAddress,
    IPvAnyNetwork,
    Json,
    JsonValue,
    NaiveDatetime,
    PastDate,
    PlainSerializer,
    PlainValidator,
    SecretBytes,
    SecretStr,
    StringConstraints,
    ValidationError,
)
from typing_extensions import TypedDict

from crdkit import errors
from crdkit.models import markers, model, resources, values
from crdkit.render import editor, files
from crdkit.schema import structural
from crdkit.validate import value_validation
from envtest import errors as envtest_errors
from envtest.client import Resource
from envtest.controlplane import install
from envtest.controlplane.provider import Provider


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Level(IntEnum):
    LOW = 1


class Inner(model.Model):
    size: int


class Snake(BaseModel):
    snake_case: int


class Aliased(BaseModel):
    snake_case: Annotated[int, Field(alias="snakeCase")]
    plain: int = 0


@dataclass
class Data:
    snake_case: int


@pydantic.dataclasses.dataclass
class SnakeData:
    snake_case: int


class Keys(TypedDict):
    snake_case: int


def same(value: Any) -> Any:
    return value


def spec_of(field: Any, default: Any = ...) -> type[model.Model]:
    """Return a model with one field `x`."""
    return make("Spec", model.Model, {"x": field}, **({} if default is ... else {"x": default}))


EITHER = [{"type": "integer"}, {"type": "string"}]
INT_OR_STRING = {"anyOf": EITHER, "x-kubernetes-int-or-string": True}
TEXT = {"type": "string"}
LOW, SHORT = Annotated[int, Field(ge=1, le=9)], Annotated[str, Field(max_length=3, pattern="%$")]

TRANSLATED: dict[str, tuple[Any, dict[str, Any], list[JsonValue], list[JsonValue]]] = {
    "int or str": (int | str, INT_OR_STRING, [1, "x"], [0.5, True, []]),
    "str or int": (str | int, INT_OR_STRING, [1, "x"], [0.5]),
    "int or str, each with bounds": (
        LOW | SHORT,
        {**INT_OR_STRING, "minimum": 1, "maximum": 9, "maxLength": 3, "pattern": "%$"},
        [1, 9, "50%", "%"],
        [0, 10, "500%", "50", ""],
    ),
    "marked int or str, with bounds": (
        Annotated[LOW | str, markers.IntOrString()],
        {**INT_OR_STRING, "minimum": 1, "maximum": 9},
        [1, "", "x"],
        [0, 10],
    ),
    "addresses of both families": (
        IPv4Address | IPv6Address,
        {**TEXT, "anyOf": [{"format": "ipv4"}, {"format": "ipv6"}]},
        ["10.0.0.7", "fd00::7"],
        ["x", "10.0.0.0/8", "", 7],
    ),
    "a word or a pattern": (
        Literal["auto"] | Annotated[str, Field(pattern="^[0-9]+$", max_length=3)],
        {**TEXT, "anyOf": [{"enum": ["auto"]}, {"maxLength": 3, "pattern": "^[0-9]+$"}]},
        ["auto", "123"],
        ["manual", "1234", ""],
    ),
    "a number in one of two ranges": (
        Annotated[int, Field(le=3)] | Annotated[int, Field(gt=7)],
        {
            "type": "integer",
            "anyOf": [{"maximum": 3}, {"exclusiveMinimum": True, "minimum": 7}],
        },
        [3, 8],
        [4, 7],
    ),
    "a word or any": (Literal["auto"] | Annotated[str, "any"], TEXT, ["auto", "x"], [1]),
    "words of two enumerations": (
        Colour | Literal["none"],
        {**TEXT, "enum": ["red", "blue", "none"]},
        ["red", "none"],
        ["x"],
    ),
    "int, str or null": (
        Annotated[int | str | None, markers.Nullable()],
        {**INT_OR_STRING, "nullable": True},
        [1, "x", None],
        [0.5],
    ),
    "one of two or null": (
        Annotated[IPv4Address | Literal["auto"] | None, markers.Nullable()],
        {**TEXT, "nullable": True, "anyOf": [{"format": "ipv4"}, {"enum": ["auto"]}]},
        ["10.0.0.7", "auto", None],
        ["fd00::7", 1],
    ),
    "map with keys of an enumeration": (
        dict[Colour, LOW],
        {
            "type": "object",
            "additionalProperties": {"type": "integer", "minimum": 1, "maximum": 9},
            "maxProperties": 2,
            "x-kubernetes-validations": [
                {
                    "message": "has keys besides red, blue",
                    "rule": 'self.all(key, key in ["red", "blue"])',
                }
            ],
        },
        [{}, {"red": 1}, {"red": 1, "blue": 9}],
        [{"green": 1}, {"red": 0}, {"red": 1, "green": 1}],
    ),
    "map with literal keys and bounds": (
        Annotated[dict[Literal["a b", "it's", '"'], str], Field(min_length=1, max_length=1)],
        {
            "type": "object",
            "additionalProperties": TEXT,
            "minProperties": 1,
            "maxProperties": 1,
            "x-kubernetes-validations": [
                {
                    "message": "has keys besides a b, it's, \"",
                    "rule": 'self.all(key, key in ["a b", "it\'s", "\\""])',
                }
            ],
        },
        [{"a b": ""}, {"it's": ""}, {'"': ""}],
        [{}, {"a b": "", "it's": ""}, {"a": ""}],
    ),
    "inclusive bound that is tighter": (
        Annotated[int, Field(ge=3, gt=1, le=5, lt=9)],
        {"type": "integer", "minimum": 3, "maximum": 5},
        [3, 5],
        [2, 6],
    ),
    "exclusive bound that is tighter": (
        Annotated[int, Field(ge=3, gt=3, le=9, lt=9)],
        {
            "type": "integer",
            "minimum": 3,
            "exclusiveMinimum": True,
            "maximum": 9,
            "exclusiveMaximum": True,
        },
        [4, 8],
        [3, 9],
    ),
    "bounds behind a validator": (
        Annotated[int, BeforeValidator(same), Field(ge=3, multiple_of=2)],
        {"type": "integer", "minimum": 3, "multipleOf": 2},
        [4],
        [2, 5],
    ),
    "pattern behind a validator": (
        Annotated[str, AfterValidator(same), Field(pattern="^a", max_length=2)],
        {**TEXT, "pattern": "^a", "maxLength": 2},
        ["a", "ab"],
        ["b", "abc"],
    ),
    "size of a list behind a validator": (
        Annotated[tuple[int, ...], AfterValidator(same), Field(min_length=1, max_length=2)],
        {"type": "array", "items": {"type": "integer"}, "minItems": 1, "maxItems": 2},
        [[1], [1, 2]],
        [[], [1, 2, 3]],
    ),
    "size of a map behind a validator": (
        Annotated[dict[str, int], AfterValidator(same), Field(max_length=1)],
        {"type": "object", "additionalProperties": {"type": "integer"}, "maxProperties": 1},
        [{}, {"a": 1}],
        [{"a": 1, "b": 2}],
    ),
    "a secret": (
        Annotated[SecretStr, Field(min_length=3)],
        {**TEXT, "format": "password", "minLength": 3},
        ["abc", "**********"],
        ["ab"],
    ),
    "several examples": (
        Annotated[str, Field(examples=["x", "y"])],
        {**TEXT, "example": "x"},
        ["x"],
        [1],
    ),
    "no example": (Annotated[str, Field(examples=[])], TEXT, ["x"], [1]),
    "deprecated by a word": (
        Annotated[str, Field(deprecated="use y", description="An x.")],
        {**TEXT, "description": "An x.\n\nDeprecated: use y"},
        ["x"],
        [1],
    ),
    "deprecated": (
        Annotated[str, Field(deprecated=True)],
        {**TEXT, "description": "Deprecated."},
        ["x"],
        [1],
    ),
    "a model of another base, by its aliases": (
        Aliased,
        {
            "type": "object",
            "properties": {
                "plain": {"type": "integer", "default": 0},
                "snakeCase": {"type": "integer"},
            },
            "required": ["snakeCase"],
        },
        [{"snakeCase": 1}, {"snakeCase": 1, "plain": 2}],
        [{}],
    ),
    **{
        f"a {what}, by the names of models": (
            kind,
            {
                "type": "object",
                "properties": {"snakeCase": {"type": "integer"}},
                "required": ["snakeCase"],
            },
            [{"snakeCase": 1}],
            [{}, {"snake_case": "x"}],
        )
        for what, kind in (("dataclass", Data), ("TypedDict", Keys))
    },
}
"""A type, its schema, and values that both the API server and the model take or refuse."""

every_type = pytest.mark.parametrize("name", TRANSLATED)


@every_type
def test_a_type_is_said_in_the_words_of_the_api_server(name: str) -> None:
    kind, schema, _, _ = TRANSLATED[name]

    assert structural.schema_of(spec_of(kind))["properties"]["x"] == schema


@every_type
def test_an_editor_underlines_what_it_refuses(name: str) -> None:
    kind, schema, good, bad = TRANSLATED[name]
    bad = [value for value in bad if not (isinstance(value, dict) and "key in" in str(schema))]
    formats: Any = Draft7Validator.FORMAT_CHECKER
    drafted = editor.draft_07(structural.schema_of(spec_of(kind))["properties"]["x"])
    validator: Any = Draft7Validator(drafted, format_checker=formats)

    assert [value for value in good if not validator.is_valid(value)] == []
    assert [value for value in bad if validator.is_valid(value)] == []


@every_type
def test_a_default_is_checked_against_it(name: str) -> None:
    _, schema, good, bad = TRANSLATED[name]
    bad = [value for value in bad if not (isinstance(value, dict) and "key in" in str(schema))]

    assert [value for value in good if list(value_validation.problems(value, schema))] == []
    assert [value for value in bad if not list(value_validation.problems(value, schema))] == []


@every_type
def test_the_model_takes_and_writes_the_same_values(name: str) -> None:
    kind, _, good, bad = TRANSLATED[name]
    spec = spec_of(kind)

    for value in good:
        read = spec.model_validate_json(json.dumps({"x": value}))
        assert read.as_json() == {"x": value}
    for value in bad:
        with pytest.raises(ValidationError):
            spec.model_validate_json(json.dumps({"x": value}))


RESOURCE = resources.Resource("types.example.com", "Typed", "typeds", "Cluster", ("v1",))


class Typed(model.Object):
    """Something with a field of each type."""

    resource: ClassVar = RESOURCE
    version: ClassVar = markers.Version("v1", storage=True)

    spec: dict[str, Any] | None = None


def kind_of_all() -> type[model.Object]:
    fields = {f"x{number}": kind for number, (kind, *_) in enumerate(TRANSLATED.values())}
    spec = make("Spec", model.Model, fields, **dict.fromkeys(fields))
    return make("Typed", Typed, {"spec": spec})


@pytest.fixture(scope="module")
def typeds(shared_provider: Provider) -> Iterator[Resource]:
    """The door to objects with a field of each type."""
    (text,) = files.crd_files([kind_of_all()], "make generate").values()
    admin = shared_provider.admin
    crds = admin.resource("apiextensions.k8s.io/v1", "customresourcedefinitions")
    document = yaml.safe_load(text)
    answer = admin.request("POST", crds.path, json.dumps(document), query={"dryRun": "All"})
    assert answer.warnings == ()
    install.crds(admin, [document])
    yield admin.resource("types.example.com/v1", "typeds")
    crds.delete(RESOURCE.name)


@every_type
def test_the_api_server_takes_the_same_values(name: str, typeds: Resource) -> None:
    _, _, good, bad = TRANSLATED[name]
    field = f"x{list(TRANSLATED).index(name)}"

    for value in good:
        assert refusal_of(typeds, {field: value}) == ""
    for value in bad:
        assert f"spec.{field}" in refusal_of(typeds, {field: value})


def refusal_of(typeds: Resource, spec: dict[str, JsonValue]) -> str:
    body = {
        "apiVersion": "types.example.com/v1",
        "kind": "Typed",
        "metadata": {"name": "one"},
        "spec": spec,
    }
    try:
        typeds.client.request("POST", typeds.path, json.dumps(body), query={"dryRun": "All"})
    except envtest_errors.RefusedError as error:
        return str(error)
    return ""


CIDR = 'write a str with Format("cidr")'
BASE64 = 'write a str with Format("byte"), which is Base64'
QUANTITY = "write values.Quantity, or a str with a pattern"
UNION = "write it at its own type, as in Annotated[int, Field(ge=0)] | str"
BOUNDS = "a schema has no bounds of dates: write a CEL rule, such as self < timestamp(...)"
NO_DEFAULT = "give it the default None, and make the value where it is used"

INSTEAD: dict[str, tuple[Any, str]] = {
    "IPv4Network": (IPv4Network, CIDR),
    "IPv6Network": (IPv6Network, CIDR),
    "networks of both families": (IPv4Network | IPv6Network, CIDR),
    "IPv4Interface": (IPv4Interface, CIDR),
    "IPvAnyAddress": (IPvAnyAddress, "write IPv4Address | IPv6Address"),
    "IPvAnyNetwork": (IPvAnyNetwork, CIDR),
    "Path": (Path, "write a str"),
    "time": (time, "write a str with a pattern, or values.Timestamp for a moment"),
    "timedelta": (
        timedelta,
        (
            "durations are read in the notation of Go, such as 26h, and not of ISO 8601, which a "
            'timedelta has (P1DT2H): write a str with Format("duration")'
        ),
    ),
    "bytes": (bytes, f"JSON has no bytes: {BASE64}"),
    "SecretBytes": (SecretBytes, f"JSON has no bytes: {BASE64}"),
    "Base64Bytes": (Base64Bytes, BASE64),
    "Base64Str": (Base64Str, 'write a str with Format("byte")'),
    "pattern": (re.Pattern[str], "write a str"),
    "Decimal": (Decimal, f"a Decimal is read as a number and written as a text: {QUANTITY}"),
    "Fraction": (Fraction, f"Kubernetes has no fractions: {QUANTITY}"),
    "complex": (complex, "write a model with two floats"),
    "ByteSize": (
        ByteSize,
        "a ByteSize is read with its unit and written without: write values.Quantity",
    ),
    "Json": (Json[int], "JSON inside of a text is not checked: write the type that is in it"),
    "class": (type[int], "or say what its JSON is by WithJsonSchema({...})"),
    "function": (Callable[[], int], "or say what its JSON is by WithJsonSchema({...})"),
    "naive datetime": (NaiveDatetime, "write values.Timestamp"),
    "date with a bound": (Annotated[date, Field(ge=date(2020, 1, 1))], BOUNDS),
    "date in the past": (PastDate, BOUNDS),
    "moment with a bound": (
        Annotated[AwareDatetime, Field(gt=datetime.fromisoformat("2020-01-01T00:00:00Z"))],
        BOUNDS,
    ),
    "URL with a scheme": (
        HttpUrl,
        'write Annotated[str, Field(pattern="^(http|https)://"), Format("uri")]',
    ),
    "ASCII only": (Annotated[str, StringConstraints(ascii_only=True)], "write a pattern"),
    "plain validator": (
        Annotated[int, PlainValidator(same)],
        (
            "write an AfterValidator, or say what it reads by "
            "PlainValidator(f, json_schema_input_type=int)"
        ),
    ),
    "integer or number": (int | float, "write float, which is for integers, too"),
    "one of two models": (
        Inner | Aliased,
        "write one model with the fields of all, and a CEL rule in its `rules`",
    ),
    "one of two lists": (
        list[int] | list[str],
        "choose one, or int | str, or a model with a field for each",
    ),
    "number of some or string": (
        Literal[80] | str,
        (
            "one of its alternatives has enum, which only a whole value can have: say it in a CEL "
            "rule of the field"
        ),
    ),
    "keys of an integer": (
        dict[int, str],
        "keys are strings in JSON, and here of type integer: write dict[str, X]",
    ),
    "keys of an enumeration of integers": (dict[Level, str], "do it by a CEL rule of the map"),
    "keys of any type": (
        dict[int | str, str],
        "keys are strings in JSON, and here of type any: write dict[str, X]",
    ),
    "counted integers": (
        Counter[int],
        "keys are strings in JSON, and here of type integer: write dict[str, X]",
    ),
    "keys of UUIDs": (dict[uuid.UUID, int], "do it by a CEL rule of the map"),
    "bound of a union": (
        Annotated[int | str, Field(ge=0)],
        f"ge stands at the whole union, and fails at values of the other type: {UNION}",
    ),
    "bound of IntOrString": (Annotated[values.IntOrString, Field(ge=0)], UNION),
    "length of IntOrString": (Annotated[values.IntOrString, Field(max_length=3)], UNION),
    "length of a Quantity": (Annotated[values.Quantity, Field(max_length=3)], UNION),
    "pattern of a union": (
        Annotated[int | str, Field(pattern="^a")],
        "write them at the str itself, as in int | Annotated[str, Field(pattern=...)]",
    ),
    "two patterns": (
        Annotated[str, Field(pattern="^a"), AfterValidator(same), Field(pattern="b$")],
        "has two of pattern: write one",
    ),
    "two lengths": (
        Annotated[str, Field(max_length=3), AfterValidator(same), Field(max_length=9)],
        "has two of maxLength: write one",
    ),
    "two bounds": (
        Annotated[int, Field(ge=3), AfterValidator(same), Field(ge=1)],
        "has two of minimum: write one",
    ),
    "two patterns of int-or-string": (
        Annotated[int | SHORT, markers.IntOrString(pattern="^a")],
        "has two of pattern: write one",
    ),
    "IntOrString of a string": (
        Annotated[str, markers.IntOrString()],
        "IntOrString is for int | str: write that type",
    ),
    "bound of anything": (
        Annotated[Any, AfterValidator(same), Field(ge=0)],
        "ge stands at a value of type any, which has no such bound: take it out",
    ),
    "left out": (
        Annotated[int, Field(exclude=True)],
        "as_json() leaves it out: take exclude out of its Field",
    ),
    "left out at times": (
        Annotated[int, Field(exclude_if=lambda value: value == 0)],
        "as_json() leaves it out: take exclude out of its Field",
    ),
    "another name when written": (
        Annotated[int, Field(serialization_alias="y")],
        "is read as x, but as_json() writes y: write Field(alias=...), which is for both",
    ),
    "several names": (
        Annotated[int, Field(validation_alias=AliasChoices("x", "y"))],
        "is read by several names or from inside of another field: give it one alias",
    ),
    "name of a path": (
        Annotated[int, Field(validation_alias=AliasPath("y", 0))],
        "is read by several names or from inside of another field: give it one alias",
    ),
    "written as another type": (
        Annotated[int, PlainSerializer(str, return_type=str)],
        (
            "is read as integer, but as_json() writes string: take its serializer out, or let it "
            "return integer"
        ),
    ),
    "factory that looks at others": (
        Annotated[int, Field(default_factory=len)],
        f"its default depends on other fields, but a CRD has one for all: {NO_DEFAULT}",
    ),
    "factory of unlike values": (
        Annotated[uuid.UUID, Field(default_factory=uuid.uuid4)],
        (
            "its default_factory makes another value each time, but a CRD has one for all: "
            f"{NO_DEFAULT}"
        ),
    ),
    "factory that fails": (
        Annotated[int, Field(default_factory=lambda: int("x"))],
        "its default_factory fails: ValueError: invalid literal for int() with base 10: 'x'",
    ),
    "default without JSON": (
        Annotated[Any, Field(default=object())],
        "its default has no JSON: write another",
    ),
}


@pytest.mark.parametrize("name", INSTEAD)
def test_what_a_crd_cannot_say_is_refused_with_what_to_write_instead(name: str) -> None:
    kind, advice = INSTEAD[name]

    with pytest.raises(errors.SchemaError) as refusal:
        structural.schema_of(spec_of(kind))

    assert str(refusal.value).startswith("Spec.x: ")
    assert str(refusal.value).endswith(advice)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (
            spec_of(list[int | None]),
            (
                "Spec.x[]: an item of a list is never absent: take None out of its type, or write "
                "Annotated[X | None, Nullable()]"
            ),
        ),
        (
            spec_of(dict[str, int | None]),
            (
                "Spec.x{}: a value of a map is never absent: take None out of its type, or write "
                "Annotated[X | None, Nullable()]"
            ),
        ),
        (
            spec_of(tuple[timedelta, ...]),
            (
                "Spec.x[]: durations are read in the notation of Go, such as 26h, and not of ISO "
                '8601, which a timedelta has (P1DT2H): write a str with Format("duration")'
            ),
        ),
        (
            spec_of(Snake),
            (
                "Spec.x.snake_case: Snake writes it in snake_case: derive it from "
                "crdkit.models.model.Model, as in `class Snake(model.Model):`, or give the field "
                "an alias"
            ),
        ),
        (
            spec_of(SnakeData),
            (
                "Spec.x.snake_case: SnakeData writes it in snake_case: derive it from "
                "crdkit.models.model.Model, as in `class SnakeData(model.Model):`, or give the "
                "field an alias"
            ),
        ),
        (
            spec_of(tuple[Snake, ...]),
            (
                "Spec.x[].snake_case: Snake writes it in snake_case: derive it from "
                "crdkit.models.model.Model, as in `class Snake(model.Model):`, or give the field "
                "an alias"
            ),
        ),
    ],
)
def test_a_refusal_names_the_field_also_inside_of_others(
    kind: type[model.Model], message: str
) -> None:
    with pytest.raises(errors.SchemaError) as refusal:
        structural.schema_of(kind)

    assert str(refusal.value) == message


class Two(model.Model):
    use_ip: int = 0
    useIP: int = 0  # noqa: N815 - what is refused


def test_two_fields_with_one_json_name_are_refused() -> None:
    with pytest.raises(errors.SchemaError) as refusal:
        structural.schema_of(Two)

    assert str(refusal.value) == (
        "Two: use_ip and useIP are both useIP in JSON: rename one, or give it another name by "
        "Field(alias=...)"
    )


@pytest.mark.parametrize(
    ("kind", "factory", "default"),
    [
        (tuple[int, ...], lambda: (1, 2), [1, 2]),
        (list[int], list, []),
        (dict[str, int], dict, {}),
        (Inner, lambda: Inner(size=1), {"size": 1}),
        (Colour, lambda: Colour.RED, "red"),
    ],
    ids=["tuple", "list", "dict", "model", "enumeration"],
)
def test_what_a_default_factory_makes_is_the_default(
    kind: Any, factory: Any, default: JsonValue
) -> None:
    spec = spec_of(kind, Field(default_factory=factory))

    assert structural.schema_of(spec)["properties"]["x"]["default"] == default


def test_what_a_default_factory_makes_has_to_fit() -> None:
    with pytest.raises(errors.SchemaError, match=r"x: the default does not fit: 0 is below the"):
        structural.schema_of(spec_of(Annotated[int, Field(ge=1)], Field(default_factory=int)))


def test_an_editor_knows_the_alternatives_in_its_own_words() -> None:
    low, high = Annotated[float, Field(lt=3)], Annotated[float, Field(gt=7)]
    text = IPv4Address | Annotated[str, markers.Format("duration"), Field(min_length=2)]

    assert editor.draft_07(structural.schema_of(spec_of(low | high))["properties"]["x"]) == {
        "type": "number",
        "anyOf": [
            {"exclusiveMaximum": 3, "maximum": 3},
            {"exclusiveMinimum": 7, "minimum": 7},
        ],
    }
    assert editor.draft_07(structural.schema_of(spec_of(text))["properties"]["x"]) == {
        "type": "string",
        "anyOf": [{"format": "ipv4"}, {"minLength": 2}],
    }


def test_a_reader_of_the_reference_is_shown_the_alternatives() -> None:
    page = files.reference_page([kind_of_all()], "make generate")

    assert "| `x4` | string |  | ipv4 or ipv6 |" in page
    assert (
        "| `x5` | string |  | one of `auto` or at most 3 characters, pattern: `^[0-9]+$` |" in page
    )


def test_alternatives_are_looked_at_like_whole_values() -> None:
    bad = Annotated[str, markers.Format("int32")]

    with pytest.raises(errors.SchemaError, match=r"Spec.x: the API server knows no format 'int32'"):
        structural.schema_of(spec_of(Literal["x"] | bad))
