# SPDX-License-Identifier: Apache-2.0
"""Pools are found in templates of any provider, and Machines are counted."""

import pytest
from builders import BLUE
from snapshots import Objects

from cli.kubectl import demand, forecast
from cli.kubectl.demand import Need
from kube.testing.fake import Json
from objects.pools import PoolKey

GROUP = "ipam.cluster.x-k8s.io"
GLOBAL = PoolKey("GlobalInClusterIPPool", "", "green")

VSPHERE: Json = {
    "template": {
        "spec": {
            "network": {
                "devices": [
                    {
                        "addressesFromPools": [
                            {"apiGroup": GROUP, "kind": "InClusterIPPool", "name": "blue"},
                            {"apiGroup": GROUP, "kind": "GlobalInClusterIPPool", "name": "green"},
                        ]
                    }
                ]
            }
        }
    }
}
PROXMOX: Json = {
    "template": {
        "spec": {
            "network": {
                "default": {
                    "ipv4PoolRef": {"apiGroup": GROUP, "kind": "InClusterIPPool", "name": "blue"}
                }
            }
        }
    }
}
METAL3: Json = {
    "networkData": {
        "networks": {
            "ipv4": [
                {
                    "fromPoolRef": {
                        "apiGroup": GROUP,
                        "kind": "InClusterIPPool",
                        "name": "blue",
                    }
                }
            ]
        }
    }
}
OTHERS: Json = {
    "a": {"apiGroup": "other.example.com", "kind": "InClusterIPPool", "name": "blue"},
    "b": {"apiGroup": GROUP, "kind": "InfobloxIPPool", "name": "blue"},
    "c": {"kind": "InClusterIPPool"},
}


@pytest.mark.parametrize(
    ("template", "expected"),
    [(VSPHERE, [BLUE, GLOBAL]), (PROXMOX, [BLUE]), (METAL3, [BLUE]), (OTHERS, []), ({}, [])],
)
def test_references_to_pools_are_found_anywhere(template: Json, expected: list[PoolKey]) -> None:
    assert list(demand.references(template, "default")) == expected


@pytest.mark.parametrize(
    ("kind", "spec", "surge"),
    [
        ("MachineDeployment", {}, 1),
        ("MachineDeployment", {"rollout": {"strategy": {"rollingUpdate": {"maxSurge": 3}}}}, 3),
        ("MachineDeployment", {"strategy": {"rollingUpdate": {"maxSurge": "25%"}}}, 3),
        ("MachineDeployment", {"strategy": {"type": "OnDelete"}}, 0),
        ("KubeadmControlPlane", {"rolloutStrategy": {"rollingUpdate": {"maxSurge": 0}}}, 0),
        ("KubeadmControlPlane", {}, 1),
        ("MachineSet", {}, 0),
    ],
)
def test_a_rollout_needs_as_many_more_as_its_strategy_says(
    kind: str, spec: Json, surge: int
) -> None:
    owner: Json = {"kind": kind, "spec": {**spec, "replicas": 10}}

    assert demand._surge(owner, 10) == surge


def need(now: int, rollout: int, maximum: int, pool: PoolKey = BLUE) -> Need:
    return Need(
        "MachineDeployment md", "default", "c1", *pool, now=now, rollout=rollout, maximum=maximum
    )


@pytest.mark.parametrize(
    ("now", "rollout", "maximum", "verdict"),
    [
        (4, 1, 4, forecast.ENOUGH),
        (4, 4, 4, forecast.ENOUGH),
        (4, 5, 4, forecast.ROLLOUT),
        (8, 1, 8, forecast.ROLLOUT),
        (4, 1, 8, forecast.GROWTH),
    ],
)
async def test_a_forecast_depends_on_what_is_free(
    now: int, rollout: int, maximum: int, verdict: str
) -> None:
    objects = Objects()
    objects.pool("10.0.0.1-10.0.0.8")
    for number in range(1, 5):
        labels = {"cluster.x-k8s.io/cluster-name": "c1"}
        objects.claim(f"m-{number}", bound=True, labels=labels)
        objects.address(f"m-{number}", f"10.0.0.{number}")

    (found,) = forecast.forecasts(await objects.usages(), [need(now, rollout, maximum)], "default")

    assert (found.free, found.in_use, found.verdict) == (4, 4, verdict)


async def test_a_pool_that_does_not_exist_runs_out() -> None:
    (found,) = forecast.forecasts({}, [need(1, 0, 1)], "default")

    assert found.verdict == forecast.ROLLOUT
