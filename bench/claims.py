# SPDX-License-Identifier: Apache-2.0
"""How fast claims get their addresses, as a share of what the same API server can do at all.

usage: claims.py [CLAIMS]   (default 2000)

Two namespaces get the same number of claims on a paused pool each.  In the first the pool is then
unpaused, and the real manager serves them.  Then the manager is stopped, and in the second
`bare.py` sends the same three writes per claim with nothing else running.  Everybody shares the
machine, so only the ratio says something.
"""

import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from envtest import manifests
from envtest.provider import NAMESPACE, SERVICE_ACCOUNT, Provider
from envtest.tenants import Tenant
from envtest.waiting import until

PAUSED = "cluster.x-k8s.io/paused"
POOL = "bench"
PATIENCE_SECONDS = 900.0
CREATORS = 8  # threads that create claims


def with_claims(provider: Provider, namespace: str, count: int) -> Tenant:
    """Make a namespace with a paused pool and claims that wait for it."""
    tenant = Tenant(provider, provider.new_namespace(namespace))
    spec = {"addresses": ["10.0.0.0/8"], "prefix": 8, "gateway": "10.0.0.1"}
    pool = manifests.pool(POOL, spec)
    pool["metadata"]["annotations"] = {PAUSED: ""}
    tenant.pools().create(pool)
    with ThreadPoolExecutor(CREATORS) as threads:
        pending = [threads.submit(tenant.add_claim, f"claim-{n}", POOL) for n in range(count)]
    for created in pending:
        created.result()  # raises what went wrong
    return tenant


def seconds_of_manager(tenant: Tenant, count: int) -> float:
    """Unpause the pool and wait until all its claims are bound, by a watch."""
    since = tenant.claims.listing(limit="1")["metadata"]["resourceVersion"]
    bound: set[str] = set()
    began = time.perf_counter()
    tenant.pools().merge(POOL, {"metadata": {"annotations": {PAUSED: None}}})
    with tenant.claims.watch(since, seconds=int(PATIENCE_SECONDS)) as events:
        for event in events:
            if event["object"].get("status", {}).get("addressRef"):
                bound.add(event["object"]["metadata"]["name"])
            if len(bound) == count:
                return time.perf_counter() - began
    raise SystemExit(f"only {len(bound)} of {count} claims were bound in {PATIENCE_SECONDS:g} s")


def seconds_of_bare_writes(provider: Provider, namespace: str) -> float:
    """Run `bare.py` as the same service account."""
    kubeconfig = provider.control_plane.service_account_kubeconfig(NAMESPACE, SERVICE_ACCOUNT)
    command = [sys.executable, str(Path(__file__).with_name("bare.py")), kubeconfig, namespace]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"bare.py failed:\n{done.stdout}{done.stderr}")
    return float(done.stdout)


def check(tenant: Tenant, count: int) -> None:
    """Make sure that every claim has one address, and no address goes out twice."""
    given = [item["spec"]["address"] for item in tenant.addresses.list()]
    if len(given) != count or len(set(given)) != count:
        raise SystemExit(f"{count} claims have {len(given)} addresses, {len(set(given))} distinct")
    used = until(
        "the pool's status counts all addresses",
        lambda: tenant.pools().get(POOL).get("status", {}).get("ipAddresses", {}).get("used"),
        lambda used: used == count,
    )
    print(f"checked: {count} claims bound, {len(set(given))} distinct addresses, used={used}")


def main(count: int) -> None:
    """Measure both and print the ratio."""
    with tempfile.TemporaryDirectory() as folder, Provider(Path(folder)) as provider:
        served = with_claims(provider, "served", count)
        bare = with_claims(provider, "bare", count)
        ours = seconds_of_manager(served, count)
        check(served, count)
        provider.manager.stop()
        raw = seconds_of_bare_writes(provider, bare.namespace)
    print(f"manager:     {count} claims in {ours:6.2f} s, {count / ours:6.0f} claims/s")
    print(f"bare writes: {count} claims in {raw:6.2f} s, {count / raw:6.0f} claims/s")
    print(f"ratio:       {raw / ours:.2f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2000)
