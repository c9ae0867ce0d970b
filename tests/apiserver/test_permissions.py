# SPDX-License-Identifier: Apache-2.0
"""The manager needs no more than the RBAC rules that are shipped with it, and no less.

The API server's audit log tells what was asked in the manager's name.  One control plane runs first
what `config/default` installs, then `config/self-signed`; each does all that it can do.
"""

import asyncio
import base64
import datetime as dt
import ssl
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus
from typing import NamedTuple

import pytest
import urllib3

from controller import claim_reconciler, migration, orphans, state
from envtest import client, contract, errors, manifests, plugin, ports
from envtest.client import Json
from envtest.controlplane import install, manager, provider, tenants
from envtest.pki import LOOPBACK
from envtest.waiting import until, wait_until
from generator import rbac
from kube import client as kube
from kube import connect
from kube.errors import ConflictError
from kube.meta import Key
from objects import contracts, informers
from objects import pools as kinds
from objects.metadata import PROTECT_ADDRESS_FINALIZER, RELEASE_FINALIZER
from webhook import issuer, selfsigned

LOG_SECONDS = 5.0  # after the end of a manager: what is not logged by then was never asked
FORBIDDEN = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
ACCOUNT = (provider.NAMESPACE, provider.SERVICE_ACCOUNT)
ROLE = "capi-ipam-in-cluster-manager-role"
IP: Json = {"addresses": ["10.0.0.10-10.0.0.11"], "prefix": 24}
PREFIX: Json = {"prefixes": ["2001:db8::/48"]}
OWNERS = {"IPAddressClaim": "ipaddressclaims", **manifests.POOL_PLURALS}


class Right(NamedTuple):
    """A verb on a resource.  Empty are `name` for every object, `namespace` for anywhere."""

    group: str
    resource: str
    verb: str
    name: str = ""
    namespace: str = ""

    def covers(self, asked: "Right") -> bool:
        """Return whether it allows what was asked."""
        narrowed = (self.name in ("", asked.name), self.namespace in ("", asked.namespace))
        return self[:3] == asked[:3] and all(narrowed)


NOT_IN_THE_LOG = {
    Right(contract.GROUP, f"{plural}/finalizers", "update"): (
        "the API server's own question, about owners with blockOwnerDeletion: tested below"
    )
    for plural in OWNERS.values()
}
"""Rights that nobody asks for by a request, and why they are declared all the same."""


class Run(NamedTuple):
    """What one overlay is allowed by which modules, and what its manager asked for."""

    modules: tuple[str, ...]
    own: tuple[str, ...]
    """Those of `modules` that only this run has to make use of."""
    requests: list[Json]


class Runs(NamedTuple):
    """Both, and the cluster that they were in."""

    cluster: provider.Provider
    of: dict[str, Run]


@pytest.fixture(scope="module")
def runs(make_log_folder: plugin.MakeFolder) -> Generator[Runs]:
    with provider.Provider(make_log_folder(), audit=True) as cluster:
        modules, more = rbac.MODULES, rbac.SELF_SIGNED_MODULES
        use_default(cluster)
        default = Run(modules, modules, logged(cluster, declared(modules), 0))
        before = len(cluster.requests())
        use_self_signed(cluster)
        signed = Run((*modules, *more), more, logged(cluster, declared(more), before))
        yield Runs(cluster, {"default": default, "self-signed": signed})


def logged(cluster: provider.Provider, rights: set[Right], since: int) -> list[Json]:
    """Return the requests since then; a watch is logged when the API server has noticed its end."""

    def all_used() -> bool:
        seen = set(used(rights, cluster.requests()[since:]))
        return rights - NOT_IN_THE_LOG.keys() <= seen

    wait_until(all_used, LOG_SECONDS)
    return cluster.requests()[since:]


def declared(modules: Iterable[str]) -> set[Right]:
    access = rbac.load(modules)
    scopes = ((access.cluster, ""), (access.namespace, provider.NAMESPACE))
    return {
        Right(group, resource, verb, name, namespace)
        for rules, namespace in scopes
        for rule in rules
        for group in rule.groups
        for resource in rule.resources
        for verb in rule.verbs
        for name in rule.names or ("",)
    }


