# SPDX-License-Identifier: Apache-2.0
"""Two managers side by side: one leads, and whatever becomes of it, the other takes over."""

import itertools
import json
import signal
import socket
import time
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass

import pytest

from envtest import errors, plugin, waiting
from envtest.chaos import checker, history, leases, proxy, replicas
from envtest.controlplane import provider, tenants
from objects.metadata import CACHE_REVISIONS_ANNOTATION

LEASE_SECONDS = 3  # the managers' own, see envtest.controlplane.manager
CLAIMS = 80
SOME = 10  # addresses, after which the storm is in full swing
GROUP = "/apis/ipam.cluster.x-k8s.io/"
REFUSED = 400  # the first status that is a refusal
NUMBERS = itertools.count(1)


@dataclass(frozen=True)
class Pair:
    """Both managers, and all that was ever written in their cluster."""

    replicas: replicas.Replicas
    history: history.History

    def violations(self, sentinel: str) -> list[str]:
        """Judge the history up to an IPAddress of that name, which is the last thing it has."""
        waiting.until(
            "the history is read",
            lambda: [event.name for event in self.history.events],
            lambda names: sentinel in names,
        )
        return [str(violation) for violation in checker.check(self.history.events)]


@pytest.fixture(scope="module")
def shared_pair(make_log_folder: plugin.MakeFolder) -> Generator[Pair]:
    with (
        replicas.Replicas(make_log_folder()) as both,
        closing(both.provider.control_plane.etcd_client()) as etcd,
        history.History(etcd) as written,
    ):
        yield Pair(both, written)


@pytest.fixture
def pair(shared_pair: Pair) -> Pair:
    """Both up, one of them leading, whatever the test before did to them."""
    shared_pair.replicas.heal()
    shared_pair.replicas.leader()
    return shared_pair


@pytest.fixture
def tenant(pair: Pair) -> tenants.Tenant:
    own = pair.replicas.provider
    return tenants.Tenant(own, own.new_namespace(f"ha-{next(NUMBERS)}"))


@pytest.fixture
def took(record_property: Callable[[str, object], None]) -> Callable[[str, float], None]:
    """Record how long a take-over took, which no test asserts: a busy machine takes longer."""

    def record(what: str, since: float) -> None:
        seconds = time.monotonic() - since
        record_property(what, f"{seconds:.1f} s (lease {LEASE_SECONDS} s)")

    return record


def storm(tenant: tenants.Tenant) -> list[str]:
    """Have many claims served at once, and return when some are."""
    names = [f"claim-{number:03}" for number in range(CLAIMS)]
    for name in names:
        tenant.add_claim(name, "blue")
    tenant.add_pool("blue", "10.0.0.0/16", prefix=16)
    waiting.until("some are", tenant.addresses.list, lambda found: len(found) >= SOME)
    return names


def lost_the_lead(replica: replicas.Replica, before: int) -> None:
    """Wait until a manager says that it does not lead any more."""
    waiting.until("it knows that it lost", lambda: losses(replica), lambda now: now > before)


def losses(replica: replicas.Replica) -> int:
    return replica.manager.log.read_text().count("leadership lost")


def nothing_is_held_back(between: proxy.Proxy) -> None:
    """Wait until no write is on its way any more that was sent while nothing got through."""
    waiting.until(
        "no write is open",
        lambda: [each.path for each in between.open if each.writes and each.path.startswith(GROUP)],
        lambda paths: not paths,
    )


def taken_since(seconds: float, replica: replicas.Replica) -> list[proxy.Write]:
    """Return the writes that the API server took; a late patch is refused by its version."""
    return [
        write
        for write in replica.proxy.writes
        if write.seconds > seconds and write.path.startswith(GROUP) and write.status < REFUSED
    ]


def test_who_was_frozen_past_its_lease_never_changes_anything_again(
    pair: Pair, tenant: tenants.Tenant, took: Callable[[str, float], None]
) -> None:
    former = pair.replicas.leader()
    before = losses(former)
    names = storm(tenant)

    pair.replicas.freeze(former)
    frozen = time.monotonic()
    waiting.until("the other one leads", pair.replicas.leader, lambda now: now is not former)
    took("after a freeze the other one leads", frozen)
    addresses = tenant.bound(*names)
    pair.replicas.thaw(former)
    thawed = time.monotonic()

    lost_the_lead(former, before)
    tenant.add_claim("last", "blue")
    tenant.bound("last")
    assert len(set(addresses)) == CLAIMS
    assert taken_since(thawed, former) == []
    assert pair.violations("last") == []


def refusal(tenant: tenants.Tenant) -> str:
    """Return why a pool that makes no sense is refused."""
    with pytest.raises(errors.RefusedError) as refused:
        tenant.add_pool("bad", "10.0.0.300")
    return refused.value.message


def silence(between: proxy.Proxy) -> None:
    between.silent = True


def reset(between: proxy.Proxy) -> None:
    between.refusing = True
    between.cut()


def slow(between: proxy.Proxy) -> None:
    between.delay = LEASE_SECONDS + 1.0


@pytest.mark.parametrize("cut", [silence, reset, slow], ids=lambda cut: cut.__name__)
def test_who_is_cut_off_gives_way_and_never_changes_anything_again(
    pair: Pair,
    tenant: tenants.Tenant,
    took: Callable[[str, float], None],
    cut: Callable[[proxy.Proxy], None],
) -> None:
    former = pair.replicas.leader()
    before = losses(former)
    names = storm(tenant)

    cut(former.proxy)
    began = time.monotonic()
    waiting.until("the other one leads", pair.replicas.leader, lambda now: now is not former)
    took(f"after a connection that is {cut.__name__} the other one leads", began)
    addresses = tenant.bound(*names)
    lost_the_lead(former, before)
    nothing_is_held_back(former.proxy)
    former.proxy.heal()
    healed = time.monotonic()

    tenant.add_claim("last", "blue")
    tenant.bound("last")
    assert len(set(addresses)) == CLAIMS
    assert taken_since(healed, former) == []
    assert pair.violations("last") == []


