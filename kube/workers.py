# SPDX-License-Identifier: Apache-2.0
"""Workers: they take keys from a queue, call a reconcile function, and act on its outcome."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn, TypeVar

import structlog

from . import liveness, metrics
from .errors import ConflictError, KubeError, NotLeaderError
from .tasks import together

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Hashable

    from .queue import Queue

log = structlog.get_logger(__name__)

K = TypeVar("K", bound="Hashable")


@dataclass(frozen=True, slots=True)
class Done:
    """Nothing to do until something changes."""


@dataclass(frozen=True, slots=True)
class RequeueAfter:
    """Reconcile once more after a delay, though nothing changes until then."""

    seconds: float


Outcome = Done | RequeueAfter


async def run(
    queue: Queue[K],
    reconcile: Callable[[K], Awaitable[Outcome]],
    group_of: Callable[[K], Hashable],
    workers: int,
) -> NoReturn:
    """Serve a queue with some workers until cancelled.

    Raises:
        NotLeaderError: a write was no longer safe, so all work ends.
    """
    counts = metrics.ReconcileMetrics(queue.name)
    with (
        metrics.SERVED.showing(queue, workers),
        liveness.LIVENESS.checking(lambda: _stuck(queue)),
    ):
        await together(*(_work(queue, reconcile, group_of, counts) for _ in range(workers)))
    raise AssertionError("workers never end")  # pragma: no cover - they only end by an error


def _stuck(queue: Queue[K]) -> str:
    """Return which worker hangs; empty if none does.  Each request of a reconcile ends in time."""
    return liveness.silence(f"a worker of {queue.name}", max(queue.working_seconds(), default=0.0))


async def _work(
    queue: Queue[K],
    reconcile: Callable[[K], Awaitable[Outcome]],
    group_of: Callable[[K], Hashable],
    counts: metrics.ReconcileMetrics,
) -> NoReturn:
    while True:
        await asyncio.sleep(0)  # a reconcile that finds nothing to do waits for nothing
        key = await queue.get()
        try:
            outcome = await reconcile(key)
        except NotLeaderError:
            raise
        except KubeError as error:
            counts.failed()
            _retry(queue, key, group_of(key), error)
        except Exception:  # a defect of ours must not end the work on all other objects
            counts.failed()
            counts.panics.inc()
            log.exception("reconcile failed", object=str(key))
            queue.add_rate_limited(key, group_of(key))
        else:
            queue.forget(key)
            if isinstance(outcome, RequeueAfter):
                counts.requeue_after.inc()
                queue.add_after(outcome.seconds, key, group_of(key))
            else:
                counts.success.inc()
        finally:
            counts.seconds.observe(queue.done(key))


def _retry(queue: Queue[K], key: K, group: Hashable, error: KubeError) -> None:
    """Try again soon, and log why; conflicts are normal, so they are no warnings."""
    seconds = queue.add_rate_limited(key, group)
    level = log.debug if isinstance(error, ConflictError) else log.warning
    level("reconcile will be retried", object=str(key), error=str(error), seconds=seconds)
