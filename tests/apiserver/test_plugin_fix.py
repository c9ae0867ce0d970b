# SPDX-License-Identifier: Apache-2.0
"""`kubectl ipam check --fix` on a real API server, where no manager serves the objects."""

import datetime as dt
import json
import os
import pty
from collections.abc import Callable, Generator
from pathlib import Path

import pytest
from click import testing
from plugin_runs import READ, admin, run, user
from typing_extensions import override

from cli.kubectl import main, session
from envtest import manifests, plugin
from envtest.client import Json, Resource
from envtest.controlplane import manager, provider, tenants
from kube import client
from objects.metadata import (
    PROTECT_ADDRESS_FINALIZER,
    PROTECT_POOL_FINALIZER,
    RELEASE_FINALIZER,
)


@pytest.fixture(scope="module")
def elsewhere(make_log_folder: plugin.MakeFolder) -> Generator[provider.Provider]:
    """A cluster of which the manager serves objects with a label that none has."""
    flags = (*manager.LEASE_FLAGS, "--watch-filter=elsewhere")
    with provider.Provider(make_log_folder(), flags=flags) as started:
        yield started


@pytest.fixture(name="provider")
def _alone(elsewhere: provider.Provider) -> provider.Provider:
    """Return a cluster of our own."""
    return elsewhere


