# SPDX-License-Identifier: Apache-2.0
"""What is wrong with an object in a manifest."""

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, islice

from api import resources
from conversion import errors as conversion_errors
from conversion import registry, values
from ipam import offer
from ipam.errors import quoted
from kube import objects
from webhook import admission, neighbours, statuses
from webhook.pool import Pool, can_strand

from . import fields, metadata, pools
from .conversions import Target
from .manifests import Document, File, shown

_ANY = "*"  # no namespace has this name

_MOST_PROBLEMS = 50
_MOST_WARNINGS = 10
"""What is printed about a pool is as much as admission answers with."""


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

    present: Mapping[objects.PoolKey, Pool]
    neighbours: neighbours.Index

    @classmethod
    def of(cls, new: Iterable[Document], old: Iterable[Document]) -> "Context":
        """Take all that can be read; what is wrong with the rest is told elsewhere."""
        present = dict[objects.PoolKey, Pool]()
        for _, pool, _ in _readable(old):
            if pool.key.name:
                present.setdefault(pool.key, pool)
                present.setdefault(pool.key._replace(namespace=_ANY), pool)
        offers = {key: offered for key, _, offered in _readable(new)}
        return cls(present, neighbours.Index(offers))

    def before(self, new: Pool) -> Pool | None:
        """Return what the pool is at present; manifests may leave out the namespace."""
        namespaces = (new.key.namespace, "") if new.key.namespace else (_ANY,)
        keys = (new.key._replace(namespace=namespace) for namespace in namespaces)
        return next((self.present[key] for key in keys if key in self.present), None)


def all_of(document: Document, context: Context) -> Iterator[Finding]:
    """Yield everything that admission would say without a cluster, and unknown fields."""
    yield from not_an_object(document, lenient=True)
    yield from _list_without_items(document)
    yield from _other_group(document)
    if pools.meant_kind(document.obj):
        found = list(_unknown_kind(document)) or _of_pool(document, context)
        yield from {str(each): each for each in found}.values()  # two rules may say the same


def before_conversion(
    document: Document, target: Target, *, lenient: bool = False
) -> Iterator[Finding]:
    """Yield why an object cannot be converted: above all, values that make no sense.

    Caveats:
        Not the fields that are missing: an overlay may still bring them.

    Args:
        document: Any of a file.
        target: What is to become of it.
        lenient: Whether documents that are no objects are only warned of.
    """
    yield from not_an_object(document, lenient=lenient)
    yield from _other_group(document)
    if pools.meant_kind(document.obj):
        yield from list(_unknown_kind(document)) or _on_conversion(document, target)


def after_conversion(file: File) -> Iterator[Finding]:
    """Yield a warning for each comment that gets lost."""
    for number, source in enumerate(file.sources, start=1):
        for comment in source.lost:
            text = f"loses the comment {comment!r}: it is inside brackets, or aliases are near it"
            yield Finding(f"{shown(file.path)}: document {number}", text, warning=True)


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
    obj = _object(document)
    for text in chain(fields.unknown_fields(obj), metadata.problems_of(obj)):
        yield Finding(document, text)
    yield from _on_write(document, context)


def _on_write(document: Document, context: Context) -> Iterator[Finding]:
    """Yield what admission says when the pool is written."""
    try:
        new = Pool.read(_object(document))
        write = admission.Write("", "UPDATE", _version(document), new, context.before(new))
        if not write.harmless:
            for text in _few_problems(_object(document), write):
                yield Finding(document, text)
            for text in _few_warnings(document, write, new, context):
                yield Finding(document, text, warning=True)
    except conversion_errors.ConversionError as error:
        yield Finding(document, str(error))


def _on_conversion(document: Document, target: Target) -> Iterator[Finding]:
    obj, version = _object(document), _version(document)
    kind = values.text(obj, "kind")
    if pools.has_version(kind, version) and not pools.has_version(kind, target.version):
        text = f"stays as it is: {kind} has no version {target.version}"
        yield Finding(document, text, warning=True)
        return
    for text in fields.unknown_fields(obj):
        yield Finding(document, text, warning=True)
    try:
        registry.convert(obj, target.api_version)
        problems = Pool.read(obj).problems(version, None)
        lost = list(target.losses(obj))
    except conversion_errors.ConversionError as error:
        yield Finding(document, str(error))
        return
    told = [problem for problem in problems if not _is_missing(problem)]
    for problem in told:
        yield Finding(document, _said(problem))
    for name in () if told else lost:
        yield _lost(document, name, target)


def _lost(document: Document, name: str, target: Target) -> Finding:
    """Return the finding about a field that gets lost; it is a warning if the user asked for it."""
    text = (
        f"spec.{name}: would be lost, since {target.version} cannot say it; "
        "--with-annotation keeps it"
    )
    return Finding(document, text, warning=target.annotation is False)


def _few_problems(obj: values.JsonObject, write: admission.Write) -> Iterator[str]:
    """Yield the first problems of a pool, and how many more there are."""
    problems = write.problems
    texts = [_said(problem) for problem in problems]
    blamed = {statuses.path_of(problem) for problem in problems}
    texts += [f"{path}: is required" for path in fields.missing_fields(obj) if path not in blamed]
    yield from texts[:_MOST_PROBLEMS]
    yield from _rest(len(texts) - _MOST_PROBLEMS)


def _few_warnings(
    document: Document, write: admission.Write, new: Pool, context: Context
) -> Iterator[str]:
    """Yield the first warnings about a pool, and how many more there are."""
    own = list(_own_warnings(write, new))
    overlaps = context.neighbours.overlaps(_key(document, new))
    yield from islice(chain(own, overlaps.warnings), _MOST_WARNINGS)
    yield from _rest(len(own) + overlaps.total - _MOST_WARNINGS)


def _rest(more: int) -> Iterator[str]:
    if more > 0:
        yield f"... and {more} more"


def _own_warnings(write: admission.Write, new: Pool) -> Iterator[str]:
    """Yield the warnings that do not depend on other pools; the most important one first."""
    if write.old is not None and can_strand(write.old.offered(), new.offered()):
        yield "takes addresses out of the pool, which is refused if one of them is in use"
    yield from new.notes(write.version)


def _readable(documents: Iterable[Document]) -> Iterator[tuple[objects.PoolKey, Pool, offer.Offer]]:
    """Yield the pools among documents, as far as they can be read."""
    for document in documents:
        if pools.meant_kind(document.obj):
            with contextlib.suppress(conversion_errors.ConversionError):
                pool = Pool.read(_object(document))
                yield _key(document, pool), pool, pool.offered()


def _key(document: Document, pool: Pool) -> objects.PoolKey:
    """Return the pool's key; one without a name is told apart by where it stands."""
    name = pool.key.name or f"(without a name, {document.place})"
    return pool.key._replace(name=name)


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
