# SPDX-License-Identifier: Apache-2.0
import json
from collections.abc import Mapping
from typing import cast

import pytest

from kube import client, errors, objects, resources
from webhook import inuse, live

GROUP = "ipam.cluster.x-k8s.io"
BLUE = objects.PoolKey("InClusterIPPool", "default", "blue")
WIDE = objects.PoolKey("GlobalInClusterIPPool", "", "wide")


def address(text: str, kind: str, pool: str, group: str = GROUP) -> dict[str, object]:
    reference = {"apiGroup": group, "kind": kind, "name": pool}
    return {
        "metadata": {"name": text, "namespace": "default"},
        "spec": {"address": text, "poolRef": reference},
    }


STORED = [
    address("10.0.0.1", BLUE.kind, BLUE.name),
    address("10.0.0.2", BLUE.kind, "red"),
    address("10.0.0.3", WIDE.kind, WIDE.name),
    address("10.0.0.4", BLUE.kind, BLUE.name, group="example.com"),
    address("10.0.0.5", BLUE.kind, BLUE.name),
]


class Pages:
    """An API server that serves CAPI in one version, and lists two objects a page."""

    def __init__(self, version: str = "v1beta2") -> None:
        self.version = version
        self.asked: list[str] = []
        self.broken = False
        self.page: bytes | None = None

    async def list(
        self,
        resource: resources.GroupVersionResource,
        namespace: str = "",
        params: Mapping[str, str] | None = None,
    ) -> bytes:
        if self.broken:
            raise errors.UnreachableError("GET", "cut off")
        if resource.version != self.version:
            raise errors.NotFoundError(404, "NotFound", "no such version", "GET")
        if not resource.plural:
            if "ipam" not in resource.group:
                raise errors.NotFoundError(404, "NotFound", "no clusters here", "GET")
            names = ("ipaddressclaims", "ipaddresses")
            return json.dumps({"resources": [{"name": name} for name in names]}).encode()
        self.asked.append(resource.path(namespace))
        start = int((params or {}).get("continue", "0"))
        following = str(start + 2) if start + 2 < len(STORED) else ""
        if self.page is not None:
            return self.page
        page = {"items": STORED[start : start + 2], "metadata": {"continue": following}}
        return json.dumps(page).encode()


def live_on(pages: Pages) -> live.Live:
    return live.Live(cast("client.Api", pages))  # lists are all that it asks for


async def test_the_addresses_of_a_pool_are_gathered_from_all_pages() -> None:
    pages = Pages()

    assert await live_on(pages).addresses_of(BLUE) == ["10.0.0.1", "10.0.0.5"]
    assert pages.asked == [f"/apis/{GROUP}/v1beta2/namespaces/default/ipaddresses"] * 3


async def test_those_of_a_global_pool_come_from_all_namespaces() -> None:
    pages = Pages()

    assert await live_on(pages).addresses_of(WIDE) == ["10.0.0.3"]
    assert pages.asked[0] == f"/apis/{GROUP}/v1beta2/ipaddresses"


async def test_an_upgrade_of_cluster_api_is_noticed() -> None:
    pages = Pages("v1beta1")
    asked = live_on(pages)
    await asked.addresses_of(BLUE)

    pages.version = "v1beta2"

    assert await asked.addresses_of(BLUE) == ["10.0.0.1", "10.0.0.5"]


async def test_without_cluster_api_nothing_is_in_use() -> None:
    assert await live_on(Pages("none")).addresses_of(BLUE) == []


async def test_an_api_server_that_does_not_answer_is_no_empty_list() -> None:
    pages = Pages()
    pages.broken = True

    with pytest.raises(inuse.InUseError, match=r"^the IPAddresses of InClusterIPPool default/blue"):
        await live_on(pages).addresses_of(BLUE)


@pytest.mark.parametrize(
    "page",
    [
        b"<html>a proxy's page</html>",
        b'{"items": "none", "metadata": {}}',
        b'{"items": [{"metadata": {"name": "without-a-pool"}, "spec": {}}], "metadata": {}}',
    ],
)
async def test_an_answer_that_cannot_be_read_is_no_empty_list(page: bytes) -> None:
    pages = Pages()
    pages.page = page

    with pytest.raises(inuse.InUseError, match="cannot be read"):
        await live_on(pages).addresses_of(BLUE)


async def test_what_is_wrong_elsewhere_in_an_address_does_not_free_it() -> None:
    pages = Pages()
    item = address("10.0.0.1", BLUE.kind, BLUE.name)
    item["spec"] = {**cast("dict[str, object]", item["spec"]), "prefix": "a text"}
    pages.page = json.dumps({"items": [item], "metadata": {}}).encode()

    assert await live_on(pages).addresses_of(BLUE) == ["10.0.0.1"]
