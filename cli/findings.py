# SPDX-License-Identifier: Apache-2.0
"""What is wrong with an object in a manifest."""

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from api import resources
from conversion import errors as conversion_errors
from conversion import registry, values
from ipam import offer
from ipam.texts import quoted
from kube import objects
from webhook import neighbours, statuses
from webhook.pool import Pool
from webhook.review import PoolReview

from . import fields, pools
from .manifests import Document


@dataclass(frozen=True, slots=True)
class Finding:
    """One line for the user.  A warning is nothing that the API server would refuse."""

    where: object
    text: str
    warning: bool = False

    def __str__(self) -> str:
        line = f"{self.where}: {'warning: ' if self.warning else ''}{self.text}"
        return "".join(each if each.isprintable() else repr(each)[1:-1] for each in line)


@dataclass(frozen=True, slots=True)
class Context:
    """What else admission would know: the present pools, and those that come together."""

    present: Sequence[Pool]
    offers: Mapping[objects.PoolKey, offer.Offer]

    @classmethod
    def of(cls, new: Iterable[Document], old: Iterable[Document]) -> "Context":
        """Take all that can be read; what is wrong with the rest is told elsewhere."""
        offers = {key: offered for key, _, offered in _readable(new)}
        return cls([pool for _, pool, _ in _readable(old)], offers)

    def before(self, new: Pool) -> Pool | None:
        """Return what the pool is at present; manifests may leave out the namespace."""
        return next((pool for pool in self.present if _same(pool.key, new.key)), None)


def all_of(document: Document, context: Context) -> Iterator[Finding]:
    """Yield everything that admission would say without a cluster, and unknown fields."""
    yield from not_an_object(document, lenient=True)
    yield from _list_without_items(document)
    yield from _other_group(document)
    if pools.meant_kind(document.obj):
        yield from list(_unknown_kind(document)) or _of_pool(document, context)


def before_conversion(document: Document, version: str) -> Iterator[Finding]:
    """Yield why an object cannot be converted: above all, values that make no sense.

    Caveats:
        Not the fields that are missing: an overlay may still bring them.
    """
    yield from not_an_object(document)
    yield from _other_group(document)
    if pools.meant_kind(document.obj):
        yield from list(_unknown_kind(document)) or _not_convertible(document, version)


def not_an_object(document: Document, *, lenient: bool = False) -> Iterator[Finding]:
    """Yield why a document is no object of Kubernetes at all.

    Args:
        document: Any of a file.
        lenient: Whether that is only a warning, unless the document means to be a pool.
    """
    obj = document.obj
    if not values.is_object(obj):
        yield Finding(document, "is not an object with apiVersion and kind", lenient)
        return
    about_pools = values.text(obj, "kind") in pools.KINDS or pools.group_of(obj) == resources.GROUP
    for name in ("apiVersion", "kind"):
        if not values.text(obj, name):
            value = obj.get(name)
            text = f"must be a string, not {quoted(value)}" if value else "is required"
            yield Finding(document, f"{name}: {text}", lenient and not about_pools)


def _list_without_items(document: Document) -> Iterator[Finding]:
    """Yield why nothing can be found in a List."""
    if pools.is_list(document.obj):
        yield Finding(document, "items: must be a list")


def _other_group(document: Document) -> Iterator[Finding]:
    """Yield a warning about an object that is a pool by its kind alone."""
    obj = _object(document)
    kind, api_version = values.text(obj, "kind"), values.text(obj, "apiVersion")
    if kind in pools.KINDS and api_version and pools.group_of(obj) != resources.GROUP:
        right = f"{resources.GROUP}/{registry.KINDS[kind].hub}"
        text = f"apiVersion: {quoted(api_version)}: is not looked into: a pool has {right}"
        yield Finding(document, text, warning=True)


def _unknown_kind(document: Document) -> Iterator[Finding]:
    """Yield what a kind of our group, misspelled, may mean."""
    meant, kind = pools.meant_kind(document.obj), _object(document).get("kind")
    if meant not in (None, kind):
        text = f"kind: {quoted(kind)}: unknown kind, did you mean {meant}?"
        yield Finding(document, text)


def _of_pool(document: Document, context: Context) -> Iterator[Finding]:
    for text in fields.unknown_fields(_object(document)):
        yield Finding(document, text)
    try:
        new = Pool.read(_object(document))
        yield from _nameless(document, new)
        write = PoolReview("UPDATE", _version(document), new, context.before(new))
        if not write.harmless:
            yield from _judged(document, write, new)
            for text in neighbours.warnings_of(_key(document, new), new.offered, context.offers):
                yield Finding(document, text, warning=True)
    except conversion_errors.ConversionError as error:
        yield Finding(document, str(error))


def _not_convertible(document: Document, version: str) -> Iterator[Finding]:
    try:
        registry.convert(_object(document), f"{resources.GROUP}/{version}")
        problems = Pool.read(_object(document)).problems(_version(document), None)
    except conversion_errors.ConversionError as error:
        yield Finding(document, str(error))
        return
    for problem in problems:
        if not _is_missing(problem):
            yield Finding(document, _said(problem))


def _judged(document: Document, write: PoolReview, new: Pool) -> Iterator[Finding]:
    for problem in write.problems:
        yield Finding(document, _said(problem))
    for note in new.notes(write.version):
        yield Finding(document, note, warning=True)
    if write.lost:
        text = "takes addresses out of the pool, which is refused if one of them is in use"
        yield Finding(document, text, warning=True)


def _nameless(document: Document, new: Pool) -> Iterator[Finding]:
    if not new.key.name and not values.text(new.metadata, "generateName"):
        yield Finding(document, "metadata.name: is required, or generateName")


def _readable(documents: Iterable[Document]) -> Iterator[tuple[objects.PoolKey, Pool, offer.Offer]]:
    """Yield the pools among documents, as far as they can be read."""
    for document in documents:
        if pools.meant_kind(document.obj):
            with contextlib.suppress(conversion_errors.ConversionError):
                pool = Pool.read(_object(document))
                yield _key(document, pool), pool, pool.offered


def _key(document: Document, pool: Pool) -> objects.PoolKey:
    """Return the pool's key; one without a name is told apart by where it stands."""
    name = pool.key.name or f"(without a name, {document.place})"
    return pool.key._replace(name=name)


def _same(one: objects.PoolKey, other: objects.PoolKey) -> bool:
    if not one.name or (one.kind, one.name) != (other.kind, other.name):
        return False
    return one.namespace == other.namespace or "" in (one.namespace, other.namespace)


def _is_missing(problem: offer.Problem) -> bool:
    """Tell whether a problem is that a whole field is missing, not an entry of a list."""
    unset = problem.value is None or "is required" in problem.text
    return unset and not problem.path.endswith("]")


def _object(document: Document) -> values.JsonObject:
    return document.obj if values.is_object(document.obj) else {}


def _version(document: Document) -> str:
    return values.text(_object(document), "apiVersion").rpartition("/")[2]


def _said(problem: offer.Problem) -> str:
    value = "" if _is_missing(problem) else f"{quoted(problem.value)}: "
    return f"{statuses.path_of(problem)}: {value}{problem.text}"
