# SPDX-License-Identifier: Apache-2.0
"""Where the API server is: a kubeconfig, and a proxy where the environment names one."""

from pathlib import Path

import pytest
import yaml

from kube.connect import connect
from kube.errors import ConfigError

PROXY = "http://proxy.example:3128"


@pytest.fixture
def kubeconfig(tmp_path: Path) -> str:
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": "https://api.example:6443/"}}],
        "users": [{"name": "u", "user": {"token": "secret"}}],
    }
    file = tmp_path / "kubeconfig"
    file.write_text(yaml.safe_dump(config))
    return str(file)


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


async def proxy_of(kubeconfig: str) -> str | None:
    connection = await connect(kubeconfig, "test")
    proxy = connection.session._default_proxy
    assert not connection.session.trust_env  # it would be read again for each request
    await connection.close()
    return None if proxy is None else str(proxy)


async def test_without_a_proxy_requests_go_straight(kubeconfig: str) -> None:
    assert await proxy_of(kubeconfig) is None


async def test_the_proxy_of_the_environment_is_used(
    kubeconfig: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", PROXY)

    assert await proxy_of(kubeconfig) == PROXY


@pytest.mark.parametrize("hosts", ["api.example", ".example", "other,api.example:6443", "*"])
async def test_hosts_that_need_no_proxy_are_reached_without(
    kubeconfig: str, monkeypatch: pytest.MonkeyPatch, hosts: str
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", PROXY)
    monkeypatch.setenv("NO_PROXY", hosts)

    assert await proxy_of(kubeconfig) is None


async def test_who_we_are_is_in_the_header(kubeconfig: str) -> None:
    connection = await connect(kubeconfig, "test")

    assert await connection.authorization() == {"Authorization": "Bearer secret"}
    assert connection.host == "https://api.example:6443"
    await connection.close()


async def test_a_kubeconfig_that_is_none_is_named(tmp_path: Path) -> None:
    file = tmp_path / "broken"
    file.write_text("[")

    with pytest.raises(ConfigError, match=r"broken.*--kubeconfig FILE"):
        await connect(str(file), "test")
