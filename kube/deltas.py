# SPDX-License-Identifier: Apache-2.0
"""What an informer hands to its event handlers: an object was added, modified or deleted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic

from .meta import T


@dataclass(frozen=True, slots=True)
class Added(Generic[T]):
    """There is a new object."""

    object: T

    @property
    def objects(self) -> tuple[T, ...]:
        """The object alone."""
        return (self.object,)


@dataclass(frozen=True, slots=True)
class Modified(Generic[T]):
    """An object changed.

    Caveats:
        As in client-go, it may be a new object of the same name, if the deletion of the old one was
        missed.  Then the uids differ.
    """

    old: T
    object: T

    @property
    def objects(self) -> tuple[T, ...]:
        """The object before and after."""
        return (self.old, self.object)


@dataclass(frozen=True, slots=True)
class Deleted(Generic[T]):
    """An object is gone; `object` is its last known state."""

    object: T

    @property
    def objects(self) -> tuple[T, ...]:
        """The object alone."""
        return (self.object,)


Delta = Added[T] | Modified[T] | Deleted[T]

Handler = Callable[[Delta[T]], None]
"""An event handler of an informer."""