def asked(events: Iterable[Json]) -> Iterator[Right]:
    """Yield what RBAC was asked for; discovery is about no resource, and everybody's."""
    for event in events:
        if ref := event.get("objectRef"):
            resource = "/".join(filter(None, (ref["resource"], ref.get("subresource"))))
            group, name = ref.get("apiGroup", ""), ref.get("name", "")
            yield Right(group, resource, event["verb"], name, ref.get("namespace", ""))


def used(rights: set[Right], events: Iterable[Json]) -> Iterator[Right]:
    for request in set(asked(events)):
        yield from (right for right in rights if right.covers(request))


def use_default(cluster: provider.Provider) -> None:
    """Make the manager do each thing that it can do."""
    user = tenants.Tenant(cluster, cluster.new_namespace("user"))
    standby = cluster.new_manager("standby")
    standby.start()
    read_metrics(cluster)
    bind(user)
    with pytest.raises(errors.RefusedError, match="would no longer be in the pool"):
        user.pools(version="v1alpha1").merge("pool", {"spec": {"addresses": ["10.0.0.20"]}})
    give_back(user)
    without_pauses(cluster, user)
    delete_pools(user)
    # The standby reads the lease again after each change, for which it watches.
    until("it has watched the lease", lambda: candidacies(cluster), lambda found: found > 2)
    cluster.manager.stop()
    standby.stop()


def bind(user: tenants.Tenant) -> None:
    """Have claims on pools of all kinds, and one on none."""
    for kind, plural in manifests.POOL_PLURALS.items():
        spec = PREFIX if "Prefix" in kind else IP
        user.pools(kind).create(manifests.pool("pool", spec, kind))
        user.add_claim(plural, "pool", kind)
    user.bound(*manifests.POOL_PLURALS.values())
    for kind in ("InClusterIPPool", "GlobalInClusterIPPool"):
        user.counts("pool", kind, used=1)  # so another status will be written
        old = user.pools(kind, "v1alpha1")  # and conversion to this version be tried before
        old.merge("pool", {"metadata": {"labels": {"written-in": "v1alpha1"}}})
    user.add_claim("waiting", "nowhere")
    user.not_ready("waiting", "PoolNotReady")


def give_back(user: tenants.Tenant) -> None:
    """Delete all claims; of one, the manager has to find out that it has no address."""
    user.add_claim("without-address", "nowhere", finalizers=[RELEASE_FINALIZER])
    user.release(*manifests.POOL_PLURALS.values(), "waiting", "without-address")


def delete_pools(user: tenants.Tenant) -> None:
    for kind in manifests.POOL_PLURALS:
        user.counts("pool", kind, used=0)
        user.pools(kind).delete("pool")
        until(f"{kind} is gone", partial(user.pools(kind).find, "pool"), lambda found: not found)


def candidacies(cluster: provider.Provider) -> int:
    wanted = Right("coordination.k8s.io", "leases", "get", provider.LEASE, provider.NAMESPACE)
    return list(asked(cluster.requests())).count(wanted)


def read_metrics(cluster: provider.Provider) -> None:
    """Ask for metrics as somebody whom the API server knows, and who may not read them."""
    token = cluster.control_plane.service_account_token(*ACCOUNT)
    headers = {"Authorization": f"Bearer {token}"}
    authority = str(cluster.control_plane.folder / "ca.crt")

    def status() -> int:
        try:
            return http.request(
                "GET", f"{cluster.manager.diagnostics}/metrics", headers=headers
            ).status
        except urllib3.exceptions.HTTPError:
            return 0  # they are served a moment after the webhooks

    with urllib3.PoolManager(ca_certs=authority, retries=False) as http:
        until("metrics are refused", status, lambda code: code == HTTPStatus.FORBIDDEN)


