# SPDX-License-Identifier: Apache-2.0
"""Check the pools of some files as admission does, except for rules that need a cluster."""

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain

from crdkit.conversion import errors as conversion_errors
from crdkit.conversion import values
from ipam.address_sets import AddressSet
from ipam.texts import shortened
from objects.pools import PoolKey
from webhook import overlaps, statuses
from webhook.pool_review import PoolReview
from webhook.reviewed_pool import ReviewedPool

from . import fields, findings, metadata, pool_documents
from .manifests import Document

_ANY = "*"  # no namespace has this name


@dataclass(frozen=True, slots=True)
class Context:
    """The other pools that admission would know: the present ones, and those of the files."""

    present: Mapping[PoolKey, ReviewedPool]
    overlaps: overlaps.Index

    @classmethod
    def of(cls, new: Iterable[Document], old: Iterable[Document]) -> "Context":
        """Read all valid pools; the errors of the others are reported elsewhere."""
        present = dict[PoolKey, ReviewedPool]()
        for _, pool, _ in _readable(old):
            if pool.key.name:
                present.setdefault(pool.key, pool)
                present.setdefault(pool.key._replace(namespace=_ANY), pool)
        address_sets = {key: address_set for key, _, address_set in _readable(new)}
        return cls(present, overlaps.Index(address_sets))

    def before(self, new: ReviewedPool) -> ReviewedPool | None:
        """Return the present state of a pool; manifests may leave out the namespace."""
        namespaces = (new.key.namespace, "") if new.key.namespace else (_ANY,)
        keys = (new.key._replace(namespace=namespace) for namespace in namespaces)
        return next((self.present[key] for key in keys if key in self.present), None)


def all_of(document: Document, context: Context) -> Iterator[findings.Finding]:
    """Yield all findings of admission that need no cluster, and unknown fields."""
    yield from findings.not_an_object(document, lenient=True)
    yield from _list_without_items(document)
    yield from findings.other_group(document)
    if pool_documents.intended_kind(document.obj):
        found = list(findings.unknown_kind(document)) or _of_pool(document, context)
        yield from {str(each): each for each in found}.values()  # two rules may say the same


def _list_without_items(document: Document) -> Iterator[findings.Finding]:
    """Yield why a List has no items."""
    if pool_documents.is_list(document.obj):
        yield findings.Finding(document, "items: must be a list")


def _of_pool(document: Document, context: Context) -> Iterator[findings.Finding]:
    obj = findings.object_of(document)
    for text in chain(fields.unknown_fields(obj), metadata.errors_of(obj)):
        yield findings.Finding(document, text)
    yield from _on_write(document, context)


def _on_write(document: Document, context: Context) -> Iterator[findings.Finding]:
    """Yield the findings of admission about a write of the pool."""
    try:
        new = ReviewedPool.read(findings.object_of(document))
        version = findings.version_of(document)
        review = PoolReview("UPDATE", version, new, context.before(new))
        if not review.harmless:
            for text in _few_problems(findings.object_of(document), review):
                yield findings.Finding(document, text)
            for text in _few_warnings(document, review, new, context):
                yield findings.Finding(document, text, warning=True)
    except conversion_errors.ConversionError as error:
        yield findings.Finding(document, str(error))


def _few_problems(obj: values.JsonObject, review: PoolReview) -> Iterator[str]:
    """Yield the first errors of a pool, and the number of the others."""
    problems = review.errors
    texts = [findings.line_of(problem) for problem in problems]
    blamed = {statuses.path_of(problem) for problem in problems}
    texts += [f"{path}: is required" for path in fields.missing_fields(obj) if path not in blamed]
    yield from shortened(texts, len(texts), statuses.MOST_CAUSES)


def _few_warnings(
    document: Document, review: PoolReview, new: ReviewedPool, context: Context
) -> Iterator[str]:
    """Yield the first warnings about a pool, and the number of the others."""
    own = list(_own_warnings(review, new))
    yield from overlaps.few(own, context.overlaps.overlaps(_key(document, new)))


def _own_warnings(review: PoolReview, new: ReviewedPool) -> Iterator[str]:
    """Yield the warnings that do not depend on other pools; the most important one first."""
    if review.removed:
        yield "takes addresses out of the pool, which is refused if one of them is in use"
    yield from new.warnings(review.version)


def _readable(documents: Iterable[Document]) -> Iterator[tuple[PoolKey, ReviewedPool, AddressSet]]:
    """Yield the valid pools among documents."""
    for document in documents:
        if pool_documents.intended_kind(document.obj):
            with contextlib.suppress(conversion_errors.ConversionError):
                pool = ReviewedPool.read(findings.object_of(document))
                yield _key(document, pool), pool, pool.address_set


def _key(document: Document, pool: ReviewedPool) -> PoolKey:
    """Return the pool's key; its place in the file stands in for a missing name."""
    name = pool.key.name or f"(without a name, {document.place})"
    return pool.key._replace(name=name)
