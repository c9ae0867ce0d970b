# SPDX-License-Identifier: Apache-2.0
"""`make demo`: claims get addresses on a real API server, shown as tables.

Every cell that is printed was compared with what is declared here; the first difference ends the
demo with status 1.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import yaml
from rich import box
from rich.columns import Columns
from rich.console import Console
from rich.panel import Panel
from rich.syntax import Syntax
from rich.table import Table

from envtest import client, errors, manifests
from envtest.controlplane import binaries, capi, control_plane, provider, tenants

INT64_MAX = 2**63 - 1  # what a pool says that has more addresses than an int64 can count
IP_POOL = "InClusterIPPool"
GLOBAL_POOL = "GlobalInClusterIPPool"
FACTORY = "factory"
OFFICE = "office"

console = Console(highlight=False)


class DifferenceError(Exception):
    """Something is not as it was declared."""

    def __init__(self, what: str, expected: object, seen: object) -> None:
        super().__init__(f"{what}: expected {expected!r}, saw {seen!r}")


@dataclass(frozen=True, slots=True)
class Pool:
    """A pool to create, and the counts that it shall show once all claims are bound."""

    name: str
    spec: client.Json
    total: int
    used: int
    free: int
    kind: str = IP_POOL
    version: str = "v1alpha2"


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim to create, and the address that it shall get."""

    namespace: str
    name: str
    pool: str
    address: str
    prefix: int
    gateway: str | None
    kind: str = IP_POOL


POOLS = (
    Pool(
        name="classic",
        spec={"subnet": "10.9.0.0/24", "gateway": "10.9.0.1"},
        version="v1alpha1",
        total=253,
        used=3,
        free=250,
    ),
    Pool(
        name="machines",
        spec={
            "addresses": ["10.2.0.10-10.2.0.20", "10.2.0.64/28"],
            "excludedAddresses": ["10.2.0.11-10.2.0.18", "10.2.0.64/30"],
            "prefix": 16,
        },
        total=15,
        used=4,
        free=11,
    ),
    Pool(
        name="modern",
        spec={"addresses": ["2001:db8:7::/64"], "prefix": 64, "gateway": "2001:db8:7::1"},
        total=INT64_MAX,
        used=2,
        free=INT64_MAX,
    ),
    Pool(
        name="shared",
        kind=GLOBAL_POOL,
        spec={"addresses": ["192.0.2.0/29"], "prefix": 29, "gateway": "192.0.2.1"},
        total=5,
        used=2,
        free=3,
    ),
)
CLAIMS = (
    Claim(FACTORY, "web-0", "classic", "10.9.0.2", 24, "10.9.0.1"),
    Claim(FACTORY, "web-1", "classic", "10.9.0.3", 24, "10.9.0.1"),
    Claim(FACTORY, "web-2", "classic", "10.9.0.4", 24, "10.9.0.1"),
    Claim(FACTORY, "db-0", "machines", "10.2.0.10", 16, None),
    Claim(FACTORY, "db-1", "machines", "10.2.0.19", 16, None),
    Claim(FACTORY, "db-2", "machines", "10.2.0.20", 16, None),
    Claim(FACTORY, "db-3", "machines", "10.2.0.68", 16, None),
    Claim(FACTORY, "edge-0", "modern", "2001:db8:7::2", 64, "2001:db8:7::1"),
    Claim(FACTORY, "edge-1", "modern", "2001:db8:7::3", 64, "2001:db8:7::1"),
    Claim(FACTORY, "vip", "shared", "192.0.2.2", 29, "192.0.2.1", GLOBAL_POOL),
    Claim(OFFICE, "vip", "shared", "192.0.2.3", 29, "192.0.2.1", GLOBAL_POOL),
)
BOTH_VERSIONS: dict[str, client.Json] = {
    "v1alpha1": {"subnet": "10.9.0.0/24", "gateway": "10.9.0.1"},
    "v1alpha2": {"addresses": ["10.9.0.1-10.9.0.254"], "prefix": 24, "gateway": "10.9.0.1"},
}
COMMANDS = ("pools --all-namespaces", f"show machines --namespace {FACTORY}")
"""What `kubectl ipam` shows of all this."""
BAD_POOL = {"addresses": ["10.0.0.300"], "prefix": 24}


def main() -> int:
    """Run the demo; return the exit status."""
    began = time.monotonic()
    try:
        with tempfile.TemporaryDirectory(prefix="ipam-demo-") as folder:
            run(Path(folder))
    except (DifferenceError, errors.EnvtestError) as error:
        console.print(f"[bold red]The demo failed:[/] {error}", soft_wrap=True)
        return 1
    except KeyboardInterrupt:
        console.print("interrupted; everything that was started is ended")
        return 130
    seconds = time.monotonic() - began
    console.print(f"[bold green]Everything shown was checked.[/]  {seconds:.0f} s in all")
    return 0


def run(folder: Path) -> None:
    """Start everything, use it, show it, end it."""
    cluster = provider.Provider(folder)
    versions = ", ".join(f"{tool.name} {tool.version}" for tool in binaries.CONTROL_PLANE)
    try:
        with step(f"started {versions}"):
            cluster.control_plane.start()
        with step(f"installed the CRDs of Cluster API {capi.NEWEST} and the provider"):
            cluster.install()
        with step("started the manager: conversion and admission webhooks answer over TLS"):
            cluster.start_manager()
        users = {name: new_user(cluster, name) for name in (FACTORY, OFFICE)}
        with step(f"created {len(POOLS)} pools and {len(CLAIMS)} claims: all are bound"):
            create(users)
        show_claims(users)
        show_pools(users[FACTORY])
        show_versions(users[FACTORY])
        show_refusals(users[FACTORY])
        show_commands(cluster)
    finally:
        cluster.stop()


