# SPDX-License-Identifier: Apache-2.0
"""etcd is restored from a backup while a manager runs: what it has learned since never was."""

import itertools
import time
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

from envtest import plugin, waiting
from envtest.chaos import backups
from envtest.controlplane import manager, provider, tenants

NOTICED_SECONDS = 60.0  # within this a manager notices a restore, though nobody writes anything
FURTHER = 300  # revisions after the backup: more than a start of everything writes
NUMBERS = itertools.count(1)


@pytest.fixture(scope="module", params=[manager.LEASE_FLAGS, ()], ids=["elected", "alone"])
def cluster(
    request: pytest.FixtureRequest, make_log_folder: plugin.MakeFolder
) -> Generator[provider.Provider]:
    folder = make_log_folder() / ("elected" if request.param else "alone")
    folder.mkdir()
    with provider.Provider(folder, flags=request.param) as own:
        yield own


@pytest.fixture
def tenant(cluster: provider.Provider) -> tenants.Tenant:
    return tenants.Tenant(cluster, cluster.new_namespace(f"restore-{next(NUMBERS)}"))


@pytest.fixture
def backup(tmp_path: Path) -> Path:
    return tmp_path / "backup"


def move_on(tenant: tenants.Tenant) -> None:
    """Use up revisions as a cluster does with time."""
    namespaces = tenant.provider.admin.resource("v1", "namespaces")
    for number in range(FURTHER):
        namespaces.merge(tenant.namespace, {"metadata": {"labels": {"number": str(number)}}})


def restore(tenant: tenants.Tenant, backup: Path) -> None:
    plane = tenant.provider.control_plane
    backups.put_back(plane, backup)
    plane.start()


def starts_again(own: provider.Provider) -> int:
    return own.manager.log.read_text().count("caches start again")


def test_addresses_stay_unique_against_what_exists_after_a_restore(
    tenant: tenants.Tenant, backup: Path
) -> None:
    tenant.add_pool("blue", "10.0.0.1-10.0.0.9", allocateReservedIPAddresses=True)
    for name in ("old", "stays"):
        tenant.add_claim(name, "blue")
        tenant.bound(name)
    backups.take(tenant.provider.control_plane, backup)
    tenant.release("old")  # so the manager knows 10.0.0.1 as free
    move_on(tenant)

    restore(tenant, backup)
    tenant.add_claim("new", "blue")

    assert tenant.bound("old", "stays", "new") == ["10.0.0.1", "10.0.0.2", "10.0.0.3"]


def test_what_came_after_the_backup_is_forgotten(tenant: tenants.Tenant, backup: Path) -> None:
    tenant.add_pool("blue", "10.0.0.1-10.0.0.2", allocateReservedIPAddresses=True)
    backups.take(tenant.provider.control_plane, backup)
    for name in ("lost", "too"):
        tenant.add_claim(name, "blue")
    tenant.bound("lost", "too")
    move_on(tenant)

    restore(tenant, backup)
    for name in ("lost", "new"):
        tenant.add_claim(name, "blue")

    assert sorted(tenant.bound("lost", "new")) == ["10.0.0.1", "10.0.0.2"]


def test_a_manager_notices_a_restore_though_nobody_writes(
    tenant: tenants.Tenant, backup: Path, record_property: Callable[[str, object], None]
) -> None:
    own = tenant.provider
    tenant.add_pool("blue", "10.0.0.1-10.0.0.2")
    backups.take(own.control_plane, backup)
    move_on(tenant)
    tenant.add_claim("later", "blue")
    tenant.bound("later")  # else the manager may know nothing of what came after the backup
    before = starts_again(own)

    restore(tenant, backup)
    ready = time.monotonic()
    waiting.until(
        "it lists anew", lambda: starts_again(own), lambda now: now > before, NOTICED_SECONDS
    )

    record_property("noticed after", f"{time.monotonic() - ready:.1f} s")
