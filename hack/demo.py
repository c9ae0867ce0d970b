# SPDX-License-Identifier: Apache-2.0
"""`make demo`: claims get their addresses, on a real etcd and kube-apiserver.

Every table is read from the API server and checked against what is declared here; anything that is
not as expected ends the demo with exit status 1.
"""

import sys
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import yaml
from rich.console import Console
from rich.table import Table

from envtest import manifests
from envtest.client import Json
from envtest.errors import EnvtestError, RefusedError
from envtest.provider import Provider
from envtest.tenants import Tenant

NAMESPACE = "demo"
GLOBAL = "GlobalInClusterIPPool"
PREFIXES = "InClusterPrefixPool"


class Pool(NamedTuple):
    """A pool, what its claims must get, and what it must count afterwards."""

    name: str
    spec: Json
    claims: dict[str, str]
    total: int
    kind: str = "InClusterIPPool"
    version: str = "v1alpha2"


POOLS = (
    Pool(
        "old",
        {"subnet": "10.9.0.0/24", "gateway": "10.9.0.1"},
        {"old-1": "10.9.0.2", "old-2": "10.9.0.3"},
        total=253,
        version="v1alpha1",
    ),
    Pool(
        "blue",
        {
            "addresses": ["10.0.0.0/24"],
            "prefix": 24,
            "gateway": "10.0.0.1",
            "excludedAddresses": ["10.0.0.2-10.0.0.9", "10.0.0.11"],
        },
        {"blue-1": "10.0.0.10", "blue-2": "10.0.0.12"},
        total=244,
    ),
    Pool(
        "six",
        {"addresses": ["2001:db8::/64"], "prefix": 64, "gateway": "2001:db8::1"},
        {"six-1": "2001:db8::2"},
        total=2**63 - 1,  # 2^64 - 2, as far as an int64 can count
    ),
    Pool(
        "racks",
        {"prefixes": ["2001:db8:1::/48"]},
        {"rack-1": "2001:db8:1::", "rack-2": "2001:db8:1:1::"},
        total=2**16,
        kind=PREFIXES,
    ),
    Pool(
        "everyone",
        {"addresses": ["192.0.2.10-192.0.2.12"], "prefix": 24},
        {"everyone-1": "192.0.2.10"},
        total=3,
        kind=GLOBAL,
    ),
)
AS_HUB = {"addresses": ["10.9.0.1-10.9.0.254"], "prefix": 24, "gateway": "10.9.0.1"}
NONSENSE = {"addresses": ["10.0.0.300"], "prefix": 24}

console = Console(highlight=False)


class DemoError(Exception):
    """Something is not as it should be."""


def check(what: str, seen: object, expected: object) -> None:
    """End the demo where something is not as expected."""
    if seen != expected:
        raise DemoError(f"{what}: expected {expected!r}, not {seen!r}")


@contextmanager
def step(title: str) -> Generator[None]:
    """Say how long something took."""
    began = time.monotonic()
    yield
    console.print(f"[green]✓[/] {title} [dim]({time.monotonic() - began:.1f} s)[/]")


def create(tenant: Tenant) -> None:
    """Create all pools and claims."""
    for pool in POOLS:
        body = manifests.pool(pool.name, pool.spec, pool.kind, pool.version)
        tenant.pools(pool.kind, pool.version).create(body)
        for claim in pool.claims:
            tenant.add_claim(claim, pool.name, pool.kind)


def show_claims(tenant: Tenant) -> None:
    """Show which claim has which address."""
    table = Table(
        "claim", "pool", "address", "gateway", title="IPAddressClaims", title_justify="left"
    )
    for pool in POOLS:
        for claim, expected in pool.claims.items():
            spec = tenant.address(claim)["spec"]
            check(f"address of claim {claim}", spec["address"], expected)
            check(f"gateway of claim {claim}", spec.get("gateway"), pool.spec.get("gateway"))
            text = f"{spec['address']}/{spec['prefix']}"
            table.add_row(claim, f"{pool.kind}/{pool.name}", text, spec.get("gateway", "-"))
    console.print(table)


def show_pools(tenant: Tenant) -> None:
    """Show what the pools count."""
    table = Table("pool", "total", "free", "used", title="Pools", title_justify="left")
    for pool in POOLS:
        used = len(pool.claims)
        counts = tenant.counts(pool.name, pool.kind, used=used)
        check(f"total of pool {pool.name}", counts["total"], pool.total)
        if pool.total < 2**63 - 1:
            check(f"free of pool {pool.name}", counts["free"], pool.total - used)
        numbers = (str(counts[name]) for name in ("total", "free", "used"))
        table.add_row(f"{pool.kind}/{pool.name}", *numbers)
    console.print(table)


def show_versions(tenant: Tenant) -> None:
    """Show the v1alpha1 pool in both versions."""
    old = tenant.pools(version="v1alpha1").get("old")["spec"]
    hub = tenant.pools(version="v1alpha2").get("old")["spec"]
    check("the pool as v1alpha1", old, POOLS[0].spec)
    check("the pool as v1alpha2", hub, AS_HUB)
    table = Table(
        "as written, v1alpha1", "as stored, v1alpha2", title="Pool old", title_justify="left"
    )
    table.add_row(yaml.safe_dump(old).strip(), yaml.safe_dump(hub).strip())
    console.print(table)


def show_refusal(what: str, code: int, words: tuple[str, ...], ask: Callable[[], object]) -> None:
    """Show how the API server refuses something."""
    try:
        ask()
    except RefusedError as error:
        check(f"status code of {what}", error.code, code)
        for word in words:
            check(f"{word!r} in the answer to {what}", word in error.message, expected=True)
        console.print(f"[red]✗[/] {what}: [italic]{error.message}[/]")
        return
    raise DemoError(f"{what} was not refused")


def show(tenant: Tenant) -> None:
    """Create everything and show it."""
    with step("pools and claims created, every claim has its address"):
        create(tenant)
        tenant.bound(*(claim for pool in POOLS for claim in pool.claims))
    show_claims(tenant)
    show_pools(tenant)
    show_versions(tenant)
    pools = tenant.pools()
    bad = manifests.pool("bad", NONSENSE)
    show_refusal("a bad pool", 422, ("spec.addresses[0]", "10.0.0.300"), lambda: pools.create(bad))
    show_refusal("deleting a pool in use", 400, ("blue",), lambda: pools.delete("blue"))
    with step("claims deleted, their addresses are free again"):
        for pool in POOLS:
            tenant.release(*pool.claims)
            check(f"used of {pool.name}", tenant.counts(pool.name, pool.kind, used=0)["used"], 0)


def main() -> int:
    """Run the demo; returns the exit status."""
    with tempfile.TemporaryDirectory(prefix="ipam-demo-") as folder:
        provider = Provider(Path(folder))
        try:
            with step("etcd and kube-apiserver run, CRDs are served, the manager is ready"):
                provider.start()
            show(Tenant(provider, provider.new_namespace(NAMESPACE)))
        except (DemoError, EnvtestError) as error:
            console.print(f"[bold red]The demo failed:[/] {error}")
            return 1
        finally:
            provider.stop()
    console.print("[bold green]Everything shown was checked.[/] Next: make dev")
    return 0


if __name__ == "__main__":
    sys.exit(main())
