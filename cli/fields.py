# SPDX-License-Identifier: Apache-2.0
"""Fields that a pool's version does not have: the API server drops them silently."""

import difflib
import typing
from collections.abc import Collection, Iterator

from api import kinds, resources
from crdkit.conversion import values
from crdkit.models import meta, model


def unknown_fields(obj: values.JsonObject) -> Iterator[str]:
    """Yield a line for each unknown field of an object, of its metadata and of its spec.

    Caveats:
        status is not checked: nobody writes it by hand.  An unknown field that is null is reported
        too, because it is misspelled, although `kubectl apply` leaves it out.
    """
    found = _model(obj)
    if found is None:
        return
    yield from _unknown(obj, "", _names(found))
    yield from _unknown(obj.get("metadata"), "metadata.", meta.OBJECT_META)
    if spec := _part(found, "spec"):
        yield from _unknown(obj.get("spec"), "spec.", _names(spec))


def missing_fields(obj: values.JsonObject) -> Iterator[str]:
    """Yield the path of each required field that the spec of an object lacks.

    Caveats:
        Nothing if there is no spec, which admission reports.
    """
    found = _model(obj)
    spec, known = obj.get("spec"), found and _part(found, "spec")
    if known and values.is_object(spec):
        for attribute, field in known.model_fields.items():
            name = model.json_name(attribute)
            if field.is_required() and spec.get(name) is None:
                yield f"spec.{name}"


def hint(name: str, names: Collection[str]) -> str:
    """Return what a misspelled name may mean."""
    close = difflib.get_close_matches(name, names, n=1)
    return f", did you mean {close[0]}?" if close else f"; known are: {', '.join(sorted(names))}"


def _unknown(part: object, parent: str, names: Collection[str]) -> Iterator[str]:
    for name in part if values.is_object(part) else ():
        if name not in names:
            yield f"{parent}{name}: unknown field{hint(name, names)}"


def _names(known: type[model.Model]) -> list[str]:
    return [model.json_name(attribute) for attribute in known.model_fields]


def _model(obj: values.JsonObject) -> type[model.Object] | None:
    for each in kinds.KINDS:
        api_version = f"{resources.GROUP}/{each.version.name}"
        if (obj.get("apiVersion"), obj.get("kind")) == (api_version, each.resource.kind):
            return each
    return None


def _part(whole: type[model.Model], attribute: str) -> type[model.Model] | None:
    """Return the model of a field that is an object."""
    for each in typing.get_args(whole.model_fields[attribute].annotation):
        if isinstance(each, type) and issubclass(each, model.Model):
            return each
    return None