def without_pauses(cluster: provider.Provider, user: tenants.Tenant) -> None:
    """Do in the manager's name, by its code, what it waits with for 10 seconds or 5 minutes."""
    crds = cluster.admin.resource("apiextensions.k8s.io/v1", install.PLURALS[install.CRD])
    names = [f"{plural}.{contract.GROUP}" for plural in manifests.POOL_PLURALS.values()]
    for name in names:
        crds.merge(name, {"status": {"storedVersions": ["v1alpha1", "v1alpha2"]}}, "status")
    orphan = address(cluster, "orphan")
    orphan["metadata"]["finalizers"] = [PROTECT_ADDRESS_FINALIZER]
    user.addresses.create(orphan)
    user.add_claim("changed", "nowhere")

    asyncio.run(act(cluster, user))

    user.claims.delete("changed")

    assert user.addresses.find("orphan") is None
    for name in names:
        assert crds.get(name)["status"]["storedVersions"] == ["v1alpha2"]


def address(cluster: provider.Provider, name: str) -> Json:
    """Return an IPAddress of that name, for a claim of that name."""
    return manifests.address(name, "10.0.0.11", "pool", version=cluster.ipam_version)


async def act(cluster: provider.Provider, user: tenants.Tenant) -> None:
    config = cluster.control_plane.service_account_kubeconfig(*ACCOUNT)
    connection = await connect.connect(str(config), "test")
    try:
        api = kube.Client(connection)
        for resource in kinds.RESOURCES.values():
            await migration.Migration(api, lambda _: asyncio.sleep(0)).migrate(resource)
        known = await all_known(api)
        await release(api, known, Key(user.namespace, "orphan"))
        await meet_a_conflict(api, known, user)
    finally:
        await connection.close()


async def all_known(api: kube.Client) -> state.State:
    contract = await contracts.discover(api)
    assert contract is not None
    known = state.State(informers.Informers(api, contract, informers.Scope()))
    await known.informers.sync()
    return known


async def meet_a_conflict(api: kube.Client, known: state.State, user: tenants.Tenant) -> None:
    """Patch a claim that its user has changed meanwhile."""
    stale = known.claims.get(Key(user.namespace, "changed"))
    assert stale
    user.claims.merge("changed", {"metadata": {"labels": {"color": "blue"}}})
    with pytest.raises(ConflictError):
        await claim_reconciler.ClaimReconciler(api, known)._patch(
            stale, {"labels": {"color": "red"}}
        )


async def release(api: kube.Client, known: state.State, orphan: Key) -> None:
    times = iter((0.0, 0.0, orphans.ORPHAN_SECONDS, orphans.ORPHAN_SECONDS))
    reconciler = claim_reconciler.ClaimReconciler(api, known, clock=lambda: next(times))
    for _ in range(2):
        await reconciler.reconcile(orphan)


def use_self_signed(cluster: provider.Provider) -> None:
    """Make a manager of the other overlay do what only that one can do, the lease included."""
    port, folder = ports.free_port(), cluster.folder
    place = install.Webhooks(f"https://{LOOPBACK}:{port}", variant=install.SELF_SIGNED)
    install.provider(cluster.admin, place)
    config = cluster.control_plane.service_account_kubeconfig(*ACCOUNT)
    options = manager.Options("self-signed", port, self_signed=True)
    signing = manager.Manager(folder, config, cluster.control_plane.authority, options)
    try:
        signing.run()
        signing.stop()
        shown = make_old(cluster.admin.resource("v1", "secrets", provider.NAMESPACE))
        signing.run()
        until("a new one is shown", partial(certificate, port), lambda pem: pem != shown)
        user = tenants.Tenant(cluster, cluster.new_namespace("user-of-self-signed"))
        user.add_pool("pool", "10.0.0.10")
        user.add_claim("claim", "pool")
        user.bound("claim")
    finally:
        signing.stop()


def certificate(port: int) -> str:
    return ssl.get_server_certificate((LOOPBACK, port))