@pytest.mark.parametrize("change", leases.CHANGES, ids=lambda change: change.__name__)
def test_two_never_lead_at_once_when_others_change_the_lease(
    pair: Pair,
    tenant: tenants.Tenant,
    took: Callable[[str, float], None],
    change: Callable[[leases.Leases], None],
) -> None:
    former = pair.replicas.leader()
    before, before_of_both = losses(former), sum(map(losses, pair.replicas.all))
    names = storm(tenant)

    change(leases.Leases(pair.replicas.provider.admin))
    changed = time.monotonic()
    lost_the_lead(former, before)
    took(f"after a lease was {change.__name__} its holder has stopped", changed)
    addresses = tenant.bound(*names)
    took(f"after a lease was {change.__name__} all is served", changed)

    tenant.add_claim("last", "blue")
    tenant.bound("last")
    assert len(set(addresses)) == CLAIMS
    lost = sum(map(losses, pair.replicas.all)) - before_of_both  # once, but for a busy machine
    assert hand_overs(pair, changed) <= lost
    assert pair.violations("last") == []


def hand_overs(pair: Pair, since: float) -> int:
    """Return how often another replica than before has written, which takes turns if two lead."""
    writes = [
        (write.seconds, number)
        for number, replica in enumerate(pair.replicas.all)
        for write in taken_since(since, replica)
    ]
    writers = [number for _, number in sorted(writes)]
    return sum(one != next_ for one, next_ in itertools.pairwise(writers))


def test_who_is_killed_is_succeeded(
    pair: Pair, tenant: tenants.Tenant, took: Callable[[str, float], None]
) -> None:
    former = pair.replicas.leader()
    names = storm(tenant)

    former.manager.kill()
    killed = time.monotonic()
    addresses = tenant.bound(*names)
    took("after a kill all is served", killed)

    tenant.add_claim("last", "blue")
    tenant.bound("last")
    assert len(set(addresses)) == CLAIMS
    assert pair.violations("last") == []


def test_who_is_asked_to_stop_hands_over_before_its_lease_ends(
    pair: Pair, tenant: tenants.Tenant, took: Callable[[str, float], None]
) -> None:
    own, former = pair.replicas.provider, pair.replicas.leader()
    tenant.add_pool("blue", "10.0.0.0/24")
    leases = own.admin.resource("coordination.k8s.io/v1", "leases", provider.NAMESPACE)
    since, identity = leases.listing()["metadata"]["resourceVersion"], own.holder()

    former.manager.signal(signal.SIGTERM)
    stopped = time.monotonic()
    tenant.add_claim("last", "blue")
    tenant.bound("last")
    took("after a stop the next claim is served", stopped)

    assert former.manager.wait() == 0
    with leases.watch(since, seconds=1) as events:
        written = [event["object"] for event in events]
    released, *taken = [each for each in written if each["spec"].get("holderIdentity") != identity]
    assert "holderIdentity" not in released["spec"]  # released, not run out
    assert {each["spec"]["holderIdentity"] for each in taken} == {own.holder()}
    left = json.loads(
        json.loads(released["metadata"]["annotations"][CACHE_REVISIONS_ANNOTATION])["note"]
    )
    pool = tenant.pools().get("blue")["metadata"]["resourceVersion"]
    assert 0 < left["inclusterippools"] <= int(pool)
    assert [each["metadata"].get("annotations", {}) for each in taken] == [{}] * len(taken)
    assert pair.violations("last") == []


def told_at_the_lease(own: provider.Provider) -> list[tuple[str, str]]:
    """Return who is said to have told what about the Lease: the instance, and the note."""
    lease = own.admin.resource("coordination.k8s.io/v1", "leases", provider.NAMESPACE).get(
        provider.LEASE
    )
    events = own.admin.resource("events.k8s.io/v1", "events", provider.NAMESPACE).list()
    return [
        (event["reportingInstance"], event["note"])
        for event in events
        if event["reason"] == "LeaderElection"
        and event["regarding"]["uid"] == lease["metadata"]["uid"]
    ]


def test_a_change_of_leader_is_reported_in_events_at_the_lease(pair: Pair) -> None:
    own, former = pair.replicas.provider, pair.replicas.leader()
    before = own.holder()

    former.manager.signal(signal.SIGTERM)
    assert former.manager.wait() == 0
    waiting.until("the other one leads", own.holder, lambda now: now not in ("", before))
    expected = {
        (socket.gethostname(), f"{before} became leader"),
        (socket.gethostname(), f"{before} stopped leading"),
        (socket.gethostname(), f"{own.holder()} became leader"),
    }

    waiting.until(
        "all is told", lambda: set(told_at_the_lease(own)), lambda found: expected <= found
    )


def test_webhooks_answer_where_nobody_leads(pair: Pair, tenant: tenants.Tenant) -> None:
    standby = pair.replicas.other(pair.replicas.leader())
    pair.replicas.service.route(standby.webhook_port)

    waiting.until(  # the API server notices at its next request that a connection has ended
        "admission says why", lambda: refusal(tenant), lambda text: "10.0.0.300" in text
    )
    tenant.add_pool("blue", "10.0.0.0/24")
    old = tenant.pools(version="v1alpha1").get("blue")

    assert old["spec"]["prefix"] == 24
    assert pair.replicas.leader() is not standby
