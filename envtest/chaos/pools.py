# SPDX-License-Identifier: Apache-2.0
"""The pools of a run: small enough to run full, of every kind, some edited or deleted under way."""

from dataclasses import dataclass

from ..client import Json
from ..manifests import POOL_PLURALS
from .checker import Pool

EAST, WEST = "chaos-east", "chaos-west"
CLUSTER = "chaos"


@dataclass(frozen=True, slots=True)
class Plan:
    """One pool, and what its users do with it."""

    name: str
    kind: str
    namespace: str
    """Empty for a global one."""
    specs: tuple[Json, ...]
    """The first one whenever it is created, any of them after an edit."""
    claims: int
    """How many names its claims have in each namespace."""
    users: tuple[str, ...]
    """The namespaces of its claims."""
    asked: tuple[str, ...] = ()
    """Addresses that some claims ask for; some of them are never free, or of another pool."""
    leaves: bool = False
    """Whether it is deleted and comes back now and then."""
    pauses: bool = False
    """Whether it is paused now and then."""
    cluster: str = ""
    """The Cluster of its claims, which is paused now and then."""

    @property
    def key(self) -> Pool:
        """How the checker calls it."""
        return POOL_PLURALS[self.kind], self.namespace, self.name


def _ip(*addresses: str, prefix: int = 24, **more: object) -> Json:
    return {"addresses": list(addresses), "prefix": prefix, **more}


PLANS = (
    Plan(
        name="full",
        kind="InClusterIPPool",
        namespace=EAST,
        specs=(_ip("10.1.0.10-10.1.0.15", gateway="10.1.0.12"),),
        claims=12,
        users=(EAST,),
        asked=("10.1.0.10", "10.1.0.12", "10.1.0.15", "10.9.9.9"),
    ),
    Plan(
        name="grace",
        kind="InClusterIPPool",
        namespace=WEST,
        specs=(_ip("10.2.0.10-10.2.0.17", addressReuseGracePeriodSeconds=3),),
        claims=14,
        users=(WEST,),
        pauses=True,
    ),
    Plan(
        name="edited",
        kind="InClusterIPPool",
        namespace=EAST,
        specs=(
            _ip("10.3.0.10-10.3.0.21"),
            _ip("10.3.0.10-10.3.0.17"),
            _ip("10.3.0.10-10.3.0.21", excludedAddresses=["10.3.0.11", "10.3.0.20-10.3.0.21"]),
            _ip("10.3.0.8/29", "10.3.0.16/29", prefix=28, gateway="10.3.0.9"),
        ),
        claims=20,
        users=(EAST,),
        cluster=CLUSTER,
    ),
    Plan(
        name="leaving",
        kind="InClusterIPPool",
        namespace=WEST,
        specs=(_ip("10.4.0.0/29", prefix=29),),
        claims=4,
        users=(WEST,),
        leaves=True,
    ),
    Plan(
        name="chaos-shared",
        kind="GlobalInClusterIPPool",
        namespace="",
        specs=(_ip("fd00:5::10-fd00:5::21", prefix=64),),
        claims=16,
        users=(EAST, WEST),
        pauses=True,
        asked=("fd00:5::10", "fd00:5::1f"),
    ),
    Plan(
        name="racks",
        kind="InClusterPrefixPool",
        namespace=WEST,
        specs=(
            {"prefixes": ["2001:db8:0:10::/60"], "allocationPrefixLength": 64},
            {
                "prefixes": ["2001:db8:0:10::/60", "2001:db8:0:30::/62"],
                "allocationPrefixLength": 64,
                "excludedPrefixes": ["2001:db8:0:11::/64"],
            },
        ),
        claims=24,
        users=(WEST,),
    ),
    Plan(
        name="chaos-sites",
        kind="GlobalInClusterPrefixPool",
        namespace="",
        specs=({"prefixes": ["2001:db8:8000::/46"], "allocationPrefixLength": 48},),
        claims=5,
        users=(EAST, WEST),
    ),
)
