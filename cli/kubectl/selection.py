# SPDX-License-Identifier: Apache-2.0
"""Which pool or which namespace a user means."""

from __future__ import annotations

from typing import TYPE_CHECKING

from objects import pools

from .errors import CliError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from objects.pools import PoolKey


def visible(keys: Iterable[PoolKey], namespace: str) -> list[PoolKey]:
    """Return the pools that serve claims of a namespace; without one, all of them."""
    return [key for key in keys if not namespace or key.namespace in ("", namespace)]


def pool(keys: Iterable[PoolKey], text: str, namespace: str) -> PoolKey:
    """Return the pool that is called `NAME`, `KIND/NAME` or `NAMESPACE/NAME`.

    Raises:
        CliError: there is none, or more than one.
    """
    seen = list(keys)
    first, slash, name = text.rpartition("/")
    found = [key for key in visible(seen, namespace) if key.name == (name if slash else text)]
    if slash:
        found = [key for key in found if first.lower() in _kinds(key)] or [
            key for key in seen if key.name == name and key.namespace == first
        ]
    if len(found) == 1:
        return found[0]
    where = f"in namespace {namespace}" if namespace else "in any namespace"
    if not found:
        raise CliError(f"there is no pool {text} {where}; kubectl ipam pools -A lists all pools")
    choices = ", ".join(
        name_of(key) + (f" -n {key.namespace}" * bool(key.namespace)) for key in found
    )
    raise CliError(f"more than one pool is called {text}; choose one of: {choices}")


def name_of(key: PoolKey) -> str:
    """Return how `-o name` writes a pool."""
    return f"{key.kind.lower()}.{pools.RESOURCES[key.kind].group}/{key.name}"


def _kinds(key: PoolKey) -> tuple[str, ...]:
    """Return all that a user may write for the kind of a pool."""
    resource = pools.RESOURCES[key.kind]
    singular = key.kind.lower()
    return (
        singular,
        resource.plural,
        f"{singular}.{resource.group}",
        resource.plural + "." + resource.group,
    )
