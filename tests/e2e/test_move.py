# SPDX-License-Identifier: Apache-2.0
"""`clusterctl move`: pools, claims and addresses arrive as they were, and nothing stays behind."""

from collections.abc import Generator
from contextlib import ExitStack
from pathlib import Path

import pytest

from envtest import waiting
from envtest.client import Json
from envtest.contract import CLUSTER_NAME, PAUSED
from envtest.controlplane import capi
from envtest.controlplane.tenants import PREFIX_POOL, Tenant
from envtest.lab.clusterctl import ClusterctlError
from envtest.lab.lab import Lab
from envtest.lab.management import Management

TEAM = "team"
PROD = "prod"
GLOBAL = "GlobalInClusterIPPool"
CLAIMS = ("of-cluster", "of-infrastructure", "alone", "paused", "global", "prefix")
ORPHAN_SECONDS = 60.0  # of an address whose claim is gone: the garbage collector comes first


@pytest.fixture(scope="module")
def places(lab: Lab, series: str) -> Generator[list[Management]]:
    """Two management clusters, of which the first has everything."""
    with ExitStack() as stack:
        places = [stack.enter_context(Management(lab, number, series)) for number in (1, 2)]
        for place in places:
            place.init()
            place.prepare_clusters()
        furnish(places[0])
        yield places


def furnish(place: Management) -> None:
    """Make claims of every sort, bound, in a namespace with a Cluster."""
    tenant = Tenant(place, place.new_namespace(TEAM))
    cluster = place.add_cluster(TEAM, PROD)
    infrastructure = place.infrastructure(TEAM).get(PROD)
    tenant.add_pool("blue", "10.0.0.10-10.0.0.20")
    tenant.add_pool("shared", "10.1.0.10-10.1.0.20", kind=GLOBAL)
    tenant.add_prefix_pool("delegated", "fd00::/56")
    tenant.add_claim("first", "blue")  # goes again: addresses are not just given in order
    tenant.bound("first")
    tenant.add_claim("of-cluster", "blue", ownerReferences=[owner(cluster)], labels=of(PROD))
    tenant.add_claim("of-infrastructure", "blue", ownerReferences=[owner(infrastructure)])
    tenant.add_claim("alone", "blue")
    tenant.add_claim("paused", "blue")
    tenant.add_claim("prefix", "delegated", PREFIX_POOL)
    tenant.add_claim("global", "shared", GLOBAL, ownerReferences=[owner(cluster)], labels=of(PROD))
    tenant.bound(*CLAIMS)
    tenant.claims.merge("paused", {"metadata": {"annotations": {PAUSED: ""}}})
    tenant.release("first")


def of(cluster: str) -> dict[str, str]:
    return {CLUSTER_NAME: cluster}


def owner(found: Json) -> Json:
    meta = found["metadata"]
    names = {"kind": found["kind"], "name": meta["name"], "uid": meta["uid"]}
    return {"apiVersion": found["apiVersion"], **names}


def held(place: Management) -> dict[str, str]:
    """Return the addresses of a place by their claims."""
    return {it["metadata"]["name"]: it["spec"]["address"] for it in place.addresses(TEAM).list()}


def check_owners(place: Management) -> None:
    """Each address belongs to its claim and its pool, by the uids of this place."""
    claims = {it["metadata"]["name"]: it["metadata"]["uid"] for it in place.claims(TEAM).list()}
    pools = {it["metadata"]["name"]: it["metadata"]["uid"] for it in pools_of(place)}
    for address in place.addresses(TEAM).list():
        owners = {it["name"]: it["uid"] for it in address["metadata"]["ownerReferences"]}
        name, pool = address["metadata"]["name"], address["spec"]["poolRef"]["name"]
        assert owners == {name: claims[name], pool: pools[pool]}


def pools_of(place: Management) -> list[Json]:
    return [
        *place.pools("inclusterippools", TEAM).list(),
        *place.pools("inclusterprefixpools", TEAM).list(),
        *place.pools("globalinclusterippools").list(),
    ]


def await_empty(place: Management) -> None:
    """Return when a place has no claim, no address, and its global pool is unused."""
    tenant = Tenant(place, TEAM)
    assert tenant.claims.list() == []
    what = "no address stays behind"
    waiting.until(what, lambda: held(place), lambda found: not found, ORPHAN_SECONDS)
    tenant.counts("shared", GLOBAL, used=0)
    assert [*tenant.pools().list(), *tenant.pools(PREFIX_POOL).list()] == []


def test_a_dry_run_moves_nothing(places: list[Management]) -> None:
    source, target = places
    before = held(source)

    source.clusterctl("move", f"--to-kubeconfig={target.kubeconfig}", "-n", TEAM, "--dry-run")

    assert held(source) == before
    assert held(target) == {}


def test_an_interrupted_move_gives_no_address_away_and_can_be_repeated(
    places: list[Management],
) -> None:
    source, target = places
    before = held(source)
    move = ("move", f"--to-kubeconfig={target.kubeconfig}", "-n", TEAM)

    arrived = target.clusters(TEAM)

    source.interrupted(*move, when=lambda: bool(held(target) and arrived.find(PROD)))

    assert [place.clusters(TEAM).get(PROD)["spec"]["paused"] for place in places] == [True, True]
    if source.series != capi.OLDEST:  # clusterctl moves no paused Cluster since 1.12
        paused = f"the following Clusters are paused: {TEAM}/{PROD}"
        with pytest.raises(ClusterctlError, match=paused):
            source.clusterctl(*move)
    source.clusters(TEAM).merge(PROD, {"spec": {"paused": False}})
    assert held(source) == before
    assert held(target).items() <= before.items()


def test_everything_moves(places: list[Management]) -> None:
    source, target = places
    before = held(source)

    source.clusterctl("move", f"--to-kubeconfig={target.kubeconfig}", "-n", TEAM)

    check_arrived(target, before)
    await_empty(source)


def test_everything_moves_back_through_a_directory(
    places: list[Management], tmp_path: Path
) -> None:
    target, source = places
    before = held(source)

    source.clusterctl("move", f"--to-directory={tmp_path}", "-n", TEAM)
    restored = target.lab.clusterctl(target.series)(
        "move", f"--from-directory={tmp_path}", f"--to-kubeconfig={target.kubeconfig}"
    )
    target.lab.note("clusterctl move --from-directory", restored.seconds)

    check_arrived(target, before)


def check_arrived(place: Management, before: dict[str, str]) -> None:
    """Claims have the addresses that they had, and further ones get others."""
    place.provision(TEAM, PROD)
    tenant = Tenant(place, TEAM)
    waiting.until("addresses arrived", lambda: held(place), lambda found: found == before)
    assert tenant.bound(*(name for name in CLAIMS if name != "paused")) == [
        before[name] for name in CLAIMS if name != "paused"
    ]
    waiting.until("owners are right", lambda: owned(place), bool)
    tenant.counts("blue", used=4)
    tenant.counts("delegated", PREFIX_POOL, used=1)
    tenant.add_claim("new", "blue")
    assert tenant.bound("new") == ["10.0.0.10"]
    tenant.release("new")


def owned(place: Management) -> bool:
    try:
        check_owners(place)
    except AssertionError:
        return False
    return True
