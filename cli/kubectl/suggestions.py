# SPDX-License-Identifier: Apache-2.0
"""The names that a shell suggests for an incomplete word: contexts, namespaces and pools.

If the cluster does not answer in time, nothing is suggested.  No message is printed, because it
would appear in the line that the user types.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from typing import TYPE_CHECKING

from kube import kubeconfig
from kube.client import Client, list_all
from kube.errors import ApiError
from kube.meta import Object
from kube.resources import ApiResource
from kube.tasks import together
from objects.pools import RESOURCES

from .. import connecting
from .errors import CliError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import click

    from kube.client import Api
    from kube.connect import Connection

    Names = list[str]

_SECONDS = 2.0
"""The longest time for which completion waits for the cluster."""

_NAMESPACES = ApiResource("", "v1", "Namespace", "namespaces", namespaced=False)


def contexts(context: click.Context, _parameter: click.Parameter, incomplete: str) -> Names:
    """Suggest the contexts of the kubeconfig."""
    named = context.params.get("kubeconfig") or os.environ.get("KUBECONFIG")
    paths = named or connecting.default_kubeconfig() or ""
    return _matching(incomplete, kubeconfig.contexts(paths))


def namespaces(context: click.Context, _parameter: click.Parameter, incomplete: str) -> Names:
    """Suggest the namespaces of the cluster."""

    async def read(connection: Connection) -> Names:
        return await _names(Client(connection), _NAMESPACES)

    return _matching(incomplete, _ask(context, read))


def pools(context: click.Context, _parameter: click.Parameter, incomplete: str) -> Names:
    """Suggest the pools of the chosen namespace, as KIND/NAME if several have the same name."""

    async def read(connection: Connection) -> Names:
        chosen = context.params["namespace"] or connection.namespace
        namespace = "" if context.params["everywhere"] else chosen
        api = Client(connection)
        lists = await together(*(_names(api, each, namespace) for each in RESOURCES.values()))
        return _unambiguous(dict(zip(RESOURCES, lists, strict=True)))

    return _matching(incomplete, _ask(context, read))


def _unambiguous(names: dict[str, Names]) -> Names:
    kinds = Counter(name for each in names.values() for name in set(each))
    return [
        name if kinds[name] == 1 else f"{kind.lower()}/{name}"
        for kind, each in names.items()
        for name in dict.fromkeys(each)
    ]


def _matching(incomplete: str, names: Names) -> Names:
    return [name for name in names if name.startswith(incomplete)]


def _ask(context: click.Context, read: Callable[[Connection], Awaitable[Names]]) -> Names:
    """Return what is read from the cluster; nothing if that fails or takes long."""

    async def in_time(connection: Connection) -> Names:
        async with asyncio.timeout(_SECONDS):
            return await read(connection)

    params = context.params
    try:
        return connecting.run(params["kubeconfig"], params["context"], "kubectl-ipam", in_time, "")
    except (CliError, TimeoutError):
        return []


async def _names(api: Api, resource: ApiResource, namespace: str = "") -> Names:
    """Return the names of objects; none if the user may not list them."""
    try:
        found = await list_all(api, resource, Object, namespace)
    except ApiError:  # not allowed, or not served
        return []
    return [each.metadata.name for each in found]
