# SPDX-License-Identifier: Apache-2.0
"""How long small conversions wait while pools as large as the schema allows are under review.

usage: beside.py [SECONDS]   (of each measurement; default 5)

One connection asks for the conversion of a small pool, one request after the other.  Meanwhile four
others send updates with 4,096 entries in both lists, of each kind and in each version.  The manager
runs as it ships, over TLS, without an API server: no question of these reviews needs one.
"""

import asyncio
import itertools
import json
import ssl
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import table
from latency import percentile
from start import BIN, REVIEW, kubeconfig

from api import resources
from envtest import sizes
from envtest.pki import LOOPBACK, Authority
from envtest.ports import free_port
from envtest.processes import Process

LARGE = 4  # connections
MOST_MS = 50.0  # of which 99 % of the small ones may not take more
PATIENCE_SECONDS = 30.0
_JSON = {"Content-Type": "application/json"}


class Clients:
    """Sends reviews to the manager."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session
        self.large = 0

    async def ready(self) -> None:
        """Wait until the manager answers."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                try:
                    return await self._post("/convert", json.dumps(REVIEW).encode())
                except aiohttp.ClientError:
                    await asyncio.sleep(0.05)

    async def small(self, seconds: float) -> list[float]:
        """Return how long each small conversion took, in milliseconds."""
        taken, body, ends = (
            list[float](),
            json.dumps(REVIEW).encode(),
            time.perf_counter() + seconds,
        )
        while time.perf_counter() < ends:
            began = time.perf_counter()
            await self._post("/convert", body)
            taken.append(1000 * (time.perf_counter() - began))
        return sorted(taken)

    async def review_large(self, reviews: list[tuple[str, bytes]], first: int) -> None:
        """Send large reviews in turn until cancelled."""
        for path, body in itertools.islice(itertools.cycle(reviews), first, None):
            await self._post(path, body)
            self.large += 1

    async def _post(self, path: str, body: bytes) -> None:
        async with self._session.post(path, data=body, headers=_JSON) as answer:
            await answer.read()
            answer.raise_for_status()


def reviews() -> list[tuple[str, bytes]]:
    """Return updates of the largest pools, with the paths they go to.

    Each makes its pool offer more: what takes addresses away asks the cluster as well.
    """
    return [
        (
            resource.validating_path(resource.hub),
            sizes.update(
                resource,
                version,
                sizes.spec(resource.kind, changed=True),
                sizes.spec(resource.kind),
            ),
        )
        for resource in resources.POOLS
        for version in resource.versions
    ]


async def measure(url: str, trust: ssl.SSLContext, seconds: float) -> Iterator[table.Figure]:
    """Return the latencies without large reviews and beside them."""
    connector = aiohttp.TCPConnector(ssl=trust, limit=0)
    async with aiohttp.ClientSession(url, connector=connector) as session:
        clients = Clients(session)
        await clients.ready()
        large = reviews()
        alone = await clients.small(seconds)
        busy = [asyncio.create_task(clients.review_large(large, n)) for n in range(LARGE)]
        await asyncio.sleep(0)
        beside = await clients.small(seconds)
        for task in busy:
            task.cancel()
        ended = await asyncio.gather(*busy, return_exceptions=True)
    assert all(isinstance(each, asyncio.CancelledError) for each in ended), ended
    assert clients.large, "no large review was answered"
    return _figures(alone, beside, clients.large / seconds)


def _figures(alone: list[float], beside: list[float], rate: float) -> Iterator[table.Figure]:
    for percent in (50, 99):
        own, other = percentile(beside, percent), percentile(alone, percent)
        what = f"conversion beside {rate:.0f} large reviews a second, p{percent}"
        target = MOST_MS if percent == 99 else None  # noqa: PLR2004 - the percentile
        yield table.Figure(
            what, f"{own:.1f} ms", f"{other:.1f} ms", own / other,
            f"<= {target:g} ms" if target else "", None if target is None else own <= target,
        )  # fmt: skip


def main(seconds: float) -> None:
    """Print the figures; `bare` is without large reviews."""
    authority, port = Authority.new(), free_port()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        authority.server("webhook").write(folder, "tls")
        (folder / "ca.crt").write_bytes(authority.pem)
        command = [
            str(BIN / "ipam-in-cluster-manager"), f"--webhook-host={LOOPBACK}",
            f"--webhook-port={port}", f"--webhook-cert-dir={folder}",
            "--health-probe-bind-address=0", "--diagnostics-address=0",
            f"--kubeconfig={kubeconfig(folder)}",
        ]  # fmt: skip
        trust = ssl.create_default_context(cafile=str(folder / "ca.crt"))
        table.head()
        with Process("manager", command, folder / "log"):
            for figure in asyncio.run(measure(f"https://{LOOPBACK}:{port}", trust, seconds)):
                table.show(figure)


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 5.0)
