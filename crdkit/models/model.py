# SPDX-License-Identifier: Apache-2.0
"""The bases of all types: how Python says what stands in a manifest."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, ClassVar, Literal, cast

from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler, JsonValue, SecretStr
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema
from typing_extensions import override

from .markers import CEL, Opaque, Version
from .resources import Resource

_INITIALISMS = frozenset({"ip"})  # words that Kubernetes writes in capitals, but for the first one

_MASK = str(SecretStr("secret"))
"""What Pydantic writes for a secret."""


def json_name(attribute: str) -> str:
    """Return `ipAddresses` for `ip_addresses`, and `useIP` for `use_ip`."""
    first, *rest = attribute.split("_")
    return first + "".join(
        word.upper() if word in _INITIALISMS else word.capitalize() for word in rest
    )


class Model(BaseModel):
    """An object in a manifest.

    Guarantees:
        Immutable.  JSON types are never bent (`"5"` is no number).  Unknown fields are ignored,
        as the API server prunes them.  A field's docstring is its description in the schema.
    """

    model_config = ConfigDict(
        alias_generator=json_name,
        extra="ignore",
        frozen=True,
        serialize_by_alias=True,
        strict=True,
        use_attribute_docstrings=True,
        validate_by_alias=True,
        validate_by_name=True,
    )

    rules: ClassVar[tuple[CEL, ...]] = ()
    """Rules about several fields; one about a single field stands at that field."""

    def as_json(self) -> dict[str, Any]:
        """Return the manifest's form: JSON values under JSON names.

        Guarantees:
            Only what was set: `model_validate(value).as_json() == value`, unknown fields aside.
            Secrets are shown.  `computed_field`s, which nobody could set, are not there.
        """
        dumped = self._dumped("json")
        if _MASK not in repr(dumped):
            return dumped
        return cast("dict[str, Any]", _revealed(dumped, self._dumped("python")))

    def _dumped(self, mode: Literal["json", "python"]) -> dict[str, Any]:
        return self.model_dump(
            mode=mode, by_alias=True, exclude_unset=True, exclude_computed_fields=True
        )

    @classmethod
    @override
    def __pydantic_init_subclass__(cls, **_: Any) -> None:
        """Make sure that `rules` is a tuple.

        Raises:
            TypeError: `rules` is no tuple, as without the comma of `(CEL(...),)`.
        """
        if not isinstance(cast("object", cls.rules), tuple):
            raise TypeError(
                f"the rules of {cls.__name__} are no tuple: write (CEL(...),) with a comma at the "
                "end"
            )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Put the `rules` into the schema of the object."""
        schema = handler(core_schema)
        if cls.rules:
            resolved = handler.resolve_ref_schema(schema)
            resolved["x-kubernetes-validations"] = [rule.as_schema() for rule in cls.rules]
        return schema


def _revealed(dumped: JsonValue, value: object) -> JsonValue:
    """Return JSON that shows the secrets of its value."""
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(dumped, dict) and isinstance(value, Mapping):
        values = cast("Mapping[object, object]", value).values()
        pairs = zip(dumped.items(), values, strict=False)
        return {name: _revealed(item, it) for (name, item), it in pairs}
    if isinstance(dumped, list) and isinstance(value, list | tuple):
        items = cast("Iterable[object]", value)
        return [_revealed(item, it) for item, it in zip(dumped, items, strict=False)]
    return dumped


class Object(Model):
    """A kind in one version: something that `kubectl get` lists."""

    resource: ClassVar[Resource]
    version: ClassVar[Version]

    api_version: str | None = None
    """Group and version of this object's schema."""

    kind: str | None = None
    """The kind of this object."""

    @classmethod
    @override
    def __pydantic_init_subclass__(cls, **options: Any) -> None:
        """Make sure that each model is in the list of its kind's versions, which services use.

        Raises:
            TypeError: the version is not in it.
        """
        super().__pydantic_init_subclass__(**options)
        if "version" in cls.__dict__ and cls.version.name not in cls.resource.versions:
            where = f"versions of {cls.resource.kind} in its Resource"
            raise TypeError(f"{cls.version.name} is not in the {where}")

    # Name, namespace, labels, ...: without a docstring, as the API server refuses a description.
    metadata: Annotated[Mapping[str, JsonValue], Opaque()] | None = None
