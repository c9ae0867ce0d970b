# SPDX-License-Identifier: Apache-2.0
"""What is wrong with an object in a manifest."""

import contextlib
import difflib
import typing
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from api import kinds, model, resources
from conversion import errors as conversion_errors
from conversion import registry, values
from ipam import offer
from ipam.errors import quoted
from kube import objects
from webhook import admission, neighbours
from webhook.pool import Pool, can_strand

from .manifests import Document

_CAPI_KINDS = frozenset(("IPAddress", "IPAddressClaim"))  # of the same group, but not ours


@dataclass(frozen=True, slots=True)
class Finding:
    """One line for the user.  A warning is nothing that the API server would refuse."""

    document: Document
    text: str
    warning: bool = False

    def __str__(self) -> str:
        return f"{self.document}: {'warning: ' if self.warning else ''}{self.text}"


def is_ours(obj: object) -> bool:
    """Tell whether an object is a pool of ours, or means to be one."""
    if not values.is_object(obj):
        return False
    group, _, _ = values.text(obj, "apiVersion").rpartition("/")
    return group == resources.GROUP and obj.get("kind") not in _CAPI_KINDS


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What else admission would know: the present pools, and those that come together."""

    present: Sequence[Pool] = ()
    offers: Mapping[objects.PoolKey, offer.Offer] = field(
        default_factory=dict[objects.PoolKey, offer.Offer]
    )

    @classmethod
    def of(cls, new: Sequence[Document], old: Sequence[Document]) -> "Surroundings":
        """Take all that can be read."""
        return cls(_pools(old), {pool.key: pool.offered() for pool in _pools(new)})

    def before(self, new: Pool) -> Pool | None:
        """Return what the pool is at present; manifests may leave out the namespace."""
        return next((pool for pool in self.present if _same(pool.key, new.key)), None)


def all_of(document: Document, around: Surroundings) -> Iterator[Finding]:
    """Yield everything that admission would say without a cluster, and unknown fields."""
    yield from misnamed(document)
    try:
        new = Pool.read(_object(document))
        write = admission.Write("", "UPDATE", _version(document), new, around.before(new))
        if not write.harmless:
            yield from _judged(document, write, new)
            for text in neighbours.warnings_of(new.key, new.offered(), around.offers):
                yield Finding(document, text, warning=True)
    except conversion_errors.ConversionError as error:
        yield Finding(document, str(error))


def _judged(document: Document, write: admission.Write, new: Pool) -> Iterator[Finding]:
    for problem in write.problems:
        yield Finding(document, _said(problem))
    for note in new.notes(write.version):
        yield Finding(document, note, warning=True)
    if write.old is not None and can_strand(write.old.offered(), new.offered()):
        text = "takes addresses out of the pool, which is refused if one of them is in use"
        yield Finding(document, text, warning=True)


def _pools(documents: Sequence[Document]) -> list[Pool]:
    """Return the pools among documents; what is wrong with others is told elsewhere."""
    found: list[Pool] = []
    for document in documents:
        if is_ours(document.obj):
            with contextlib.suppress(conversion_errors.ConversionError):
                found.append(Pool.read(_object(document)))
    return found


def _same(one: objects.PoolKey, other: objects.PoolKey) -> bool:
    if (one.kind, one.name) != (other.kind, other.name):
        return False
    return one.namespace == other.namespace or "" in (one.namespace, other.namespace)


def unusable(document: Document, version: str) -> Iterator[Finding]:
    """Yield why an object cannot be said in a version: above all, values that make no sense.

    Caveats:
        Not those that are missing: an overlay may still bring them.
    """
    try:
        registry.convert(_object(document), f"{resources.GROUP}/{version}")
        problems = Pool.read(_object(document)).problems(_version(document), None)
    except conversion_errors.ConversionError as error:
        yield Finding(document, str(error))
        return
    for problem in problems:
        if problem.value not in (None, "", []):
            yield Finding(document, _said(problem))


def shapeless(document: Document, *, lenient: bool = False) -> Iterator[Finding]:
    """Yield why a document is no object of Kubernetes at all.

    Args:
        document: Any of a file.
        lenient: Whether that is only a warning, unless the document means to be a pool.
    """
    if not values.is_object(document.obj):
        yield Finding(document, "is not an object with apiVersion and kind", lenient)
        return
    warning = lenient and document.obj.get("kind") not in registry.KINDS
    for name in ("apiVersion", "kind"):
        if not values.text(document.obj, name):
            yield Finding(document, f"{name}: is required", warning)


def misnamed(document: Document) -> Iterator[Finding]:
    """Yield the fields that the object's version does not know; the API server drops them."""
    obj = _object(document)
    found = _model(obj)
    if found is None:
        return
    for name in obj:
        yield from _unknown(document, "", name, found)
    spec = obj.get("spec")
    inner = _part(found, "spec")
    if values.is_object(spec) and inner is not None:
        for name in spec:
            yield from _unknown(document, "spec.", name, inner)


def _unknown(
    document: Document, parent: str, name: str, known: type[model.Model]
) -> Iterator[Finding]:
    names = [model.json_name(attribute) for attribute in known.model_fields]
    if name not in names:
        yield Finding(document, f"{parent}{name}: unknown field{_hint(name, names)}")


def _hint(name: str, names: Collection[str]) -> str:
    close = difflib.get_close_matches(name, names, n=1)
    return f", did you mean {close[0]}?" if close else f"; known are: {', '.join(sorted(names))}"


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


def _object(document: Document) -> values.JsonObject:
    return document.obj if values.is_object(document.obj) else {}


def _version(document: Document) -> str:
    return values.text(_object(document), "apiVersion").rpartition("/")[2]


def _said(problem: offer.Problem) -> str:
    value = "" if problem.value in (None, "", []) else f"{quoted(problem.value)}: "
    return f"spec.{problem.path}: {value}{problem.text}"
