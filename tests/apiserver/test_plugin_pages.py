# SPDX-License-Identifier: Apache-2.0
"""What the how-to pages about `kubectl ipam` tell their readers to run works as it stands there."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import terminal_pictures

from cli.kubectl.check import finding
from envtest.controlplane import binaries, control_plane, provider, tenants
from generator import programs

pytestmark = pytest.mark.own_cluster  # the commands show all namespaces

HOW_TO = Path(__file__).parents[2] / "docs" / "how-to"
BLOCK = re.compile(r"^```bash\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MANIFEST = re.compile(r"^```yaml\n(.*?)^```$", re.MULTILINE | re.DOTALL)
KUBECTL = Path(binaries.find(binaries.KUBECTL))


@pytest.fixture
def environment(tenant: tenants.Tenant) -> dict[str, str]:
    """Return the environment of somebody who has the program and a namespace."""
    plane = tenant.provider.control_plane
    name = f"pages-{tenant.namespace}"
    config = plane.kubeconfig(name, [control_plane.ADMIN_GROUP], tenant.namespace)
    return os.environ | {
        "KUBECONFIG": str(config),
        "KUBECACHEDIR": str(plane.folder / "kubectl-cache"),
        "PATH": f"{KUBECTL.parent}:{Path(sys.executable).parent}:{os.environ['PATH']}",
    }


def run(commands: str, environment: dict[str, str], folder: Path) -> str:
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{commands}\n{done.stderr}"
    return done.stdout


def blocks(page: str) -> list[str]:
    return BLOCK.findall((HOW_TO / page).read_text())


def test_find_an_address(
    tenant: tenants.Tenant, environment: dict[str, str], tmp_path: Path
) -> None:
    tenant.add_pool("blue", "10.0.0.0/24", gateway="10.0.0.1")
    tenant.add_claim("web", "blue")
    assert tenant.bound("web") == ["10.0.0.2"]

    printed = [run(block, environment, tmp_path) for block in blocks("find-an-address.md")]

    assert f"InClusterIPPool {tenant.namespace}/blue" in printed[0]
    assert "nobody has it" in printed[1]
    assert printed[4].count("10.0.0.2") > 0
    assert printed[7].splitlines() == [
        "address 10.0.0.42 is reserved by IPAddressClaim printer",
        "IPAddressClaim printer is deleted; 10.0.0.42 is released",
    ]
    assert "10.0.0.2\tweb\n" in printed[8]
    assert printed[5].splitlines()[1:4] == ["10.0.0.3", "10.0.0.4", "10.0.0.5"]


def test_each_help_begins_with_an_example() -> None:
    found = [it for it in programs.commands() if it.name.startswith("kubectl-ipam")]

    assert len(found) > 3
    for command in found:
        assert command.description.startswith("```console\nkubectl ipam "), command.name


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("who", ["who-has\tShow the holder of an address, or the addresses of a name.", ":4"]),
        ("pools -o w", ["wide", ":4"]),
        ("validate -f ''", [":0"]),
    ],
)
def test_kubectl_asks_for_completions(
    words: str, expected: list[str], environment: dict[str, str], tmp_path: Path
) -> None:
    printed = run(f"kubectl __complete ipam {words}", environment, tmp_path)

    assert [line for line in printed.splitlines() if "ShellCompDirective" not in line] == expected


def test_check_my_installation(
    tenant: tenants.Tenant, environment: dict[str, str], tmp_path: Path
) -> None:
    tenant.add_claim("web", "missing")
    tenant.not_ready("web", "PoolNotReady")

    printed = [run(block, environment, tmp_path) for block in blocks("check-my-installation.md")]

    assert f"InClusterIPPool {tenant.namespace}/missing" in printed[0]
    assert "something is wrong" in printed[0]
    assert 'name="pool-not-found"' in (tmp_path / "ipam.xml").read_text()
    reported = json.loads((tmp_path / "findings.json").read_text())["findings"]
    assert [each["object"]["name"] for each in reported] == ["missing"]


def test_the_page_has_every_check() -> None:
    rows = re.findall(
        r"^\| (`.+`) \|", (HOW_TO / "check-my-installation.md").read_text(), re.MULTILINE
    )

    names = [name for row in rows for name in re.findall(r"`([^`]+)`", row)]
    assert sorted(names) == sorted(finding.Check)


def test_why_does_my_claim_wait(
    tenant: tenants.Tenant, environment: dict[str, str], tmp_path: Path
) -> None:
    tenant.add_pool("blue", "10.0.0.5")
    tenant.add_claim("first", "blue")
    tenant.bound("first")
    tenant.add_claim("late", "blue")
    tenant.not_ready("late", "PoolExhausted")

    page = "why-does-my-claim-wait.md"
    checked, shown, _ = (run(block, environment, tmp_path) for block in blocks(page))

    assert f"({tenant.namespace}/late)" in checked
    assert f"{tenant.namespace}/late waits: " in shown


def test_plan_a_change(tenant: tenants.Tenant, environment: dict[str, str], tmp_path: Path) -> None:
    tenant.add_pool("blue", "10.0.0.10-10.0.0.19", gateway="10.0.0.1")
    names = [f"web-{number}" for number in range(11)]
    for name in names:
        tenant.add_claim(name, "blue")
    tenant.not_ready(names[-1], "PoolExhausted")
    (manifest,) = MANIFEST.findall((HOW_TO / "plan-a-change.md").read_text())
    (tmp_path / "pools.yaml").write_text(manifest)

    pages = blocks("plan-a-change.md")
    planned, refused, exported, forecast = (run(each, environment, tmp_path) for each in pages)

    assert "  gains 10.0.0.20-10.0.0.29\n  serves 1 waiting claim\n" in planned
    assert "5 IPAddresses in use would no longer be in the pool" in refused
    assert refused.endswith("exit code 3\n")
    assert forecast
    assert not exported
    assert "10.0.0.14, stranded" in (tmp_path / "review.html").read_text()


def test_watch_the_pools(
    tenant: tenants.Tenant, environment: dict[str, str], tmp_path: Path
) -> None:
    tenant.add_pool("blue", "10.0.0.0/24")

    (printed,) = (run(block, environment, tmp_path) for block in blocks("watch-the-pools.md"))

    assert tenant.namespace in printed


def test_see_the_map(tenant: tenants.Tenant, environment: dict[str, str], tmp_path: Path) -> None:
    tenant.add_pool("blue", "10.0.0.0/24")
    tenant.add_claim("web", "blue")
    tenant.bound("web")

    for block in blocks("see-the-map.md"):
        run(block, environment, tmp_path)

    assert f"{tenant.namespace}/blue" in (tmp_path / "pools.html").read_text()
    assert f"{tenant.namespace}/blue" in (tmp_path / "mine.html").read_text()


PICTURE = HOW_TO.parent / "assets" / "terminal.svg"
COMMANDS = ("kubectl ipam pools", "kubectl ipam show machines")


@pytest.fixture
def factory(provider: provider.Provider) -> tenants.Tenant:
    """Return a namespace with pools that are nearly empty, full, and overlapping."""
    found = tenants.Tenant(provider, provider.new_namespace("factory"))
    excluded = ["10.2.0.11-10.2.0.18", "10.2.0.64/30"]
    addresses = ("10.2.0.10-10.2.0.20", "10.2.0.64/28")
    found.add_pool("machines", *addresses, prefix=16, excludedAddresses=excluded)
    found.add_pool("lab", "10.2.0.76-10.2.0.91", prefix=16)
    found.add_pool("vips", "10.3.0.10-10.3.0.12")
    found.add_prefix_pool("racks", "2001:db8::/48")
    for name, pool in [("db", "machines"), ("vip", "vips"), ("test", "lab")]:
        for number in range(4 if pool == "machines" else 3):
            found.add_claim(f"{name}-{number}", pool)
            found.bound(f"{name}-{number}")
    found.add_claim("vip-3", "vips")
    found.not_ready("vip-3", "PoolExhausted")
    return found


def test_the_picture_of_a_terminal_is_what_the_commands_print(
    factory: tenants.Tenant, environment: dict[str, str]
) -> None:
    plane = factory.provider.control_plane
    config = plane.kubeconfig("picture", [control_plane.ADMIN_GROUP], factory.namespace)
    user = environment | {"KUBECONFIG": str(config)}

    text = "\n".join(f"$ {it}\n{terminal_pictures.printed(it, user)}" for it in COMMANDS)

    drawn = terminal_pictures.picture(text, "kubectl ipam")
    if folder := os.environ.get("SCREENSHOTS"):
        (Path(folder) / PICTURE.name).write_text(drawn)
    assert re.findall(r"https?://[^\"]+", drawn) == ["http://www.w3.org/2000/svg"]
    assert PICTURE.read_text() == drawn
