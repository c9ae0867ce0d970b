# SPDX-License-Identifier: Apache-2.0
"""The status of every pool, the same in all versions, so that conversion passes it through."""

from typing import Annotated

from pydantic import Strict

from crdkit.models.markers import Format, ListType
from crdkit.models.meta import Condition
from crdkit.models.model import Model


class AddressCounts(Model):
    """How many addresses a pool has.  Larger numbers than 2^63-1 are shown as 2^63-1."""

    total: Annotated[int, Format("int64")]
    """Addresses that the pool can hand out, whether they are in use or not."""

    used: Annotated[int, Format("int64")]
    """Addresses of the pool that are in use (its IPAddress objects)."""

    free: Annotated[int, Format("int64")]
    """Addresses that the pool can hand out now."""

    out_of_range: Annotated[int, Format("int64")]
    """Addresses in use that the pool would not hand out any more, as its spec is today."""


class PoolStatus(Model):
    """The state of a pool, as the provider observed it last."""

    ip_addresses: AddressCounts | None = None
    """How many addresses the pool has.  A prefix pool counts its sub-prefixes."""

    conditions: (
        Annotated[tuple[Condition, ...], Strict(strict=False), ListType("map", keys=("type",))]
        | None
    ) = None
    """Whether the pool can serve claims (type Ready), and why not."""

    observed_generation: Annotated[int, Format("int64")] | None = None
    """The metadata.generation that this status is about."""
