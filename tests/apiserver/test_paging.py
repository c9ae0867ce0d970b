# SPDX-License-Identifier: Apache-2.0
"""Lists in pages, on a real API server whose history is compacted away in between."""

import json
from contextlib import closing

import pytest

from envtest.controlplane import control_plane, provider, tenants
from kube import client, connect, errors
from kube.resources import ApiResource

CONFIG_MAPS = ApiResource("", "v1", "ConfigMap", "configmaps")
NAMES = ["a", "b", "c", "d", "e"]


@pytest.fixture
def maps(tenant: tenants.Tenant, monkeypatch: pytest.MonkeyPatch) -> str:
    """Make some objects, of which two fit in a page; return their namespace."""
    monkeypatch.setattr(client, "_PAGE", 2)
    store = tenant.provider.admin.resource("v1", "configmaps", tenant.namespace)
    for name in NAMES:
        store.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}})
    return tenant.namespace


async def listed(own: provider.Provider, namespace: str, names: list[str]) -> None:
    """List into `names` while history is compacted away after the first page."""
    config = own.control_plane.kubeconfig("lister", [control_plane.ADMIN_GROUP])
    connection = await connect.connect(str(config), "test")
    try:
        api = client.Client(connection)
        pages = client.pages(api, CONFIG_MAPS, namespace, start_over=names.clear)
        async for page in pages:
            names += [json.loads(bytes(raw))["metadata"]["name"] for raw in page.items or ()]
            if names == NAMES[:2]:
                compact(own, namespace)
    finally:
        await connection.close()


def compact(own: provider.Provider, namespace: str) -> None:
    """Delete an object of the first page, and forget what was before."""
    store = own.admin.resource("v1", "configmaps", namespace)
    store.delete("a")
    with closing(own.control_plane.etcd_client()) as etcd:
        etcd.compact(etcd.revision())
    own.control_plane.apiserver.kill()  # which has pages in memory that outlive a compaction
    own.control_plane.start()


async def test_a_list_whose_history_is_compacted_away_shows_the_present_state(
    provider: provider.Provider, maps: str
) -> None:
    names = list[str]()

    await listed(provider, maps, names)

    assert names == ["b", "c", "d", "e"]  # not what was deleted since the first page


async def test_a_continue_token_that_expired_is_an_error_that_says_so(
    provider: provider.Provider, maps: str
) -> None:
    config = provider.control_plane.kubeconfig("lister", [control_plane.ADMIN_GROUP])
    connection = await connect.connect(str(config), "test")
    try:
        pages = client.pages(client.Client(connection), CONFIG_MAPS, maps)
        await anext(pages)
        compact(provider, maps)

        with pytest.raises(errors.GoneError, match="Expired"):
            await anext(pages)
    finally:
        await connection.close()
