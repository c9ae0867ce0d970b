# SPDX-License-Identifier: Apache-2.0
"""The seconds of `clusterctl upgrade` in which the API server cannot convert.

`clusterctl` deletes the Deployment, the Service and the webhook configurations, and leaves the
CustomResourceDefinitions.  So pools are written without admission, and without conversion.
"""

import contextlib
import itertools
import os
import shlex
import subprocess
from collections.abc import Generator
from pathlib import Path

import pytest

from envtest import errors, manifests, plugin, waiting
from envtest.client import APPLY, Json
from envtest.controlplane import binaries, control_plane, manager, provider, tenants

OLD, HUB = "v1alpha1", "v1alpha2"
CONFIGURATIONS = ("mutatingwebhookconfigurations", "validatingwebhookconfigurations")
NUMBERS = itertools.count(1)
HELD_BACK = "pool is not written yet"


@pytest.fixture(scope="module")
def own(make_log_folder: plugin.MakeFolder) -> Generator[provider.Provider]:
    with provider.Provider(make_log_folder()) as cluster:
        yield cluster


@pytest.fixture
def tenant(own: provider.Provider) -> tenants.Tenant:
    own.manager.run()
    return tenants.Tenant(own, own.new_namespace(f"away-{next(NUMBERS)}"))


@contextlib.contextmanager
def webhook_away(own: provider.Provider) -> Generator[None]:
    """Take the webhooks away as `clusterctl` does, and bring them back afterwards."""
    own.manager.stop()
    for plural in CONFIGURATIONS:
        configurations = own.admin.resource("admissionregistration.k8s.io/v1", plural)
        for each in configurations.list():
            configurations.delete(each["metadata"]["name"])
    try:
        yield
    finally:
        own.manager.run()
        own.install()  # waits until old clients can read


@contextlib.contextmanager
def leader_without_webhooks(own: provider.Provider) -> Generator[manager.Manager]:
    """Run a manager that leads, while the API server reaches no webhook."""
    leader = own.new_manager("unseen")
    try:
        leader.run()
        yield leader
    finally:
        leader.stop()


def held_back(tenant: tenants.Tenant, leader: manager.Manager) -> bool:
    """Return whether a manager has put off a write of the tenant's pool."""
    pool = f"{tenant.namespace}/blue"
    return any(HELD_BACK in line and pool in line for line in leader.log.read_text().splitlines())


def applied(tenant: tenants.Tenant, spec: Json, version: str, by: str = "gitops") -> Json:
    return tenant.pools(version=version).apply(manifests.pool("blue", spec, version=version), by)


def owners(tenant: tenants.Tenant) -> dict[str, set[str]]:
    """Return the spec's fields that each manager owns."""
    entries: list[Json] = tenant.pools().get("blue")["metadata"].get("managedFields", [])
    return {
        each["manager"]: {name.removeprefix("f:") for name in each["fieldsV1"].get("f:spec", {})}
        for each in entries
        if not each.get("subresource")
    }


def lose_managed_fields(tenant: tenants.Tenant) -> None:
    """Leave a pool as Kubernetes before 1.37 does when conversion fails during a write."""
    tenant.counts("blue")  # the controller has nothing more to write
    tenant.pools().merge("blue", {"metadata": {"managedFields": [{}]}})
    assert owners(tenant) == {}


def test_kubernetes_does_not_record_what_is_written_while_it_cannot_convert(
    tenant: tenants.Tenant,
) -> None:
    applied(tenant, {"subnet": "10.0.0.0/24"}, OLD)
    tenant.counts("blue", used=0)
    before = tenant.pools().get("blue")["metadata"]["managedFields"]

    with webhook_away(tenant.provider):
        with pytest.raises(errors.RefusedError, match="conversion webhook"):
            tenant.pools(version=OLD).get("blue")
        changed = tenant.pools().merge("blue", {"spec": {"gateway": "10.0.0.1"}})["metadata"]

    assert changed["managedFields"] == before  # before 1.37 there would be none at all


def test_the_controller_writes_no_pool_whose_managed_fields_that_would_harm(
    tenant: tenants.Tenant,
) -> None:
    applied(tenant, {"subnet": "10.0.0.0/24"}, OLD)
    tenant.counts("blue", used=0)

    with webhook_away(tenant.provider), leader_without_webhooks(tenant.provider) as leader:
        before = tenant.pools().get("blue")
        tenant.add_claim("web", "blue")
        assert tenant.bound("web") == ["10.0.0.1"]  # claims are served all the same
        waiting.until("its turn has come", lambda: held_back(tenant, leader), bool)
        assert tenant.pools().get("blue") == before

    tenant.counts("blue", used=1)
    assert owners(tenant)["gitops"] == {"subnet"}


def test_the_controller_goes_on_when_the_webhook_is_back_though_another_replica_serves_it(
    tenant: tenants.Tenant,
) -> None:
    own = tenant.provider
    applied(tenant, {"subnet": "10.0.0.0/24"}, OLD)
    tenant.counts("blue", used=0)

    with contextlib.ExitStack() as stack:
        with webhook_away(own):
            leader = stack.enter_context(leader_without_webhooks(own))
            tenant.add_claim("web", "blue")
            waiting.until("it waits", lambda: held_back(tenant, leader), bool)

        tenant.counts("blue", used=1)
        assert own.holder() in leader.log.read_text()


