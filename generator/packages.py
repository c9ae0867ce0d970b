# SPDX-License-Identifier: Apache-2.0
"""Finds the kinds in a package of models, whosever it is."""

import importlib
import pkgutil
from collections.abc import Iterator

from api import model

from .errors import ModelsError


def kinds(name: str) -> tuple[type[model.Object], ...]:
    """Import a module, or a package with everything in it, and return the kinds defined there.

    A kind is a subclass of `api.model.Object` with a `resource` and a `version`.

    Raises:
        ModelsError: it can't be imported, or has no kind in it.
    """
    try:
        _import(name)
    except ModuleNotFoundError as error:
        raise ModelsError(name, f"can't be imported: {error}") from error
    found = tuple(
        kind
        for kind in _subclasses(model.Object)
        if f"{kind.__module__}.".startswith(f"{name}.")
        and hasattr(kind, "resource")
        and hasattr(kind, "version")
    )
    if not found:
        raise ModelsError(
            name, "has no kind: derive one from api.model.Object, with a resource and a version"
        )
    return found


def _import(name: str) -> None:
    module = importlib.import_module(name)
    for child in pkgutil.walk_packages(getattr(module, "__path__", ()), f"{name}."):
        importlib.import_module(child.name)


def _subclasses(kind: type[model.Object]) -> Iterator[type[model.Object]]:
    for child in kind.__subclasses__():
        yield child
        yield from _subclasses(child)
