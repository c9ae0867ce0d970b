# SPDX-License-Identifier: Apache-2.0
"""The samples are good examples: they fit the models, offer addresses, and do on a real cluster."""

import json
import os
import subprocess
from collections.abc import Callable, Generator
from functools import partial
from pathlib import Path

import jsonschema
import msgspec
import pytest
import yaml

from api import kinds
from conversion import registry
from crdkit.models import model
from crdkit.render import editor
from crdkit.schema import crds
from envtest import contract, manifests, waiting
from envtest.client import Json, Resource
from envtest.controlplane import binaries, control_plane, tenants
from objects import pools

FOLDER = Path(__file__).parent.parent.parent / "config" / "samples"
FILES = sorted(set(FOLDER.glob("*.yaml")) - {FOLDER / "kustomization.yaml"})
DOCUMENTS: list[Json] = [
    document for file in FILES for document in yaml.safe_load_all(file.read_text())
]
POOLS = [document for document in DOCUMENTS if document["kind"] in manifests.POOL_PLURALS]
CLAIMS = [document for document in DOCUMENTS if document["kind"] == "IPAddressClaim"]
MODELS = {
    (f"{kind.resource.group}/{kind.version.name}", kind.__name__): kind for kind in kinds.KINDS
}
SCHEMAS = {
    path: json.loads(text)
    for path, text in editor.files(crds.definitions(kinds.KINDS), "x").items()
}
HUB = f"{contract.GROUP}/{pools.HUB}"

Kubectl = Callable[..., str]

every_pool = pytest.mark.parametrize(
    "pool", POOLS, ids=lambda it: f"{it['apiVersion']}-{it['kind']}-{it['metadata']['name']}"
)


def model_of(pool: Json) -> type[model.Object]:
    return MODELS[pool["apiVersion"], pool["kind"]]


def resource_of(pool: Json, user: tenants.Tenant) -> Resource:
    return user.pools(pool["kind"], pool["apiVersion"].rpartition("/")[2])


@pytest.fixture
def user(tenant: tenants.Tenant) -> Generator[tenants.Tenant]:
    """A tenant whose claims, and the global pools among the samples, are gone afterwards."""
    yield tenant
    tenant.release(*(claim["metadata"]["name"] for claim in tenant.claims.list()))
    for pool in POOLS:
        resource, name = resource_of(pool, tenant), pool["metadata"]["name"]
        if resource.find(name):
            resource.delete(name)
            what = f"{pool['kind']} {name} is gone"
            waiting.until(what, partial(resource.find, name), lambda found: found is None)


@pytest.fixture
def kubectl(user: tenants.Tenant) -> Kubectl:
    """Run kubectl in the tenant's namespace, and demand that it succeeds."""
    plane = user.provider.control_plane
    name = f"samples-{user.namespace}"
    config = plane.kubeconfig(name, [control_plane.ADMIN_GROUP], user.namespace)
    environment = {"KUBECONFIG": str(config), "KUBECACHEDIR": str(plane.folder / "kubectl-cache")}

    def run(*arguments: object) -> str:
        command = [str(binaries.find(binaries.KUBECTL)), *map(str, arguments)]
        done = subprocess.run(
            command, env=os.environ | environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def test_kustomize_takes_every_file() -> None:
    listed = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())["resources"]

    assert sorted(listed) == [file.name for file in FILES]


def test_there_is_a_sample_of_every_kind_in_every_version() -> None:
    assert {(pool["apiVersion"], pool["kind"]) for pool in POOLS} == MODELS.keys()


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_file_has_pools_of_the_version_and_kind_in_its_name(file: Path) -> None:
    names = {
        f"{found['apiVersion'].rpartition('/')[2]}_{found['kind'].lower()}"
        for found in yaml.safe_load_all(file.read_text())
        if found["kind"] in manifests.POOL_PLURALS
    }

    assert names in ({file.stem}, set[str]())


@every_pool
def test_a_pool_fits_its_model(pool: Json) -> None:
    assert model_of(pool).model_validate(pool).as_json() == pool


@every_pool
def test_no_editor_underlines_anything_in_a_pool(pool: Json) -> None:
    group, version = pool["apiVersion"].split("/")
    own = Path(group, f"{pool['kind'].lower()}_{version}.json")

    for path in (own, Path("all.json")):
        jsonschema.validate(pool, SCHEMAS[path])  # of the draft that the schema names


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda it: it["metadata"]["name"])
def test_a_claim_names_a_pool_among_the_samples(claim: Json) -> None:
    reference = claim["spec"]["poolRef"]
    offered = {(pool["kind"], pool["metadata"]["name"]) for pool in POOLS}

    assert (reference["kind"], reference["name"]) in offered
    assert reference["apiGroup"] == contract.GROUP


@every_pool
def test_a_pool_offers_addresses_and_leaves_nothing_to_remark(pool: Json) -> None:
    hub = msgspec.convert(registry.REGISTRY.convert(pool, HUB), pools.Pool)

    offered = pools.address_set_of(hub)

    assert (offered.errors, offered.warnings) == ((), ())
    assert offered.total > 0


@every_pool
def test_a_pool_comes_back_from_the_api_server_as_written(user: tenants.Tenant, pool: Json) -> None:
    deprecation = [f'299 - "{text}"' for text in [model_of(pool).version.deprecated] if text]
    resource, name = resource_of(pool, user), pool["metadata"]["name"]

    answer = resource.submit(pool)

    # Other warnings are of pools of other tests, which use the same addresses.
    assert [text for text in answer.warnings if "deprecated" in text] == deprecation
    complete = model_of(pool).model_validate(pool).model_dump(mode="json", exclude_none=True)
    for found in (answer.body, resource.get(name)):
        assert found["apiVersion"] == pool["apiVersion"]
        assert found["spec"] == complete["spec"]


@every_pool
def test_a_pool_applied_on_the_server_comes_back_as_written(
    user: tenants.Tenant, pool: Json
) -> None:
    resource = resource_of(pool, user)

    resource.apply(pool)

    complete = model_of(pool).model_validate(pool).model_dump(mode="json", exclude_none=True)
    assert resource.get(pool["metadata"]["name"])["spec"] == complete["spec"]


@pytest.mark.parametrize(
    "what",
    [["-k", FOLDER], [part for file in FILES for part in ("-f", file)]],
    ids=["kustomize", "plain"],
)
def test_kubectl_applies_them_all_and_every_claim_gets_an_address(
    user: tenants.Tenant, kubectl: Kubectl, what: list[object]
) -> None:
    created = kubectl("apply", *what).splitlines()
    again = kubectl("apply", *what).splitlines()

    assert [line for line in created if not line.endswith(" created")] == []
    assert len(created) == len(again) == len(DOCUMENTS)
    assert [line for line in again if not line.endswith(" unchanged")] == []
    for claim in CLAIMS:
        address = user.address(claim["metadata"]["name"])
        assert address["spec"]["poolRef"] == claim["spec"]["poolRef"]
