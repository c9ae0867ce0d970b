# SPDX-License-Identifier: Apache-2.0
"""What `example/everything.py` leaves out and Go can say too; `v1/rest.go` is its twin."""

from enum import StrEnum
from typing import Annotated, Any, ClassVar, Literal

from pydantic import ConfigDict, Field

from crdkit.models import markers, model, resources, values

Percent = Annotated[int, Field(ge=0, le=100, description="A share of something.")]
Word = Annotated[str, Field(min_length=1, max_length=9)]
Words = Annotated[tuple[Word, ...], markers.ListType("set"), Field(max_length=5)]


class Colour(StrEnum):
    """A colour."""

    RED = "red"
    GREEN = "green"


class Open(model.Model):
    """An object that keeps what it does not know."""

    model_config = ConfigDict(extra="allow")

    known: bool = True


class Empty(model.Model):
    """Nothing."""


class Template(model.Model):
    """What is made."""

    metadata: Annotated[dict[str, Any], markers.Opaque()] | None = None
    """Labels, for instance."""

    spec: Empty = Empty()


class Named(model.Model):
    """What has a name."""

    rules: ClassVar[tuple[markers.CEL, ...]] = (markers.CEL("self.name != 'y'", "is no name"),)

    name: Word
    """
    Its name:

    - a `word`, and
    - no "sentence".

    Nothing else.
    """


class Choice(Named):
    """A choice.

    Some of it has to be made.
    """

    model_config = ConfigDict(title="Several of one")
    rules: ClassVar = (
        markers.CEL("self.name != 'x'", "is no name"),
        markers.AtMostOneOf("left", "right"),
        markers.ExactlyOneOf("up", "down"),
        markers.AtLeastOneOf("left", "up", "namespace"),
        *Named.rules,
    )

    left: str | None = None
    right: str | None = None
    up: Annotated[int, markers.Format("int64")] | None = None
    down: Annotated[int, markers.Format("int64")] | None = None
    namespace: str | None = None


class Formats(model.Model):
    """Formats."""

    cidr: Annotated[str, markers.Format("cidr")] | None = None
    moment: Annotated[str, markers.Format("date-time")] | None = None
    duration: Annotated[str, markers.Format("duration")] | None = None
    real: Annotated[float, markers.Format("float")] | None = None
    host: Annotated[str, markers.Format("hostname")] | None = None
    v4: Annotated[str, markers.Format("ipv4")] | None = None
    v6: Annotated[str, markers.Format("ipv6")] | None = None
    password: Annotated[str, markers.Format("password")] | None = None
    uri: Annotated[str, markers.Format("uri")] | None = None
    uuid: Annotated[str, markers.Format("uuid")] | None = None


Count = Annotated[int, Field(ge=0), markers.Format("int32"), markers.CEL("self != 13", "is 13")]
STRINGS = (
    "", "yes", "y", "1", "1e3", "1.5", "null", "~", " x ", "a: b", "#c", "é", "2\n3", "'", '"', "-",
)  # fmt: skip
"""What YAML takes for something else where it is not quoted."""


class Spelling(model.Model):
    """Texts: with a colon, "quotes", a `#` and é.

    A line after another,  and two spaces.
    """

    strings: tuple[str, ...] = STRINGS
    odd: Literal["", "no", "1.5", "a b"] = ""
    off: bool = False
    pattern: Annotated[str, Field(pattern=r"""^[^'"\\: #]+\.$""")] | None = None
    count: Count = 0
    amount: (
        Annotated[values.Quantity, markers.CEL("self != '1'", "is 1", "'is ' + string(self)")]
        | None
    ) = None


class Pair(Named):
    """Two keys."""

    namespace: str


Pairs = Annotated[tuple[Pair, ...], markers.ListType("map", ("name", "namespace"))]


class Values(model.Model):
    """Values of other types inside of lists and maps."""

    amounts: dict[str, values.Quantity] | None = None
    eithers: tuple[values.IntOrString, ...] | None = None
    moments: tuple[values.Timestamp, ...] | None = None
    opens: dict[str, Open] | None = None
    pairs: dict[str, Pairs] | None = None
    maps: tuple[dict[str, Colour], ...] | None = None
    nothing: Annotated[Colour | None, markers.Nullable()] = None
    """A colour, or none."""


class RestSpec(model.Model):
    """The remainder."""

    size: (
        Annotated[int, Field(title="Size of it", examples=[3], gt=0), markers.Format("int32")]
        | None
    ) = None
    choice: Annotated[Choice, Field(examples=[{"name": "a", "up": 1}])] = Choice(
        name="a", left="b", up=1
    )
    formats: Formats | None = None
    ratio: Annotated[float, Field(ge=-1.5)] = 1.0
    step: Annotated[float, Field(multiple_of=0.5)] = 2.5
    whole: Percent | None = None
    part: Annotated[Percent, Field(le=50)] | None = None
    """The smaller part."""

    share: Annotated[int | str, markers.IntOrString("^[0-9]+%$")] | None = None
    nullable: Annotated[str | None, markers.Nullable()] = "x"
    number: Literal[1, 2] | None = None
    colours: Annotated[tuple[Colour, ...], markers.ListType("set"), Field(min_length=1)] | None = (
        None
    )
    texts: (
        Annotated[
            tuple[Annotated[str, Field(max_length=5), markers.CEL("self != 'x'", "is x")], ...],
            markers.ListType("atomic"),
            markers.CEL("self.size() != 4", "are four", reason="FieldValueRequired"),
        ]
        | None
    ) = None
    words: tuple[Words, ...] | None = None
    shares: Annotated[dict[str, Percent], markers.MapType("atomic"), Field(min_length=1)] | None = (
        None
    )
    lists: Annotated[dict[str, Words], markers.MapType("granular")] | None = None
    named: Annotated[Named, markers.MapType("granular")] | None = None
    pairs: Pairs | None = None
    values: Values | None = None
    spelling: Spelling | None = None
    template: Template | None = None
    odd: str | None = Field(None, alias="odd-name.x")


class RestStatus(model.Model):
    size: Annotated[int, markers.Format("int32")] | None = None


class Rest(model.Object):
    """Everything else."""

    resource: ClassVar = resources.Resource(
        group="everything.example.com",
        kind="Rest",
        plural="rest",
        scope="Namespaced",
        versions=("v1",),
        labels={"a": "1", "example.com/b": ""},
        annotations={"c": "d=e, f"},
    )
    version: ClassVar = markers.Version(
        "v1", storage=True, deprecated=True, scale=markers.Scale(".spec.size", ".status.size")
    )

    rules: ClassVar = (
        markers.CEL("self.metadata.name != 'x'", "is no name", field_path=".metadata"),
        markers.AtMostOneOf("data", "status"),
    )

    data: dict[str, str] | None = None
    spec: Annotated[RestSpec, markers.IMMUTABLE]
    """How much of it."""

    status: RestStatus | None = None
