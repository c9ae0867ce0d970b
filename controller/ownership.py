# SPDX-License-Identifier: Apache-2.0
"""Translate managedFields that name an old version into the hub version.

`conversion.managed_fields` says why, and how an entry is translated.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, cast

import msgspec

from conversion import managed_fields
from kube.errors import ConflictError

from .rewriting import Change, Refused, Writer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection

    from crdkit.conversion.values import JsonObject
    from kube.client import Api
    from kube.resources import ApiResource

_NONE = [dict[str, object]()]
"""The value that removes all entries: the API server ignores an empty list."""

_ROUNDS = 5  # others may write some objects meanwhile, but not always
_DECODER: msgspec.json.Decoder[object] = msgspec.json.Decoder()


async def translate(
    api: Api,
    resource: ApiResource,
    kept: Collection[str],
    sleep: Callable[[float], Awaitable[object]],
) -> int | Refused:
    """Translate all entries except those in the versions `kept`, which must include the hub.

    Flow:
        List, write what names other versions, and list again: others may write meanwhile.

    Returns:
        The number of objects written, or those that the API server refuses to write.

    Raises:
        ConflictError: others write the objects all the time.
        KubeError: the API server could not be reached, or refused what is not one object's fault.
    """
    writer = Writer(api, resource, sleep)
    written = 0
    for _ in range(_ROUNDS):
        changes = await _changes(writer, resource, kept)
        if not changes:
            return written
        if refused := await writer.write(changes):
            return replace(refused, left="may still name an old version in managedFields")
        written += len(changes)
    text = "others write managedFields of an old version all the time"
    raise ConflictError(409, "Conflict", text, f"PATCH {resource.path()}")


async def _changes(writer: Writer, resource: ApiResource, kept: Collection[str]) -> list[Change]:
    found: list[Change] = []
    async for raw in writer.items():
        obj = cast("JsonObject", _DECODER.decode(raw))
        obj |= {"apiVersion": resource.api_version, "kind": resource.kind}
        entries = managed_fields.in_hub(obj, kept)
        if entries is not None:
            changed = {"managedFields": entries or _NONE}
            found.append(Change(writer.decode(raw).metadata, changed))
    return found
