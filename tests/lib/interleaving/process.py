# SPDX-License-Identifier: Apache-2.0
"""A controller whose workers and caches go on step by step."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack
from typing import Any, TypeVar, cast

import pytest

from controller.allocations import PoolAllocations
from controller.controller import Controller
from ipam.notation import Address
from kube import metrics, workers
from kube.errors import GoneError, KubeError
from kube.informer import Informer
from kube.meta import Key
from kube.queue import Queue
from objects.informers import Informers, Scope

from .steps import Clock, HandQueue, Worker, finished
from .wire import CONTRACT, Server, Wire

CLAIM_WORKERS, POOL_WORKERS = 2, 1
MANY = 2000  # steps in which everything comes to rest, or never does

K = TypeVar("K")


class Process:
    """A controller as `Controller.run` makes it, but that the machine moves it."""

    def __init__(self, server: Server, clock: Clock, *, leads: bool = True) -> None:
        self.server = server
        self.wire = Wire(server)
        self.defects: list[Exception] = []
        self.controller = made = hand_made(self.wire, clock)
        self.state = made.state
        self.informers: dict[str, Informer[Any]] = {
            informer.resource.plural: informer for informer in self.state.informers.all
        }
        self.wire.known = self.state.addresses
        self.workers: list[Worker] = []
        for informer in self.informers.values():
            finished(informer.sync())
        self.heard = ExitStack()
        self.heard.enter_context(self.state.following())
        finished(self.state.build())
        if leads:
            self.lead()

    def lead(self) -> None:
        """Come to lead: hear of everything so far, and begin to work."""
        made = self.controller
        for plural in self.informers:
            self.hear(plural)
        finished(self.state.mark_records_in_flight())
        made._watch(self.heard)
        finished(made._queue_waiting())
        finished(made._queue_rest())
        self.workers = [
            *(
                self._worker(made._claim_queue, made._reconcile, made._pool_of)
                for _ in range(CLAIM_WORKERS)
            ),
            *(
                self._worker(made._pool_queue, made._pools.reconcile, lambda _: None)
                for _ in range(POOL_WORKERS)
            ),
        ]

    def _worker(
        self,
        queue: Queue[K],
        reconcile: Callable[[K], Awaitable[workers.Outcome]],
        group: Callable[[K], Any],
    ) -> Worker:
        async def watched(key: K) -> workers.Outcome:
            try:
                return await reconcile(key)
            except KubeError:
                raise
            except Exception as error:
                self.defects.append(error)
                raise

        return Worker(
            cast("Any", workers._work(queue, watched, group, metrics.ReconcileMetrics("test")))
        )

    def hear(self, plural: str, most: int = MANY) -> int:
        """Let one cache hear of so many changes; returns of how many it did."""
        informer = self.informers[plural]
        heard = 0
        for event in self._unheard(informer):
            if heard == most:
                break
            informer._apply_event(event)
            heard += 1
        return heard

    def _unheard(self, informer: Informer[Any]) -> Iterator[bytes]:
        return iter(tuple(self.server.changes(informer.resource, "", informer._revision)))

    def lose_history(self, plural: str) -> None:
        informer = self.informers[plural]
        expired = {"type": "ERROR", "object": {"code": 410, "reason": "Expired", "message": "old"}}
        with pytest.raises(GoneError):
            informer._apply_event(json.dumps(expired).encode())
        finished(informer.sync())

    @property
    def waiting(self) -> int:
        """How many keys wait for a worker."""
        return len(self.controller._claim_queue) + len(self.controller._pool_queue)

    def rest(self) -> None:
        """Hear everything and finish everything, but for what waits for time to pass."""
        for _ in range(MANY):
            heard = sum(self.hear(plural) for plural in self.informers)
            for worker in self.workers:
                worker.go()
            idle = all(worker.at.kind in ("idle", "ended") for worker in self.workers)
            if idle and not heard and not self.waiting:
                return
        raise AssertionError("the controller does not come to rest")

    def end(self) -> None:
        for worker in self.workers:
            worker.end()


def hand_made(wire: Wire, clock: Clock) -> Controller:
    async def made() -> Controller:
        return Controller(wire, Informers(wire, CONTRACT, Scope()), clock)

    controller = asyncio.run(made())
    controller._claim_queue = HandQueue("test", clock.later, clock, controller._age_of)
    controller._pool_queue = HandQueue("test", clock.later, clock)
    return controller


def known(process: Process) -> dict[str, Any]:
    """Return what a leader knows when it begins, but for the order in which it came to know it."""
    state = process.state
    return {
        "waiting": state.waiting,
        "in_flight": dict(state.in_flight),
        "pools": dict(state.claims_of_pool),
        "clusters": dict(state.claims_of_cluster),
        "allocations": {
            key: (
                (each.counts, each.address_set) if state.pool(key) else each.used,
                each.not_ready, each.shared, holders(each),
            )
            for key, each in state.allocations.items()
            if state.pool(key) or not each.is_empty
        },
    }  # fmt: skip


def holders(allocations: PoolAllocations) -> dict[Address, set[Key]]:
    """Return the holders of each address."""
    return {address: set(keys) for address, keys in allocations._holders.items()}
