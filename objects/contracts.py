# SPDX-License-Identifier: Apache-2.0
"""The versions of Cluster API's types, and which of them an API server serves.

CAPI 1.10 serves v1beta1; 1.11 to 1.14 serve v1beta1 (deprecated) and v1beta2.  A `Contract` is what
differs for us: the version in paths and bodies, and where a claim's conditions are.
Source: the CRDs of sigs.k8s.io/cluster-api v1.10.10, v1.13.6 and v1.14.2.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, NoReturn

import msgspec
from typing_extensions import override

from api.resources import GROUP, POOLS
from kube.conditions import find_condition, set_conditions
from kube.discovery import Discovery, Group, Kind, served
from kube.errors import KubeError
from kube.resources import ApiResource

from .clusterapi import ClaimStatus, V1Beta2Conditions
from .errors import ContractChangedError

if TYPE_CHECKING:
    from kube.client import Api
    from kube.meta import OwnerReference

    from .clusterapi import IPAddressClaim
    from .conditions import Condition

CLUSTER_GROUP = "cluster.x-k8s.io"

_CHECK_SECONDS = 5.0
"""Between checks of the served versions; two equal results count.  Meanwhile the old one works."""


@dataclass(frozen=True, slots=True)
class Contract:
    """One version of CAPI's IPAM types; subclasses know the fields of conditions."""

    version: ClassVar[str]
    cluster_version: str
    kinds: frozenset[Kind] = field(default_factory=frozenset[Kind])
    """All kinds that the IPAM group serves; empty if unknown."""

    @property
    def claims(self) -> ApiResource:
        """IPAddressClaims at the API server."""
        return ApiResource(GROUP, self.version, "IPAddressClaim", "ipaddressclaims")

    @property
    def addresses(self) -> ApiResource:
        """IPAddresses at the API server."""
        return _addresses(self.version)

    @property
    def clusters(self) -> ApiResource:
        """Clusters at the API server."""
        return ApiResource(CLUSTER_GROUP, self.cluster_version, "Cluster", "clusters")

    def served(self, kind: OwnerReference | ApiResource) -> bool:
        """Return whether the API server serves the version and kind that something names."""
        return not self.kinds or (kind.api_version, kind.kind) in self.kinds

    def condition(self, claim: IPAddressClaim, kind: str) -> Condition | None:
        """Return a claim's condition of a type, in the form of metav1."""
        return find_condition(self._conditions(claim), kind)

    def status(self, claim: IPAddressClaim, *conditions: Condition) -> ClaimStatus:
        """Return the status with these conditions; all others stay as they are."""
        raise NotImplementedError

    def _conditions(self, claim: IPAddressClaim) -> tuple[Condition, ...]:
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class V1Beta2(Contract):
    """metav1 conditions in status.conditions."""

    version = "v1beta2"

    @override
    def status(self, claim: IPAddressClaim, *conditions: Condition) -> ClaimStatus:
        merged = set_conditions(claim.status.conditions, *conditions)
        return msgspec.structs.replace(claim.status, conditions=merged)

    @override
    def _conditions(self, claim: IPAddressClaim) -> tuple[Condition, ...]:
        return claim.status.conditions


@dataclass(frozen=True, slots=True)
class V1Beta1(Contract):
    """CAPI's own conditions in status.conditions, and metav1 ones in status.v1beta2.conditions.

    Of CAPI's own kind there is only Ready, as for CAPI's other objects.
    """

    version = "v1beta1"

    @override
    def status(self, claim: IPAddressClaim, *conditions: Condition) -> ClaimStatus:
        old = (_in_v1beta1(each) for each in conditions if each.type == "Ready")
        merged = set_conditions(self._conditions(claim), *conditions)
        return msgspec.structs.replace(
            claim.status,
            conditions=set_conditions(claim.status.conditions, *old),
            v1beta2=V1Beta2Conditions(conditions=merged),
        )

    @override
    def _conditions(self, claim: IPAddressClaim) -> tuple[Condition, ...]:
        return claim.status.v1beta2.conditions if claim.status.v1beta2 else ()


def _addresses(version: str) -> ApiResource:
    return ApiResource(GROUP, version, "IPAddress", "ipaddresses")


def _in_v1beta1(condition: Condition) -> Condition:
    """Return a metav1 condition as one of CAPI's own kind."""
    bad = condition.status == "False"
    return msgspec.structs.replace(
        condition,
        observed_generation=None,
        message=condition.message if bad else None,
        reason=condition.reason if bad else None,
        severity="Warning" if bad else None,
    )


_NEWEST_FIRST: tuple[type[Contract], ...] = (V1Beta2, V1Beta1)
_CLUSTER_VERSIONS = ("v1beta2", "v1beta1")
_OWN_VERSIONS = dict.fromkeys(each for kind in POOLS for each in kind.versions)
_IPAM = Group(GROUP, (*(each.version for each in _NEWEST_FIRST), *_OWN_VERSIONS))


async def discover(api: Api) -> Contract | None:
    """Ask the API server which of CAPI's versions it serves, and choose the newest we know.

    Returns:
        None if CAPI is not installed (yet).
    """
    return _newest(await _discovery(api).look())


def _discovery(api: Api) -> Discovery:
    return Discovery(api, _IPAM, Group(CLUSTER_GROUP, _CLUSTER_VERSIONS))


def _newest(kinds: frozenset[Kind]) -> Contract | None:
    for contract in _NEWEST_FIRST:
        version = f"{GROUP}/{contract.version}"
        if {(version, "IPAddressClaim"), (version, "IPAddress")} <= kinds:
            for cluster_version in _CLUSTER_VERSIONS:
                if (f"{CLUSTER_GROUP}/{cluster_version}", "Cluster") in kinds:
                    ipam = frozenset(each for each in kinds if each[0].startswith(f"{GROUP}/"))
                    return contract(cluster_version, ipam)
    return None


async def until_changed(api: Api, contract: Contract) -> NoReturn:
    """Check from time to time whether the contract has changed.

    Raises:
        ContractChangedError: CAPI was upgraded or removed.
    """
    before: Contract | None = contract
    discovery = _discovery(api)
    while True:
        await asyncio.sleep(_CHECK_SECONDS)
        try:
            found = _newest(await discovery.look())
        except KubeError:
            continue  # an outage says nothing about versions
        if found != contract and found == before:  # once may be an API server that lags behind
            raise ContractChangedError(contract.version, found.version if found else "none")
        before = found


async def discover_addresses(api: Api) -> ApiResource | None:
    """Find the version of IPAddresses alone: they may be installed without Clusters.

    Returns:
        None if they are not installed (yet).
    """
    versions = tuple(contract.version for contract in _NEWEST_FIRST)
    kinds = await served(api, Group(GROUP, versions))
    for contract in _NEWEST_FIRST:
        if (f"{GROUP}/{contract.version}", "IPAddress") in kinds:
            return _addresses(contract.version)
    return None
