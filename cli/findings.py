# SPDX-License-Identifier: Apache-2.0
"""Findings about a document, and those that concern objects of any kind."""

from collections.abc import Iterator
from dataclasses import dataclass

from api import resources
from conversion import registry
from crdkit.conversion import values
from ipam.address_sets import FieldError
from ipam.texts import quoted
from webhook import statuses

from . import pool_documents
from .manifests import Document


@dataclass(frozen=True, slots=True)
class Finding:
    """One line for the user.  The API server does not refuse what is only a warning."""

    where: object
    text: str
    warning: bool = False

    def __str__(self) -> str:
        line = f"{self.where}: {'warning: ' if self.warning else ''}{self.text}"
        return line if line.isprintable() else "".join(map(_printable, line))


def _printable(character: str) -> str:
    return character if character.isprintable() else repr(character)[1:-1]


def not_an_object(document: Document, *, lenient: bool = False) -> Iterator[Finding]:
    """Yield why a document is not a Kubernetes object.

    Args:
        document: Any document of a file.
        lenient: Whether it is only a warning, unless the document is about pools.
    """
    obj = document.obj
    if not values.is_object(obj):
        yield Finding(document, "is not an object with apiVersion and kind", lenient)
        return
    known = values.text(obj, "kind") in registry.REGISTRY.kinds
    about_pools = known or pool_documents.group_of(obj) == resources.GROUP
    for name in ("apiVersion", "kind"):
        if not values.text(obj, name):
            value = obj.get(name)
            text = f"must be a string, not {quoted(value)}" if value else "is required"
            yield Finding(document, f"{name}: {text}", lenient and not about_pools)


def other_group(document: Document) -> Iterator[Finding]:
    """Yield a warning about an object that is a pool by its kind alone."""
    obj = object_of(document)
    kind, api_version = values.text(obj, "kind"), values.text(obj, "apiVersion")
    if (
        kind in registry.REGISTRY.kinds
        and api_version
        and pool_documents.group_of(obj) != resources.GROUP
    ):
        right = f"{resources.GROUP}/{registry.REGISTRY.kinds[kind].hub}"
        text = f"apiVersion: {quoted(api_version)}: is not looked into: a pool has {right}"
        yield Finding(document, text, warning=True)


def unknown_kind(document: Document) -> Iterator[Finding]:
    """Yield the kind that a misspelled kind of our group may mean."""
    meant, kind = pool_documents.intended_kind(document.obj), object_of(document).get("kind")
    if meant not in (None, kind):
        text = f"kind: {quoted(kind)}: unknown kind, did you mean {meant}?"
        yield Finding(document, text)


def is_missing(problem: FieldError) -> bool:
    """Whether an error says that a whole field is missing, and not an entry of a list."""
    unset = problem.value is None or "is required" in problem.text
    return unset and not problem.path.endswith("]")


def object_of(document: Document) -> values.JsonObject:
    """Return the object of a document; an empty one if it has none."""
    return document.obj if values.is_object(document.obj) else {}


def version_of(document: Document) -> str:
    """Return the version of a document; empty if it has none."""
    return pool_documents.version_of(object_of(document))


def line_of(problem: FieldError) -> str:
    """Return an error as a line: the field, its value and the message."""
    value = "" if is_missing(problem) else f"{quoted(problem.value)}: "
    return f"{statuses.path_of(problem)}: {value}{problem.text}"
