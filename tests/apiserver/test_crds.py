# SPDX-License-Identifier: Apache-2.0
"""The API server accepts our CRDs, without a word of complaint."""

import pytest

from api import kinds
from envtest import client, contract
from envtest.controlplane import install

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
NAMES = sorted({kind.resource.name for kind in kinds.KINDS})


def test_every_kind_is_served_in_each_of_its_versions(admin: client.Client) -> None:
    declared = {(kind.version.name, kind.resource.plural) for kind in kinds.KINDS}

    served = {
        (version, resource["name"])
        for version in ("v1alpha1", "v1alpha2")
        for resource in admin.request("GET", f"/apis/{contract.GROUP}/{version}").body["resources"]
    }

    assert declared <= served


@pytest.mark.parametrize("name", NAMES)
def test_every_schema_is_structural(name: str, admin: client.Client) -> None:
    conditions = install.conditions(admin, name)

    assert conditions["Established"]["status"] == "True"
    assert "NonStructuralSchema" not in conditions


@pytest.mark.parametrize("name", NAMES)
def test_the_api_server_warns_of_nothing_in_them(name: str, admin: client.Client) -> None:
    [shipped] = [found for found in install.shipped() if found["metadata"]["name"] == name]
    shipped["spec"].pop("conversion", None)  # a Service is no URL, that is all that differs here
    query = {"dryRun": "All", "fieldManager": "test", "force": "true", "fieldValidation": "Strict"}

    answer = admin.request(
        "PATCH", f"{CRDS}/{name}", shipped, content_type=client.APPLY, query=query
    )

    assert answer.warnings == ()
