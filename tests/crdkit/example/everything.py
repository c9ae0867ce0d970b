# SPDX-License-Identifier: Apache-2.0
"""A kind with everything that the generator knows; the CRD beside this file is what it becomes."""

from collections.abc import Mapping
from enum import IntEnum, StrEnum
from typing import Annotated, Any, ClassVar, Literal

from pydantic import ConfigDict, Field, JsonValue

from crdkit.models import markers, model, resources, values

EVERYTHING = resources.Resource(
    group="everything.example.com",
    kind="Everything",
    plural="everythings",
    scope="Cluster",
    versions=("v1", "v1beta1", "v1alpha1"),
    short_names=("ev", "evs"),
    categories=("all", "examples"),
    labels={"example.com/release": "1"},
    annotations={"example.com/approved": "true"},
    conversion=resources.ConversionWebhook("converter", "example-system", "/convert-all"),
)


class Colour(StrEnum):
    """A colour."""

    RED = "red"
    GREEN = "green"


class Level(IntEnum):
    LOW = 1
    HIGH = 2


class Port(model.Model):
    """A port."""

    rules: ClassVar = (markers.CEL("self.number != 7", "is echo"),)

    name: Annotated[str, Field(max_length=15)] = "http"
    """The name of the port."""

    number: Annotated[int, Field(ge=1, le=65535), markers.Format("int32")]


class Numbers(model.Model):
    """Numbers."""

    small: Annotated[int, markers.Format("int32")] = 0
    large: Annotated[int, markers.Format("int64")] = 2**40
    real: Annotated[float, markers.Format("double"), Field(gt=0, lt=1)] = 0.5
    even: Annotated[int, Field(multiple_of=2, ge=-2, le=2)] = 0
    share: values.IntOrString = "50%"
    memory: values.Quantity = "2Gi"


class Texts(model.Model):
    """Texts."""

    short: Annotated[str, Field(min_length=1, max_length=9, pattern="^[a-z]+$")] = "abc"
    at: values.Timestamp | None = None
    day: Annotated[str, markers.Format("date")] | None = None
    blob: Annotated[str, markers.Format("byte")] | None = None
    colour: Colour = Colour.RED
    level: Level = Level.LOW
    mode: Literal["on", "off"] = "on"
    only: Literal["this"] = "this"
    nothing: Annotated[str | None, markers.Nullable()] = None
    must_be_said: Annotated[Port | None, markers.Nullable()]
    """A port, or null for none."""


class Lists(model.Model):
    """Lists."""

    atomic: Annotated[tuple[str, ...], markers.ListType("atomic"), Field(max_length=3)] = ("a", "b")
    unique: Annotated[tuple[int, ...], markers.ListType("set")] = ()
    ports: Annotated[tuple[Port, ...], markers.ListType("map", ("name",))] = (Port(number=80),)
    nested: tuple[tuple[bool, ...], ...] = ()


class Maps(model.Model):
    """Maps."""

    labels: dict[str, str] = Field({"a": "b"}, max_length=8)
    ports: dict[str, Port] = Field({})
    nested: dict[str, dict[str, int]] = Field({})
    lists: dict[str, tuple[str, ...]] = Field({})
    whole: Annotated[Port, markers.MapType("atomic")] = Port(number=443)
    """Replaced as a whole."""


class Open(model.Model):
    """An object that keeps what it does not know."""

    model_config = ConfigDict(extra="allow")

    known: bool = True


class Objects(model.Model):
    """Objects that nobody here knows in full."""

    open: Open | None = None
    kept: Annotated[Port, markers.PreserveUnknownFields()] | None = None
    anything: dict[str, Any] = Field({})
    any_value: Any = None
    embedded: Annotated[dict[str, Any], markers.Embedded()] | None = None
    known: Annotated[Open, markers.Embedded()] | None = None


class Rules(model.Model):
    """Rules."""

    rules: ClassVar = (
        markers.CEL(
            "self.low <= self.high",
            "must not be above high",
            message_expression="'%d is above high'.format([self.low])",
            reason="FieldValueInvalid",
            field_path=".low",
        ),
        markers.CEL(
            "!oldSelf.hasValue() || self.high >= oldSelf.value().high",
            "only grows",
            reason="FieldValueForbidden",
            optional_old_self=True,
        ),
        markers.CEL("!has(self.names.x)", "has no x", field_path=".names['x']"),
    )

    low: Annotated[int, markers.IMMUTABLE, markers.CEL("self != 13", "is unlucky")] = 0
    high: int = 9
    names: Annotated[dict[str, str], Field(max_length=9)] = Field({})
    port: Annotated[Port, markers.CEL("self.number != 9", "is discard")] | None = None


class Spec(model.Model):
    """What is wanted."""

    replicas: Annotated[int, Field(ge=0), markers.Format("int32")] = 1
    numbers: Numbers | None = None
    texts: Texts | None = None
    lists: Lists | None = None
    maps: Maps | None = None
    objects: Objects | None = None
    ruled: Rules | None = None


class Status(model.Model):
    """What is."""

    replicas: Annotated[int, markers.Format("int32")] = 0
    selector: str = ""
    ready: bool | None = None


class Everything(model.Object):
    """All that can be said."""

    resource: ClassVar = EVERYTHING
    version: ClassVar = markers.Version(
        "v1",
        storage=True,
        scale=markers.Scale(label_selector=".status.selector"),
        selectable=(".spec.texts.colour", ".spec.replicas", ".status.ready"),
        columns=(
            markers.Column("Replicas", ".spec.replicas", "integer", format="int32"),
            markers.Column("Share", ".spec.numbers.share", priority=1),
            markers.Column("Real", ".spec.numbers.real", "number", "A number", format="double"),
            markers.Column("Port", ".spec.lists.ports[0].number", "integer"),
            markers.Column("Label", ".metadata.labels.example\\.com/release"),
            markers.Column("Open", ".spec.objects.open.whatever.it.is", "integer"),
            markers.Column("Ready", ".status.ready", "boolean"),
            markers.Column("At", ".spec.texts.at", "date"),
        ),
    )

    metadata: (
        Annotated[Mapping[str, JsonValue], markers.Named(max_length=40, pattern="^[a-z]+$")] | None
    ) = None
    spec: Spec | None = None
    status: Status | None = None


class Older(model.Object):
    """Much less."""

    resource: ClassVar = EVERYTHING
    version: ClassVar = markers.Version("v1beta1", deprecated="v1beta1 is deprecated; use v1")

    spec: dict[str, Any] | None = None


class Oldest(model.Object):
    """Nothing at all."""

    resource: ClassVar = EVERYTHING
    version: ClassVar = markers.Version("v1alpha1", served=False, deprecated=True)
