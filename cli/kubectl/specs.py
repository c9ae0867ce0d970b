# SPDX-License-Identifier: Apache-2.0
"""The fields of a pool as people read them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ipam.texts import first_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from objects.pools import Pool


def fields(pool: Pool | None, most: int = sys.maxsize) -> Iterator[tuple[str, str]]:
    """Yield name and value of each field that is set; a list has so many entries at most."""
    spec = pool.spec if pool else None
    if spec is None:
        return
    if spec.addresses:
        yield "Addresses", first_of(spec.addresses, most)
    if spec.prefixes:
        entries = first_of(spec.prefixes, most)
        yield "Prefixes", f"{entries} in parts of /{spec.allocation_prefix_length}"
    if excluded := (*spec.excluded_addresses, *spec.excluded_prefixes):
        yield "Excluded", first_of(excluded, most)
    if spec.gateway:
        yield "Gateway", spec.gateway
    if seconds := spec.address_reuse_grace_period_seconds:
        yield "Grace", f"{seconds} seconds"
