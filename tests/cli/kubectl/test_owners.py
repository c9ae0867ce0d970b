# SPDX-License-Identifier: Apache-2.0
"""Chains of owners, where some of the owners are gone or cannot be read."""

import pytest
from snapshots import Objects
from typing_extensions import override

from cli.kubectl.owners import Owners
from kube.discovery import RestMapper
from kube.errors import UnreachableError
from kube.resources import ApiResource
from kube.testing.fake import FakeApi, Json

MACHINES = ApiResource("cluster.x-k8s.io", "v1beta2", "Machine", "machines")
VMS = ApiResource("infrastructure.example.com", "v1", "VM", "vms")


class Page(FakeApi):
    """A proxy that answers with a page instead of an object."""

    @override
    async def get(self, resource: ApiResource, namespace: str, name: str) -> bytes:
        return b"<html>Log in</html>"


def reference(resource: ApiResource, name: str) -> Json:
    api_version, uid = resource.api_version, f"uid-of-{name}"
    return {"apiVersion": api_version, "kind": resource.kind, "name": name, "uid": uid}


def owners(api: FakeApi) -> Owners:
    """Return a reader that has looked up how the kinds are called."""
    resources = {(each.group, each.version, each.kind): each for each in (VMS, MACHINES)}
    return Owners(api, RestMapper(resources))


async def test_an_owner_that_is_deleted_ends_no_chain_but_its_own() -> None:
    objects = Objects()
    names = ("a", "b", "c", "d")
    for name in names:
        objects.claim(name, ownerReferences=[reference(VMS, f"vm-{name}")])
    for name in names[1:]:
        meta: Json = {"name": f"vm-{name}", "namespace": "default", "uid": f"uid-of-vm-{name}"}
        meta["ownerReferences"] = [reference(MACHINES, f"machine-{name}")]
        objects.api.put(VMS, {"metadata": meta})
    claims = (await objects.snapshot()).claims.values()

    chains = await owners(objects.api).chains(claims)

    machines = {key.name: chain.machine for key, chain in chains.items()}
    assert machines == {"a": "VM vm-a", "b": "machine-b", "c": "machine-c", "d": "machine-d"}


async def test_an_answer_that_no_api_server_sends_is_an_error_with_a_text() -> None:
    objects = Objects()
    objects.claim("a", ownerReferences=[reference(VMS, "vm")])
    claims = (await objects.snapshot()).claims.values()

    with pytest.raises(UnreachableError, match="GET VM"):
        await owners(Page()).chains(claims)