@pytest.fixture
def admin_config(tenant: tenants.Tenant) -> Path:
    return admin(tenant)


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let commands run eleven minutes after the deletions."""
    time = client.Client.time

    async def ahead(asked: client.Client) -> dt.datetime:
        return await time(asked) + dt.timedelta(minutes=11)

    monkeypatch.setattr(client.Client, "time", ahead)


@pytest.fixture
def stuck(tenant: tenants.Tenant) -> tenants.Tenant:
    """Return a tenant with a claim, its IPAddress and its pool, all deleted and all held."""
    pool = manifests.pool("blue", {"addresses": ["10.0.0.2"], "prefix": 24})
    version = tenant.provider.ipam_version
    claim = manifests.claim("web", "blue", version=version)
    address = manifests.address("web", "10.0.0.2", "blue", version=version)
    hold(tenant.addresses, address, PROTECT_ADDRESS_FINALIZER)
    hold(tenant.claims, claim, RELEASE_FINALIZER)
    hold(tenant.pools(), pool, PROTECT_POOL_FINALIZER)
    tenant.addresses.delete("web")
    tenant.claims.delete("web")
    return tenant


def hold(resource: Resource, body: Json, finalizer: str) -> None:
    """Create an object with a finalizer."""
    metadata = {"name": body["metadata"]["name"], "finalizers": [finalizer]}
    resource.create(body | {"metadata": metadata})


def with_fix(result: testing.Result, key: str = "findings") -> list[Json]:
    """Return the findings with a fix in a report."""
    return [each for each in json.loads(result.stdout).get(key, []) if "fix" in each]


def findings(result: testing.Result, key: str = "findings") -> list[str]:
    """Return the kinds of objects with a fix in a report."""
    return [each["object"]["kind"] for each in with_fix(result, key)]


def left(tenant: tenants.Tenant) -> list[str]:
    pairs = {"address": tenant.addresses, "claim": tenant.claims}
    return [name for name, resource in pairs.items() if resource.find("web")]


def test_the_clock_of_the_users_machine_does_not_matter(
    stuck: tenants.Tenant, admin_config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Ahead(dt.datetime):
        @classmethod
        @override
        def now(cls, tz: dt.tzinfo | None = None) -> "Ahead":
            return super().now(tz) + dt.timedelta(minutes=11)

    monkeypatch.setattr(dt, "datetime", Ahead)

    result = run(admin_config, "check", "-n", stuck.namespace, "--fix", "--yes", "-o", "json")

    assert findings(result) == []
    assert left(stuck) == ["address", "claim"]


@pytest.mark.usefixtures("later")
def test_a_stuck_claim_is_released_in_the_order_of_the_manager(
    stuck: tenants.Tenant, admin_config: Path
) -> None:
    arguments = ("check", "-n", stuck.namespace, "--fix", "--yes", "-o", "json")
    first = run(admin_config, *arguments)
    after_first = left(stuck)
    second = run(admin_config, *arguments)
    after_second = left(stuck)

    assert (findings(first, "fixed"), findings(first)) == (["IPAddress"], ["IPAddressClaim"])
    assert (findings(second, "fixed"), findings(second)) == (["IPAddressClaim"], [])
    assert (after_first, after_second) == (["claim"], [])
    assert first.stderr.splitlines() == [
        "1 fix to apply, unless somebody changes the object first:",
        f"  IPAddress {stuck.namespace}/web: remove the finalizer {PROTECT_ADDRESS_FINALIZER}",
    ]


@pytest.mark.usefixtures("later")
def test_a_stuck_pool_is_released_once_it_is_empty(
    stuck: tenants.Tenant, admin_config: Path
) -> None:
    for _ in range(2):
        run(admin_config, "check", "-n", stuck.namespace, "--fix", "--yes")
    stuck.pools().delete("blue")

    result = run(admin_config, "check", "-n", stuck.namespace, "--fix", "--yes")

    assert f"InClusterIPPool {stuck.namespace}/blue is fixed\n" in result.stdout
    assert stuck.pools().find("blue") is None


def test_what_was_deleted_just_now_is_left_to_the_manager(
    stuck: tenants.Tenant, admin_config: Path
) -> None:
    result = run(admin_config, "check", "-n", stuck.namespace, "--fix", "--yes", "-o", "json")

    assert (findings(result), left(stuck)) == ([], ["address", "claim"])
    assert result.stderr == "There is nothing that is safe to fix.\n"


@pytest.mark.usefixtures("later")
def test_without_fix_nothing_is_written_and_the_patch_is_shown(
    stuck: tenants.Tenant, admin_config: Path
) -> None:
    (fix,) = with_fix(run(admin_config, "check", "-n", stuck.namespace, "-o", "json"))

    version = stuck.addresses.get("web")["metadata"]["resourceVersion"]
    assert fix["check"] == "finalizer-stuck"
    assert fix["fix"] == {
        "action": f"remove the finalizer {PROTECT_ADDRESS_FINALIZER}",
        "patch": {"metadata": {"resourceVersion": version, "finalizers": []}},
    }


def test_yes_alone_is_a_mistake(stuck: tenants.Tenant, admin_config: Path) -> None:
    result = run(admin_config, "check", "-n", stuck.namespace, "--yes")

    assert (result.exit_code, left(stuck)) == (2, ["address", "claim"])
    assert "add --fix" in result.stderr


def test_without_a_terminal_fix_refuses(stuck: tenants.Tenant, admin_config: Path) -> None:
    result = run(admin_config, "check", "-n", stuck.namespace, "--fix")

    assert result.exit_code == 2
    assert "there is no terminal: add --yes" in result.stderr
    assert left(stuck) == ["address", "claim"]


@pytest.fixture
def ask(
    stuck: tenants.Tenant, admin_config: Path, monkeypatch: pytest.MonkeyPatch
) -> Generator[Callable[[bytes], int]]:
    """Return a function that types an answer, runs the command, and returns its exit code."""
    keyboard, terminal = pty.openpty()

    def answer(text: bytes) -> int:
        os.write(keyboard, text)
        with pytest.raises(SystemExit) as ended:
            main.main(["check", "--kubeconfig", str(admin_config), "-n", stuck.namespace, "--fix"])
        return int(ended.value.code or 0)

    with os.fdopen(terminal) as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        yield answer
    os.close(keyboard)


@pytest.mark.usefixtures("later")
def test_at_a_terminal_it_asks_first(stuck: tenants.Tenant, ask: Callable[[bytes], int]) -> None:
    assert (ask(b"n\n"), left(stuck)) == (1, ["address", "claim"])
    ask(b"y\n")
    assert left(stuck) == ["claim"]


@pytest.mark.usefixtures("later")
def test_an_object_that_somebody_changes_meanwhile_is_not_written(
    stuck: tenants.Tenant, admin_config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = session.run

    def run_after_a_change(*arguments: object, **options: object) -> object:
        if len(arguments) > 2:  # the rights of the write
            stuck.addresses.merge("web", {"metadata": {"labels": {"changed": "now"}}})
        return read(*arguments, **options)  # type: ignore[arg-type] # passed on as they are

    monkeypatch.setattr(session, "run", run_after_a_change)

    result = run(admin_config, "check", "-n", stuck.namespace, "--fix", "--yes")

    name = f"IPAddress {stuck.namespace}/web"
    assert f"{name} is not fixed: somebody has changed or deleted it meanwhile" in result.stderr
    assert (result.exit_code, left(stuck)) == (1, ["address", "claim"])


@pytest.mark.usefixtures("later")
def test_a_user_who_may_only_read_sees_the_missing_right(stuck: tenants.Tenant) -> None:
    reader = user(stuck, *READ)

    checked = run(reader, "check", "-n", stuck.namespace, "-o", "json")
    refused = run(reader, "check", "-n", stuck.namespace, "--fix", "--yes")

    assert findings(checked) == ["IPAddress"]
    assert (refused.exit_code, left(stuck)) == (1, ["address", "claim"])
    assert 'cannot patch resource "ipaddresses"' in refused.stderr
    assert refused.stderr.endswith(
        "--fix needs the verb patch on ipaddresses, ipaddressclaims and pools of the group "
        "ipam.cluster.x-k8s.io\n"
    )


@pytest.mark.usefixtures("later")
def test_get_list_watch_and_patch_are_enough(stuck: tenants.Tenant) -> None:
    run(user(stuck, *READ, "patch"), "check", "-n", stuck.namespace, "--fix", "--yes")

    assert left(stuck) == ["claim"]


@pytest.mark.usefixtures("later")
def test_nothing_is_fixed_if_clusters_cannot_be_read(
    stuck: tenants.Tenant, admin_config: Path
) -> None:
    label = {"cluster.x-k8s.io/cluster-name": "c1"}
    stuck.addresses.merge("web", {"metadata": {"labels": label}})

    of_reader, of_admin = (
        findings(run(config, "check", "-n", stuck.namespace, "-o", "json"))
        for config in (user(stuck, *READ), admin_config)
    )

    assert (of_reader, of_admin) == ([], ["IPAddress"])
