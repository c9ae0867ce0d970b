# SPDX-License-Identifier: Apache-2.0
import itertools
import json
from contextlib import closing

import pytest

from envtest import errors, etcd, tenants


def test_changes_are_the_history_of_a_prefix_deletions_included(tenant: tenants.Tenant) -> None:
    with closing(tenant.provider.control_plane.etcd_client()) as store:
        start = store.revision() + 1
        tenant.add_claim("web", "blue")
        tenant.release("web")

        prefix = f"/registry/ipam.cluster.x-k8s.io/ipaddressclaims/{tenant.namespace}/"
        changes = until_deleted(store, prefix, start)

    assert {change.key for change in changes} == {f"{prefix}web"}
    assert [change.revision for change in changes] == sorted(change.revision for change in changes)
    assert json.loads(changes[0].value or b"")["spec"]["poolRef"]["name"] == "blue"
    assert changes[-1].value is None


def until_deleted(store: etcd.Etcd, prefix: str, start: int) -> list[etcd.Change]:
    found: list[etcd.Change] = []
    for change in store.changes(prefix, start):
        found.append(change)
        if change.value is None:
            break
    return found


def test_history_that_was_compacted_away_is_said_to_be_lost(tenant: tenants.Tenant) -> None:
    with closing(tenant.provider.control_plane.etcd_client()) as store:
        start = store.revision()
        tenant.add_claim("web", "blue")
        store.compact(store.revision())

        with pytest.raises(errors.LostHistoryError):
            list(itertools.islice(store.changes("/registry/", start), 1))