def make_old(secrets: client.Resource) -> str:
    """Let the manager's certificate in the Secret be one that ends tomorrow; return it."""
    data = secrets.get(selfsigned.SECRET)["data"]
    authorities = base64.b64decode(data["ca.crt"])
    soon = dt.datetime.now(dt.UTC) - issuer.LIFETIME + dt.timedelta(days=1)
    aged = issuer.issue([LOOPBACK], authorities, now=soon)
    values = {"ca.crt": aged.authorities, "tls.crt": aged.certificate, "tls.key": aged.key}
    encoded = {name: base64.b64encode(value).decode() for name, value in values.items()}
    secrets.merge(selfsigned.SECRET, {"data": encoded})
    return aged.certificate.decode()


of_both = pytest.mark.parametrize("overlay", ["default", "self-signed"])


@of_both
def test_the_manager_is_never_forbidden_anything(runs: Runs, overlay: str) -> None:
    forbidden = [
        (event["verb"], event["requestURI"])
        for event in runs.of[overlay].requests
        if event["responseStatus"]["code"] in FORBIDDEN
    ]

    assert forbidden == []


@of_both
def test_the_manager_does_nothing_that_no_rule_declares(runs: Runs, overlay: str) -> None:
    run = runs.of[overlay]
    rights = declared(run.modules)

    assert [
        request
        for request in sorted(set(asked(run.requests)))
        if not any(right.covers(request) for right in rights)
    ] == []


@of_both
def test_every_declared_verb_is_used(runs: Runs, overlay: str) -> None:
    run = runs.of[overlay]
    rights = declared(run.own)

    unused = rights - set(used(rights, run.requests))

    assert sorted(unused) == sorted(rights & NOT_IN_THE_LOG.keys())


def test_the_manager_acts_under_the_service_account_of_its_deployment(runs: Runs) -> None:
    creates = [
        event
        for event in runs.of["default"].requests
        if event["verb"] == "create" and event["objectRef"]["resource"] == "ipaddresses"
    ]

    assert len(creates) == len(manifests.POOL_PLURALS)
    for create in creates:
        assert create["user"]["username"] == provider.IDENTITY
        assert create["responseStatus"]["code"] == HTTPStatus.CREATED


@pytest.mark.parametrize("kind", OWNERS)
def test_no_owner_is_named_without_the_right_to_its_finalizers(runs: Runs, kind: str) -> None:
    def refused() -> str:
        return refusal(runs.cluster, kind)

    assert refused() == ""

    with without(runs.cluster.admin, f"{OWNERS[kind]}/finalizers"):
        told = until("it is refused", refused, bool)

    assert "cannot set blockOwnerDeletion" in told
    until("it is accepted again", refused, lambda told: not told)


def refusal(cluster: provider.Provider, kind: str) -> str:
    """Return why the manager may not create an address with this owner; empty if it may."""
    version = "v1alpha2" if kind in manifests.POOL_PLURALS else cluster.ipam_version
    owner: Json = {"apiVersion": f"{contract.GROUP}/{version}", "kind": kind, "name": "x"}
    body = address(cluster, "x")
    body["metadata"]["ownerReferences"] = [{**owner, "uid": "1", "blockOwnerDeletion": True}]
    token = cluster.control_plane.service_account_token(*ACCOUNT)
    tls = ssl.create_default_context(cafile=cluster.control_plane.folder / "ca.crt")
    user = client.Client(cluster.control_plane.server, tls, token)
    try:
        user.request("POST", cluster.addresses("default").path, body, query={"dryRun": "All"})
    except errors.RefusedError as error:
        return error.message
    finally:
        user.close()
    return ""


@contextmanager
def without(admin: client.Client, resource: str) -> Generator[None]:
    """Take all rights to one resource out of the manager's role, for the time of the block."""
    roles = admin.resource("rbac.authorization.k8s.io/v1", "clusterroles")
    rules: list[Json] = roles.get(ROLE)["rules"]
    left = [
        {**rule, "resources": [r for r in rule["resources"] if r != resource]} for rule in rules
    ]
    roles.merge(ROLE, {"rules": [rule for rule in left if rule["resources"]]})
    yield
    roles.merge(ROLE, {"rules": rules})