@contextmanager
def step(done: str) -> Generator[None]:
    """Print what was done, and the seconds that it took."""
    began = time.monotonic()
    yield
    console.print(f"[green]✓[/] {done} [dim]{time.monotonic() - began:.1f} s[/]", soft_wrap=True)


def new_user(cluster: provider.Provider, namespace: str) -> tenants.Tenant:
    """Create a namespace and return its user."""
    return tenants.Tenant(cluster, cluster.new_namespace(namespace))


def create(users: dict[str, tenants.Tenant]) -> None:
    """Create pools and claims, and return when every claim is bound."""
    for pool in POOLS:
        body = manifests.pool(pool.name, pool.spec, pool.kind, pool.version)
        users[FACTORY].pools(pool.kind, pool.version).create(body)
    for claim in CLAIMS:
        users[claim.namespace].add_claim(claim.name, claim.pool, claim.kind)
        users[claim.namespace].bound(claim.name)


def show_claims(users: dict[str, tenants.Tenant]) -> None:
    """Print every claim with what it got."""
    table = new_table("Claims", "Namespace", "Claim", "Pool", "Address", "Prefix", "Gateway")
    for claim in CLAIMS:
        got = users[claim.namespace].address(claim.name)["spec"]
        seen = (got["address"], got["prefix"], got.get("gateway"))
        check(f"claim {claim.name}", (claim.address, claim.prefix, claim.gateway), seen)
        address, prefix, gateway = seen
        table.add_row(
            claim.namespace, claim.name, claim.pool, address, f"/{prefix}", gateway or "-"
        )
    console.print(table)


def show_pools(user: tenants.Tenant) -> None:
    """Print every pool with its counts."""
    table = new_table("Pools", "Pool", "Addresses", "Excluded", "Total", "Used", "Free")
    for pool in POOLS:
        expected = {"total": pool.total, "used": pool.used, "free": pool.free}
        seen = user.counts(pool.name, pool.kind, **expected)
        check(f"counts of pool {pool.name}", expected, {name: seen[name] for name in expected})
        spec = user.pools(pool.kind, pool.version).get(pool.name)["spec"]
        check(f"spec of pool {pool.name}", pool.spec, spec)
        addresses = spec.get("addresses") or [spec["subnet"]]
        excluded = spec.get("excludedAddresses") or ["-"]
        counts = [number(seen[name]) for name in expected]
        table.add_row(pool.name, "\n".join(addresses), "\n".join(excluded), *counts)
    console.print(table)


def show_versions(user: tenants.Tenant) -> None:
    """Print the pool that was written as v1alpha1, as both versions read it."""
    panels: list[Panel] = []
    for version, expected in BOTH_VERSIONS.items():
        seen = user.pools(version=version).get("classic")["spec"]
        check(f"pool classic as {version}", expected, seen)
        text = yaml.safe_dump(seen, sort_keys=False).rstrip()
        title = f"classic as {version}" + (" (as written)" if version == "v1alpha1" else "")
        panels.append(Panel(Syntax(text, "yaml", theme="ansi_dark"), title=title, width=38))
    console.print()
    console.print(Columns(panels))


def show_refusals(user: tenants.Tenant) -> None:
    """Print what the API server says to a bad pool, and to the deletion of a pool in use."""
    bad = partial(user.pools().create, manifests.pool("typo", BAD_POOL))
    in_use = partial(user.pools().delete, "classic")
    for what, request, words in (
        ("a pool with a typo", bad, ("spec.addresses[0]", "10.0.0.300")),
        ("the deletion of a pool in use", in_use, ("classic", "in use")),
    ):
        message = refusal(what, request)
        for word in words:
            check(f"the answer to {what} says {word!r}", True, word in message)  # noqa: FBT003 - a value
        console.print(f"[yellow]refused[/] {what}: {message}", soft_wrap=True)


def show_commands(cluster: provider.Provider) -> None:
    """Print what two commands show of all this, and name them."""
    kubeconfig = cluster.control_plane.kubeconfig("demo", [control_plane.ADMIN_GROUP])
    for command in COMMANDS:
        console.print(f"\n[bold]$ kubectl ipam {command}[/]")
        program = Path(sys.executable).with_name("kubectl-ipam")
        done = subprocess.run([program, *command.split(), "--kubeconfig", kubeconfig], check=False)
        check(f"the exit code of kubectl ipam {command}", 0, done.returncode)
    named = " and ".join(f"`kubectl ipam {command}`" for command in COMMANDS)
    console.print(f"\nThese two commands show what the demo made: {named}.", soft_wrap=True)
    console.print("`make dev` starts a cluster that keeps running, for these commands and the map.")


def refusal(what: str, request: "partial[client.Json]") -> str:
    """Return the API server's message to a request that it must refuse."""
    try:
        request()
    except errors.RefusedError as error:
        return error.message
    raise DifferenceError(what, "a refusal", "it was granted")


def number(count: int) -> str:
    """Print a count; the largest that a pool can say means that many or more."""
    return "≥ 2⁶³-1" if count == INT64_MAX else str(count)


def check(what: str, expected: object, seen: object) -> None:
    """End the demo where something isn't as declared."""
    if seen != expected:
        raise DifferenceError(what, expected, seen)


def new_table(title: str, *columns: str) -> Table:
    """Return an empty table; numbers stand to the right."""
    table = Table(
        title=f"\n{title}",
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
    )
    numbers: Sequence[str] = ("Total", "Used", "Free")
    for column in columns:
        table.add_column(column, justify="right" if column in numbers else "left")
    return table


if __name__ == "__main__":
    sys.exit(main())
