# SPDX-License-Identifier: Apache-2.0
"""Finds the kinds in a package of models."""

import pkgutil
import sys
from collections.abc import Iterator

from ..errors import ModelsError
from ..models import model
from . import imports


def kinds(name: str) -> tuple[type[model.Object], ...]:
    """Import a module, or a package with everything in it, and return the kinds defined there.

    A kind is a subclass of `crdkit.models.model.Object` with a `resource` and a `version`.

    Raises:
        ModelsError: it can't be imported, has no kind in it, or one without its version.
    """
    for module in _modules(name):
        imports.module(module, ModelsError)
    found = tuple(kind for kind in _models(name) if _is_kind(kind))
    if not found:
        raise ModelsError(
            name,
            "has no kind: derive one from crdkit.models.model.Object, with a resource and a "
            "version",
        )
    return found


def _models(name: str) -> list[type[model.Object]]:
    """Return the classes below a module once each, also those with several bases."""
    found = dict.fromkeys(_subclasses(model.Object))
    return [kind for kind in found if f"{kind.__module__}.".startswith(f"{name}.")]


def _is_kind(found: type[model.Object]) -> bool:
    """Tell a kind from what kinds are derived from, which may have a part of what one needs."""
    if not hasattr(found, "resource"):
        return False
    if not hasattr(found, "version") and not found.__subclasses__():
        raise ModelsError(
            f"{found.__module__}.{found.__qualname__}",
            'has a resource but no version: add `version: ClassVar = markers.Version("v1", ...)`',
        )
    return hasattr(found, "version")


def _modules(name: str) -> Iterator[str]:
    """Yield a module and all below it, each after its package was imported.

    A package's `__main__`, which is a program, is left out.
    """
    if not all(part.isidentifier() for part in name.split(".")):
        raise ModelsError(
            name or "''",
            "is no name of a module: write it as Python imports it, such as `workers` for "
            "workers.py",
        )
    yield name
    path = getattr(sys.modules.get(name), "__path__", ())
    below = (child.name for child in pkgutil.walk_packages(path, f"{name}."))
    yield from (child for child in below if child.rpartition(".")[2] != "__main__")


def _subclasses(kind: type[model.Object]) -> Iterator[type[model.Object]]:
    for child in kind.__subclasses__():
        yield child
        yield from _subclasses(child)
