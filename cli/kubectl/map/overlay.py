# SPDX-License-Identifier: Apache-2.0
"""What a manifest would change, as the pages draw it over the present state."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import msgspec

from ipam.ranges import RangeSet
from objects import pools

from ... import manifests, yamltext
from .. import planner
from ..errors import CliError
from .states import GAINED, LOST, STRANDED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kube.meta import Key
    from objects.pools import PoolKey

    from ...manifests import Document
    from ..maps import Layers
    from ..planning import Change
    from ..usage import Usage

_NAME_CHARACTERS = 12
"""Of a manifest in URLs: by chance, no two manifests have the same name."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """A text with manifests of pools."""

    text: str
    documents: Sequence[Document]
    problem: str
    """Why nothing can be planned; empty if something can."""
    apply: str
    """The command that applies it; empty if only the form has the text."""

    @classmethod
    def read(cls, text: str, apply: str = "") -> Manifest:
        """Read a text, which may be anything."""
        try:
            found = planner.pools_in([manifests.parsed("the manifest", text.encode())])
        except CliError as error:
            return cls(text, (), str(error), apply)
        return cls(text, found, "" if found else "the manifest contains no pool", apply)

    @property
    def name(self) -> str:
        """What URLs call it."""
        return hashlib.sha256(self.text.encode()).hexdigest()[:_NAME_CHARACTERS]


@dataclass(frozen=True)
class Overlay:
    """A manifest, and what it would change in a cluster; `problem` says why that is not known."""

    manifest: Manifest
    changes: Sequence[Change] = ()
    problem: str = ""

    @cached_property
    def by_pool(self) -> Mapping[PoolKey, Change]:
        """The last change of each pool."""
        return {change.key: change for change in self.changes}

    @property
    def is_refused(self) -> bool:
        """Whether the manifest cannot be applied as it is."""
        return bool(self.problem) or any(change.plan.refused for change in self.changes)

    @property
    def usages(self) -> Mapping[PoolKey, Usage]:
        """The usage of each pool as it would be."""
        return {key: each.after for key, each in self.by_pool.items() if each.after}


def layers(found: Layers, change: Change) -> Layers:
    """Return the states of addresses as a change would make them, with what is different.

    Args:
        found: The states once the change is made.
        change: The change of the pool.
    """
    if change.after is None or not found.sets:
        return found
    sets, before = found.sets, change.before.address_set
    held = RangeSet.of(part for state in ("used", "held", "outside") for part in sets[state].ranges)
    alike = (before.family, before.block_size) == (found.family, found.block_size)
    different = {
        STRANDED: sets["outside"] & _numbers(change.after, change.stranded),
        LOST: change.lost - held if alike else RangeSet(),
        GAINED: sets["free"] & change.gained,
    }
    marked = RangeSet.of(part for numbers in different.values() for part in numbers.ranges)
    rest = {state: numbers - marked for state, numbers in sets.items()}
    return replace(found, sets=rest | different)


def _numbers(used: Usage, keys: frozenset[Key]) -> RangeSet:
    """Return the numbers of the allocations that IPAddresses have."""
    networks = [each.network for each in used.holdings if each.key in keys and each.network]
    found = map(used.address_set.overlapping, networks)
    return RangeSet.of(numbers for numbers in found if numbers)


def text_of(pool: pools.Pool | None) -> str:
    """Return the manifest of a pool, for a form; empty for a pool that does not exist."""
    if pool is None:
        return ""
    resource = pools.RESOURCES[pool.kind]
    metadata = {"name": pool.metadata.name, "namespace": pool.metadata.namespace}
    return yamltext.dump(
        {
            "apiVersion": resource.api_version,
            "kind": pool.kind,
            "metadata": {name: value for name, value in metadata.items() if value},
            "spec": msgspec.to_builtins(pool.spec) if pool.spec else {},
        }
    )
