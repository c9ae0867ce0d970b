# SPDX-License-Identifier: Apache-2.0
import json
import stat
from pathlib import Path
from typing import Any

import pytest
import yaml

from envtest import errors
from envtest.controlplane import capi

CLAIMS = "ipaddressclaims.ipam.cluster.x-k8s.io"


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def install_go(folder: Path, script: str) -> None:
    go = folder / "go"
    go.write_text(f"#!/bin/sh\n{script}\n")
    go.chmod(go.stat().st_mode | stat.S_IXUSR)


def versions(series: str, name: str) -> dict[str, dict[str, Any]]:
    crd = next(crd for crd in capi.crds(series) if crd["metadata"]["name"] == name)
    return {version["name"]: version for version in crd["spec"]["versions"]}


@pytest.mark.parametrize(
    ("series", "served"),
    [
        ("v1.14", {"v1beta2", "v1beta1", "v1alpha1"}),
        ("v1.13", {"v1beta2", "v1beta1", "v1alpha1"}),
        ("v1.10", {"v1beta1", "v1alpha1"}),
    ],
)
def test_a_series_serves_versions_up_to_that_of_its_contract_which_it_stores(
    series: str, served: set[str]
) -> None:
    found = versions(series, CLAIMS)

    assert {name for name, version in found.items() if version["served"]} == served
    stored = [name for name, version in found.items() if version["storage"]]
    assert stored == [capi.SERIES[series].contract] == [max(served)]


@pytest.mark.parametrize("series", capi.SERIES)
def test_the_source_holds_what_a_release_of_the_core_is_made_of(series: str) -> None:
    source = capi.source(series)
    metadata = yaml.safe_load((source / "metadata.yaml").read_text())
    major, minor = map(int, series.removeprefix("v").split("."))

    assert (capi.config(series) / "default" / "kustomization.yaml").is_file()
    assert (source / capi.SERIES[series].core / "main.go").is_file()
    assert (major, minor) in {(each["major"], each["minor"]) for each in metadata["releaseSeries"]}


def test_the_crds_of_cert_manager_are_those_of_its_issuers_and_certificates() -> None:
    found = {path.name for path in capi.cert_manager_crds()}

    kinds = ("certificaterequests", "certificates", "clusterissuers", "issuers")
    assert found >= {f"cert-manager.io_{kind}.yaml" for kind in kinds}


def test_only_the_module_that_is_asked_for_is_fetched(path: Path) -> None:
    install_go(path, f"""echo "$*" > {path}/asked; echo '{json.dumps({"Dir": "/there"})}'""")

    found = capi.source(capi.OLDEST)

    asked = (path / "asked").read_text()
    assert found == Path("/there")
    assert "hack/tools/clusterapi/v1.10 mod download -json sigs.k8s.io/cluster-api\n" in asked


def test_a_module_that_cannot_be_fetched_is_an_error_with_what_go_said(path: Path) -> None:
    install_go(path, "echo 'dial tcp: no route to host' >&2; exit 1")

    with pytest.raises(errors.BuildError, match="no route to host") as failed:
        capi.cert_manager_crds()

    assert failed.value.what.startswith("go mod download github.com/cert-manager/cert-manager in")


@pytest.mark.usefixtures("path")
def test_without_go_the_error_names_the_module() -> None:
    with pytest.raises(errors.MissingToolError, match=r"^sigs\.k8s\.io/cluster-api is not"):
        capi.source(capi.NEWEST)