def test_a_pool_that_only_clients_of_the_hub_version_write_waits_for_no_webhook(
    tenant: tenants.Tenant,
) -> None:
    tenant.add_pool("blue", "10.0.0.0/24")
    tenant.counts("blue", used=0)

    with webhook_away(tenant.provider), leader_without_webhooks(tenant.provider) as leader:
        tenant.add_claim("web", "blue")
        tenant.counts("blue", used=1)

        assert not held_back(tenant, leader)


def test_the_deletion_of_a_pool_waits_for_no_webhook(tenant: tenants.Tenant) -> None:
    applied(tenant, {"subnet": "10.0.0.0/24"}, OLD)
    tenant.counts("blue", used=0)

    with webhook_away(tenant.provider), leader_without_webhooks(tenant.provider):
        tenant.pools().delete("blue")

        waiting.until("it is gone", lambda: tenant.pools().find("blue"), lambda it: it is None)


# ---- after managedFields were lost ----

SPECS: list[tuple[str, Json, Json]] = [
    (OLD, {"subnet": "10.0.0.0/24", "gateway": "10.0.0.1"}, {"subnet": "10.0.0.0/24"}),
    (
        OLD,
        {"addresses": ["10.0.0.9"], "prefix": 24, "gateway": "10.0.0.1"},
        {"subnet": "10.0.0.0/28"},
    ),
    (
        HUB,
        {"addresses": ["10.0.0.9"], "prefix": 24, "gateway": "10.0.0.1"},
        {"addresses": ["10.0.0.9"], "prefix": 24},
    ),
    (
        HUB,
        {"addresses": ["10.0.0.9"], "prefix": 24, "excludedAddresses": ["10.0.0.1"]},
        {"addresses": ["10.0.0.9"], "prefix": 24},
    ),
]


@pytest.mark.parametrize(("version", "before", "after"), SPECS)
def test_a_manifest_gives_up_a_field_though_managed_fields_were_lost_once(
    tenant: tenants.Tenant, version: str, before: Json, after: Json
) -> None:
    applied(tenant, before, version)
    lose_managed_fields(tenant)

    applied(tenant, before, version)  # as GitOps does every few minutes
    applied(tenant, after, version)

    assert tenant.pools(version=version).get("blue")["spec"] == after


def test_kubectl_shows_which_pools_have_lost_their_managed_fields(tenant: tenants.Tenant) -> None:
    spec: Json = {"addresses": ["10.0.0.9"], "prefix": 24}
    applied(tenant, spec, HUB)
    lose_managed_fields(tenant)
    assert managers(tenant) == "<none>"

    applied(tenant, spec, HUB)

    assert "before-first-apply" in managers(tenant)


def managers(tenant: tenants.Tenant) -> str:
    """Return what the command of docs/how-to/upgrade.md shows of the pool."""
    page = Path(__file__).parents[2] / "docs/how-to/upgrade.md"
    [command] = [line for line in page.read_text().splitlines() if "--show-managed-fields" in line]
    plane = tenant.provider.control_plane
    config = plane.kubeconfig(f"kubectl-{tenant.namespace}", [control_plane.ADMIN_GROUP])
    program, *arguments = shlex.split(command)
    assert program == "kubectl"
    done = subprocess.run(
        [binaries.find(binaries.KUBECTL), *arguments],
        env=os.environ | {"KUBECONFIG": str(config)},
        capture_output=True,
        text=True,
        check=True,
    )
    rows = [line.split(maxsplit=2) for line in done.stdout.splitlines()]
    return next(shown for namespace, _, shown in rows if namespace == tenant.namespace)


def test_the_first_manifest_after_the_loss_gets_a_warning_of_what_it_leaves(
    tenant: tenants.Tenant,
) -> None:
    listed: Json = {"addresses": ["10.0.0.9"], "prefix": 24}
    applied(tenant, listed | {"gateway": "10.0.0.1"}, HUB)
    lose_managed_fields(tenant)

    told = warnings_of(tenant, listed)

    assert tenant.pools().get("blue")["spec"] == listed | {"gateway": "10.0.0.1"}
    [warning] = told
    assert warning.startswith(
        "spec.gateway: kept, although the applied manifest has no such field."
    )
    assert "Use kubectl edit to remove those" in warning
    assert warnings_of(tenant, listed) == []


def warnings_of(tenant: tenants.Tenant, spec: Json) -> list[str]:
    """Apply in the hub version, and return the warnings."""
    pools, body = tenant.pools(), manifests.pool("blue", spec)
    query = {"fieldManager": "gitops", "force": "true"}
    answer = pools.client.request(
        "PATCH", f"{pools.path}/blue", body, content_type=APPLY, query=query
    )
    return [text.removeprefix("299 - ").strip('"') for text in answer.warnings]
