# SPDX-License-Identifier: Apache-2.0
"""`forecast`: which pools run out when Clusters roll out or grow."""

from __future__ import annotations

import sys
from collections import defaultdict
from typing import TYPE_CHECKING

import msgspec
from rich.text import Text

from objects.pools import PoolKey

from . import demand, options, printing, selection, session, snapshot, usage
from .demand import Need
from .errors import NO
from .printing import Column

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


_RIGHTS = (
    f"{session.READING}, on Clusters, MachineDeployments, MachineSets and MachinePools, and on the "
    "control planes and infrastructure templates"
)

ENOUGH, ROLLOUT, GROWTH = "enough", "runs out at a rollout", "runs out when scaled up"


class PoolForecast(msgspec.Struct, frozen=True, rename="camel"):
    """The forecast of one pool."""

    kind: str
    namespace: str
    name: str
    free: int
    now: int
    """Addresses that the present replicas need."""
    rollout: int
    """Additional addresses while all Machines are replaced at once."""
    maximum: int
    """Addresses for as many replicas as the autoscaler may set."""
    in_use: int
    """Addresses that Clusters already have."""
    verdict: str
    needs: list[Need]


@options.command(
    "forecast",
    example="kubectl ipam forecast --all-namespaces",
    text="""Show how many addresses the present Clusters could need, and which pools run out.  The
    command reads MachineDeployments, MachineSets, MachinePools and control planes, and looks for
    pools anywhere in their infrastructure templates, so it works with every provider.

    NEEDED is for the present replicas, ROLLOUT is what maxSurge adds if all of them roll out at
    once, and MAXIMUM is for the replicas that the autoscaler may set.

    The exit code is 1 if a pool runs out.
    """,
)
@options.output("table", "json", "yaml")
def command(target: options.Target, output: str) -> None:
    """Show the forecast."""
    unread = list[str]()

    async def work(opened: session.Session) -> list[PoolForecast]:
        read = await snapshot.read(opened.api, opened.namespace)
        needs = await demand.needs(opened.api, read.contract, opened.namespace, unread)
        return forecasts(usage.of(read), needs, opened.namespace)

    found = session.run(target, work, _RIGHTS)
    printing.show(answer(found, unread), output)
    if any(each.verdict != ENOUGH for each in found):
        sys.exit(NO)


def forecasts(
    every: Mapping[PoolKey, usage.Usage], needs: Sequence[Need], namespace: str
) -> list[PoolForecast]:
    """Return the forecast of each pool that a Cluster needs."""
    by_pool = defaultdict[tuple[str, str, str], list["Need"]](list)
    for need in needs:
        by_pool[need.pool_kind, need.pool_namespace, need.pool].append(need)
    keys = sorted(map(PoolKey._make, by_pool), key=lambda key: key[1:])
    return [
        _forecast(every.get(key) or usage.empty(key), by_pool[key])
        for key in selection.visible(keys, namespace)
    ]


def answer(found: Sequence[PoolForecast], unread: Sequence[str]) -> printing.Answer:
    """Return the table of the pools, and what could not be read."""
    numbers = ("FREE", "NEEDED", "IN USE", "ROLLOUT", "MAXIMUM")
    return printing.Answer(
        data={"pools": found, "unread": unread},
        columns=[
            *(Column(name) for name in ("NAMESPACE", "NAME", "KIND")),
            *(Column(name, number=True) for name in numbers),
            Column("FORECAST"),
        ],
        rows=[
            (
                each.namespace,
                each.name,
                each.kind,
                each.free,
                each.now,
                each.in_use,
                each.rollout,
                each.maximum,
                Text(each.verdict, "" if each.verdict == ENOUGH else "red"),
            )
            for each in found
        ],
        empty="No infrastructure template of a Cluster names a pool.",
        notes=[Text(f"{each} cannot be read, so its needs are not known.") for each in unread],
    )


def _forecast(found: usage.Usage, needs: list[Need]) -> PoolForecast:
    now, rollout, maximum = (
        sum(getattr(need, name) for need in needs) for name in ("now", "rollout", "maximum")
    )
    in_use = sum(bool(each.claim and each.claim.cluster_name) for each in found.holdings)
    free = 0 if found.closed else found.free.size
    verdict = ENOUGH
    if max(maximum - in_use, 0) + rollout > free:
        verdict = GROWTH
    if max(now - in_use, 0) + rollout > free:
        verdict = ROLLOUT
    return PoolForecast(
        *found.key,
        free=free,
        now=now,
        rollout=rollout,
        maximum=maximum,
        in_use=in_use,
        verdict=verdict,
        needs=needs,
    )
