# SPDX-License-Identifier: Apache-2.0
"""Bound claims and their addresses by the hundred thousand, written straight into etcd.

Each is a copy of one that the manager made, as the API server stored it, under another name, uid
and address.  The API server must not run meanwhile: so many writes share a revision that its watch
could not tell them apart.
"""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from envtest.contract import GROUP
from envtest.controlplane.etcd import Etcd
from envtest.controlplane.tenants import Tenant

if TYPE_CHECKING:
    from envtest.client import Json

TEMPLATE = "the-template"

_FIRST = (10 << 24) + 256  # 10.0.1.0: the template's address and the gateway are below
_BATCH = 50  # claims in a transaction, two writes each: etcd takes 128 writes


@dataclass(frozen=True, slots=True)
class Template:
    """A bound claim and its address as they are stored, and what differs from copy to copy."""

    values: dict[str, str]
    """By key."""
    marks: tuple[str, ...]
    """Name, address, uid of the claim and of the IPAddress."""

    def copies(self, number: int) -> Iterator[tuple[str, str]]:
        """Yield keys and values of one copy."""
        address = _FIRST + number
        dotted = ".".join(str(address >> shift & 255) for shift in (24, 16, 8, 0))
        fresh = (f"copy-{number}", dotted, str(uuid.uuid4()), str(uuid.uuid4()))
        for key, value in self.values.items():
            for old, new in zip(self.marks, fresh, strict=True):
                key, value = key.replace(old, new), value.replace(old, new)  # noqa: PLW2901 - as a pair
            yield key, value


def template(tenant: Tenant, store: Etcd) -> Template:
    """Read the claim `TEMPLATE` and its address, which must be there."""
    objects: tuple[Json, Json] = (tenant.claims.get(TEMPLATE), tenant.addresses.get(TEMPLATE))
    keys = [
        f"/registry/{GROUP}/{plural}/{tenant.namespace}/{TEMPLATE}"
        for plural in ("ipaddressclaims", "ipaddresses")
    ]
    uids = [str(item["metadata"]["uid"]) for item in objects]
    marks = (TEMPLATE, str(objects[1]["spec"]["address"]), *uids)
    return Template({key: store.get(key) for key in keys}, marks)


def fill(store: Etcd, made: Template, count: int) -> None:
    """Write so many copies."""
    for start in range(0, count, _BATCH):
        numbers = range(start, min(start + _BATCH, count))
        store.put([pair for number in numbers for pair in made.copies(number)])
