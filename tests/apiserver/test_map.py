# SPDX-License-Identifier: Apache-2.0
"""`kubectl ipam map` as a user starts it, on a real API server."""

import json
import os
import signal
import subprocess
import urllib.error
import urllib.request
from collections.abc import Generator
from contextlib import contextmanager
from http.client import HTTPResponse
from pathlib import Path

import pytest
from plugin_runs import PROGRAM, READ, allow, elsewhere, run, user

from envtest import contract, manifests, waiting
from envtest.client import Json
from envtest.controlplane import relay, tenants

NOBODY = 1  # a port on which nobody listens


@pytest.fixture
def kubeconfig(tenant: tenants.Tenant) -> Path:
    """Return the kubeconfig of somebody who may read our group, and nothing else."""
    return user(tenant, *READ)


@contextmanager
def serving(kubeconfig: Path, *flags: str) -> Generator[str]:
    """Run the command for the length of a block, and end it as Ctrl-C does."""
    process = subprocess.Popen(
        [PROGRAM, "map", "--no-open", *flags],
        env=os.environ | {"KUBECONFIG": str(kubeconfig)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.send_signal(signal.SIGINT)
        printed, errors = process.communicate(timeout=30)
    assert (process.returncode, printed, errors) == (0, "", "")


def opened(url: str) -> HTTPResponse:
    answer: HTTPResponse = urllib.request.urlopen(url, timeout=20)  # noqa: S310 - it is ours
    return answer


def read(url: str) -> str:
    with opened(url) as answer:
        return answer.read().decode()


def test_the_page_follows_the_cluster(tenant: tenants.Tenant, kubeconfig: Path) -> None:
    tenant.add_pool("blue", "10.66.1.0/24", gateway="10.66.1.1")
    tenant.add_claim("web", "blue")
    tenant.bound("web")

    with serving(kubeconfig) as url, opened(f"{url}events") as events:
        page = f"{url}pools/InClusterIPPool/{tenant.namespace}/blue"
        assert url.startswith("http://127.0.0.1:")
        assert f"10.66.1.2, used, claim {tenant.namespace}/web" in read(page)
        assert "10.66.1.3, free" in read(page)
        assert tenant.namespace in read(url)

        tenant.add_claim("late", "blue")
        tenant.bound("late")
        label = f"10.66.1.3, used, claim {tenant.namespace}/late"
        waiting.until("the page has the claim", lambda: read(page), lambda text: label in text)
        assert events.readline() == b"event: state\n"


def states(events: HTTPResponse) -> Generator[Json]:
    """Yield what the service says about itself, as long as the test looks."""
    for line in events:
        if line.startswith(b"data: "):
            yield json.loads(line.removeprefix(b"data: "))


def test_a_page_says_that_the_api_server_is_away_until_it_is_back(
    tenant: tenants.Tenant, kubeconfig: Path, tmp_path: Path
) -> None:
    port = int(tenant.provider.control_plane.server.rpartition(":")[2])
    with relay.Relay(port) as between:
        path = elsewhere(kubeconfig, tmp_path, between.port)
        with serving(path) as url, opened(f"{url}events") as events:
            state = states(events)
            assert next(state)["failure"] == ""

            between.route(NOBODY)
            away = next(each for each in state if each["failure"])
            between.route(port)
            tenant.add_pool("new", "10.66.9.0/24")
            back = next(each for each in state if not each["failure"])

    assert away["failure"].startswith("the API server cannot be reached: ")
    assert back["generation"] >= away["generation"]


def test_a_file_has_the_pools_of_a_namespace(
    tenant: tenants.Tenant, kubeconfig: Path, tmp_path: Path
) -> None:
    tenant.add_pool("blue", "10.66.2.0/24")
    tenant.add_claim("web", "blue")
    tenant.bound("web")
    file = tmp_path / "map.html"

    result = run(kubeconfig, "map", "--export", str(file), "-n", tenant.namespace)

    assert (result.exit_code, result.stdout) == (0, "")
    assert f'id="InClusterIPPool/{tenant.namespace}/blue/10.66.2.1"' in file.read_text()
    missing = run(kubeconfig, "map", "--export", str(tmp_path / "none" / "map.html"))
    assert missing.exit_code == 3
    assert "cannot be written: No such file or directory" in missing.stderr


def test_manifests_show_what_they_would_change(
    tenant: tenants.Tenant, kubeconfig: Path, tmp_path: Path
) -> None:
    tenant.add_pool("blue", "10.66.3.1-10.66.3.3")
    tenant.add_claim("web", "blue")
    tenant.bound("web")
    file, exported = tmp_path / "pools.yaml", tmp_path / "map.html"
    spec = {"addresses": ["10.66.3.1-10.66.3.2", "10.66.3.9"], "prefix": 24}
    body = manifests.pool("blue", spec)  # in the namespace of the context
    file.write_text(json.dumps(body) + "\n---\n" + json.dumps(manifests.pool("new", spec)))

    with serving(kubeconfig, "-f", str(file), "--namespace", tenant.namespace) as url:
        base, query = url.split("?")
        page = f"{base}pools/InClusterIPPool/{tenant.namespace}/blue?{query}"
        overview = read(url)
        assert "10.66.3.9, gained" in read(page)
        assert "10.66.3.3, lost" in read(page)
        tenant.add_claim("late", "blue")
        tenant.bound("late")
        label = f"10.66.3.2, used, claim {tenant.namespace}/late"
        waiting.until("the page has the claim", lambda: read(page), lambda text: label in text)
        tenant.add_claim("last", "blue")
        tenant.bound("last")
        text = waiting.until("it is stranded", lambda: read(page), lambda it: "stranded" in it)
        assert "10.66.3.3, stranded, claim" in text
        assert "1 IPAddress in use would no longer be in the pool" in text
    result = run(kubeconfig, "map", "-f", str(file), "--export", str(exported))

    assert f"kubectl apply --namespace {tenant.namespace} -f {file}" in overview
    assert f"InClusterIPPool {tenant.namespace}/new</a>" in overview
    assert result.exit_code == 0
    assert "10.66.3.9, gained" in exported.read_text()
    assert tenant.pools().get("blue")["spec"]["addresses"] == ["10.66.3.1-10.66.3.3"]


def test_a_file_that_cannot_be_read(kubeconfig: Path, tmp_path: Path) -> None:
    file = tmp_path / "pools.yaml"
    file.write_text("a: [")

    results = [run(kubeconfig, "map", "-f", str(it)) for it in (file, tmp_path / "none.yaml")]

    assert [each.exit_code for each in results] == [3, 3]
    assert results[0].stderr.startswith(f"{file}: line 1, column 5: ")
    assert results[1].stderr == f"{tmp_path}/none.yaml: No such file or directory\n"


def test_without_the_right_to_watch_one_line_says_so(tenant: tenants.Tenant) -> None:
    name = f"list-{tenant.namespace}"
    rules = {"apiGroups": [contract.GROUP], "resources": ["*"], "verbs": ["get", "list"]}
    allow(tenant.provider.admin, name, rules)

    result = run(tenant.provider.control_plane.kubeconfig(name), "map", "--no-open")

    assert result.exit_code == 3
    assert 'cannot watch resource "' in result.stderr


def test_a_port_that_is_taken(kubeconfig: Path) -> None:
    with serving(kubeconfig) as url:
        port = url.split(":")[2].partition("/")[0]
        result = run(kubeconfig, "map", "--no-open", "--port", port)

    assert result.exit_code == 3
    assert result.stderr.startswith(f"port {port}: Address already in use")


def test_two_maps_do_not_mix(tenant: tenants.Tenant, kubeconfig: Path, tmp_path: Path) -> None:
    tenant.add_pool("blue", "10.66.4.0/24")
    file = tmp_path / "pools.json"
    file.write_text(json.dumps(manifests.pool("blue", {"addresses": ["10.66.4.1"], "prefix": 24})))
    with serving(kubeconfig, "-f", str(file)) as one, serving(kubeconfig) as other:
        (_, _, port, token, query) = one.split("/")
        foreign = other.split("/")[3]
        assert "10.66.4.2-10.66.4.254" in read(one)
        answers = [
            refused(url)
            for url in (
                f"http://{port}/{foreign}/",
                f"{other}{query}",
                other.replace(foreign, token),
            )
        ]

    assert answers == [404] * 3


def refused(url: str) -> int:
    """Return the status of an answer that is an error."""
    with pytest.raises(urllib.error.HTTPError) as caught:
        read(url)
    caught.value.close()
    return caught.value.code
