# SPDX-License-Identifier: Apache-2.0
"""The tab key after `kubectl ipam`: names of the cluster, and silence where there are none."""

import os
import socket
import subprocess
import time
from collections.abc import Generator
from pathlib import Path

import pytest
from plugin_runs import PROGRAM, READ, admin, allow, elsewhere

from envtest import contract
from envtest.controlplane import provider, tenants

pytestmark = pytest.mark.own_cluster  # global pools of other tests would be suggested, too


@pytest.fixture
def kubeconfig(tenant: tenants.Tenant) -> Path:
    tenant.add_pool("blue", "10.0.0.0/24")
    tenant.add_pool("both", "10.0.1.0/24")
    tenant.add_prefix_pool("both", "2001:db8::/56")
    return admin(tenant)


def suggested(kubeconfig: Path, *words: str) -> list[str]:
    """Return what kubectl gets for the last word, without the directive."""
    done = subprocess.run(
        [PROGRAM.parent / "kubectl_complete-ipam", *words],
        env=os.environ | {"KUBECONFIG": str(kubeconfig)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    *names, directive = done.stdout.splitlines()
    assert directive == ":4"
    return names


@pytest.mark.parametrize("command", [["show"], ["free"], ["reserve"], ["export", "--pool"]])
def test_pools(kubeconfig: Path, command: list[str]) -> None:
    assert suggested(kubeconfig, *command, "") == [
        "blue",
        "inclusterippool/both",
        "inclusterprefixpool/both",
    ]
    assert suggested(kubeconfig, *command, "bl") == ["blue"]


def test_pools_of_another_namespace(kubeconfig: Path, tenant: tenants.Tenant) -> None:
    assert suggested(kubeconfig, "show", "-n", "default", "") == []
    assert suggested(kubeconfig, "show", "-n", tenant.namespace, "bl") == ["blue"]
    assert "blue" in suggested(kubeconfig, "show", "-A", "b")


def test_namespaces(kubeconfig: Path, tenant: tenants.Tenant) -> None:
    assert suggested(kubeconfig, "pools", "-n", tenant.namespace[:-1]).count(tenant.namespace) == 1
    assert suggested(kubeconfig, "pools", "-n", "defau") == ["default"]


def test_a_shell_asks_without_kubectl(kubeconfig: Path) -> None:
    words = {"COMP_WORDS": "kubectl-ipam show bl", "COMP_CWORD": "2"}
    done = subprocess.run(
        [PROGRAM],
        env=os.environ
        | {"KUBECONFIG": str(kubeconfig), "_KUBECTL_IPAM_COMPLETE": "bash_complete"}
        | words,
        capture_output=True,
        text=True,
        check=True,
    )

    assert (done.stdout, done.stderr) == ("plain,blue\n", "")


@pytest.mark.usefixtures("kubeconfig")
def test_names_that_the_user_may_not_list_are_not_suggested(tenant: tenants.Tenant) -> None:
    name = f"few-{tenant.namespace}"
    rules = {"apiGroups": [contract.GROUP], "resources": ["inclusterippools"], "verbs": READ}
    allow(tenant.provider.admin, name, rules)
    config = tenant.provider.control_plane.kubeconfig(name, namespace=tenant.namespace)

    assert suggested(config, "show", "") == ["blue", "both"]
    assert suggested(config, "pools", "-n", "") == []


@pytest.fixture
def silent() -> Generator[int]:
    """Return a port that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        yield port


@pytest.mark.parametrize("words", [["show", ""], ["pools", "-n", ""]])
def test_an_unreachable_cluster_causes_no_message(
    kubeconfig: Path, tmp_path: Path, silent: int, words: list[str]
) -> None:
    began = time.monotonic()
    for port in (1, silent):
        away = elsewhere(kubeconfig, tmp_path, port)
        assert suggested(away, *words) == []

    assert suggested(tmp_path / "none", *words) == []
    assert time.monotonic() - began < 20  # a request alone may take 60 s


def test_the_marker_gives_a_module_its_own_cluster(
    provider: provider.Provider, own_provider: provider.Provider
) -> None:
    assert provider is own_provider
