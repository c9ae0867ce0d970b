# SPDX-License-Identifier: Apache-2.0
"""The report of one holder of an address."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from ipam.notation import BITS

from .owners import Chain
from .printing import Column

if TYPE_CHECKING:
    from .usage import Holding, Usage

NOBODY = Chain()

USED, HELD, OUTSIDE, DUPLICATE, UNREADABLE = "used", "held", "outside", "duplicate", "unreadable"
WAITING = "waiting"

COLUMNS = (Column("NAMESPACE"), Column("CLAIM"), Column("CLUSTER"), Column("MACHINE"))
OWNERS = Column("OWNERS", wide=True)


class HolderReport(msgspec.Struct, frozen=True, rename="camel"):
    """An IPAddress, or a claim, with its Cluster and Machine."""

    address: str
    """Empty if the claim waits for one."""
    state: str
    """`used` by a live claim; `held`: nobody can get it; `outside` of what the pool hands out;
    `duplicate` if another IPAddress has it, too; `unreadable`; `waiting` for an address."""
    namespace: str
    ip_address: str
    """The name of the IPAddress; empty if it does not exist yet."""
    claim: str
    """The name of the claim; empty if the claim is gone."""
    cluster: str
    machine: str
    """The name of the Machine; else kind and name of the last owner that is known."""
    owners: tuple[str, ...]
    """Kind and name of each owner, from the claim on."""
    since: str


def cells(report: HolderReport) -> tuple[str, ...]:
    """Return the cells of a holder in a table: those of `COLUMNS`, its time, and `OWNERS`."""
    owners = ", ".join(report.owners)
    claim = report.namespace, report.claim, report.cluster, report.machine
    return *claim, report.since, owners


def report(usage: Usage, holding: Holding, chain: Chain = NOBODY) -> HolderReport:
    """Return the report of a holder."""
    known = holding.address or holding.claim
    labels = known.metadata.labels.cluster_name if known else None
    return HolderReport(
        address=_written(holding),
        state=_state(usage, holding),
        namespace=holding.key.namespace,
        ip_address=holding.key.name if holding.address else "",
        claim=holding.key.name if holding.claim else "",
        cluster=chain.cluster or labels or "",
        machine=chain.machine,
        owners=tuple(map(str, chain.owners)),
        since=known.metadata.creation_timestamp if known else "",
    )


def _written(holding: Holding) -> str:
    """Return the address, with the length of its prefix if it is more than one address."""
    network = holding.network
    if network is None or network.length == BITS[network.family]:
        return holding.text
    return f"{holding.text}/{network.length}"


def _state(usage: Usage, holding: Holding) -> str:
    if holding.network is None:
        return UNREADABLE if holding.address else WAITING
    if holding.key in usage.duplicates:
        return DUPLICATE
    if holding.key in usage.outside:
        return OUTSIDE
    return HELD if holding.is_held else USED
