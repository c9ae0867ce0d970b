# SPDX-License-Identifier: Apache-2.0
"""How fast crowds of claims are served and released, beside the bare writes (`bare.py`).

Flow:
    In each turn two namespaces get the same number of claims.  In one of them the manager works,
    in the other, with the manager stopped, `bare.py`.  A watch sees when all claims are through;
    who is first changes from turn to turn.  The median of the turns' ratios counts.  Each turn has
    a cluster of its own: what an API server keeps of former ones makes it slower and slower.
"""

import math
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import table
import usage
from setting import Crowd, account, await_serving, bound, cluster, gone, status_writes

from envtest.client import Json
from envtest.provider import Provider

LEAST = 0.9  # of the raw limit
_CPU = "~ 2 ms"  # of the manager, per claim, on an idle machine: no verdict, since few are
_END_SECONDS = 30.0  # for `bare.py` to end when all is done


@dataclass(frozen=True, slots=True)
class Job:
    """What is done to all claims, and how it is seen on a claim."""

    what: str
    done: Callable[[Json], bool]
    prepare: Callable[[Provider, str], Crowd]


@dataclass(frozen=True, slots=True)
class Run:
    """What one crowd took: seconds, CPU seconds of who worked, and of the API server and etcd."""

    seconds: float
    cpu: float
    server_cpu: float
    status_writes: int = 0
    """Of one pool, at most."""


def allocate(what: str, count: int, turns: int, pools: int = 1) -> Iterator[table.Figure]:
    """Yield how fast claims get addresses."""

    def prepare(provider: Provider, name: str) -> Crowd:
        return Crowd(provider, name, count, pools)

    both = _turns(Job("allocate", bound, prepare), turns)
    yield from _compared(f"{what}, claims/s", count, both)
    yield _status_figure(what, [ours for ours, _ in both])


def release(count: int, turns: int) -> Iterator[table.Figure]:
    """Yield how fast deleted claims give their addresses back."""

    def prepare(provider: Provider, name: str) -> Crowd:
        crowd = Crowd(provider, name, count)
        crowd.bind()
        crowd.delete()
        return crowd

    both = _turns(Job("release", gone, prepare), turns)
    yield from _compared("release, claims/s", count, both)


def _compared(what: str, count: int, turns: list[tuple[Run, Run]]) -> Iterator[table.Figure]:
    """Yield the figures of the turn with the median ratio, and CPU times over all turns."""
    turns = sorted(turns, key=lambda turn: turn[1].seconds / turn[0].seconds)
    ours, bare = turns[len(turns) // 2]
    ratio = statistics.median(bare.seconds / ours.seconds for ours, bare in turns)
    rates = [f"{count / run.seconds:.0f}" for run in (ours, bare)]
    yield table.at_least(what, rates[0], rates[1], ratio, LEAST)
    own, theirs = (
        1000 * statistics.mean(run.cpu for run in runs) / count for runs in zip(*turns, strict=True)
    )
    yield table.Figure(
        "  its own CPU per claim",
        f"{own:.2f} ms",
        f"{theirs:.2f} ms",
        own / theirs if theirs else None,  # too little to be counted
        _CPU,
    )
    own, theirs = (
        1000 * statistics.mean(run.cpu + run.server_cpu for run in runs) / count
        for runs in zip(*turns, strict=True)
    )
    yield table.Figure(
        "  CPU per claim, API server and etcd included",
        f"{own:.2f} ms",
        f"{theirs:.2f} ms",
        own / theirs,
    )


def _status_figure(what: str, runs: list[Run]) -> table.Figure:
    """Return how often the busiest pool's status was written: once a second, first and last."""
    worst = max(runs, key=lambda run: run.status_writes / _allowed(run))
    return table.Figure(
        f"{what}, status writes of one pool",
        f"{worst.status_writes} in {worst.seconds:.1f} s",
        target=f"<= {_allowed(worst)}",
        met=worst.status_writes <= _allowed(worst),
    )


def _allowed(run: Run) -> int:
    return math.ceil(run.seconds) + 2


def _turns(job: Job, turns: int) -> list[tuple[Run, Run]]:
    """Return ours and bare, turn by turn."""
    return [_turn(job, ours_first=number % 2 == 0) for number in range(turns)]


def _turn(job: Job, *, ours_first: bool) -> tuple[Run, Run]:
    with cluster() as provider:
        served, bare = (job.prepare(provider, name) for name in ("served", "bare"))
        if ours_first:
            ours = _ours(provider, job, served)
            return ours, _bare(provider, job, bare)
        raw = _bare(provider, job, bare)
        return _ours(provider, job, served), raw


def _ours(provider: Provider, job: Job, crowd: Crowd) -> Run:
    """Let the manager work; return when the pools' status is right, too."""
    provider.manager.run()
    await_serving(provider)
    etcd = provider.control_plane.etcd_client()
    revision = etcd.revision() + 1
    etcd.close()
    run = _timed(provider, job, crowd, lambda: crowd.pause(paused=False), provider.manager.pid)
    if job.done is bound:
        crowd.check()
    else:
        crowd.await_counts(Counter())
    writes = status_writes(provider, crowd.tenant.namespace, revision)
    return Run(run.seconds, run.cpu, run.server_cpu, writes)


def _bare(provider: Provider, job: Job, crowd: Crowd) -> Run:
    """Stop the manager and let `bare.py` work."""
    provider.manager.stop()
    with _bare_process(provider, job.what, crowd.tenant.namespace) as process:
        return _timed(provider, job, crowd, lambda: _tell(process), process.pid)


def _timed(provider: Provider, job: Job, crowd: Crowd, go: Callable[[], None], pid: int) -> Run:
    plane = provider.control_plane
    server = plane.apiserver.pid, plane.etcd.pid
    usage.settle(plane.apiserver.pid, usage.SERVER_SHARE)
    since, before, server_before = crowd.since, usage.cpu_seconds(pid), usage.cpu_seconds(*server)
    began = time.perf_counter()
    go()
    crowd.watch(since, job.done)
    return Run(
        time.perf_counter() - began,
        usage.cpu_seconds(pid) - before,
        usage.cpu_seconds(*server) - server_before,
    )


@contextmanager
def _bare_process(
    provider: Provider, what: str, namespace: str
) -> Generator[subprocess.Popen[str]]:
    """Start `bare.py` as the manager's service account; it waits for its word."""
    program = [sys.executable, str(Path(__file__).with_name("bare.py"))]
    with subprocess.Popen(
        [*program, account(provider), namespace, what],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            _expect(process, "ready")
            yield process
            _expect(process, "done")
            process.communicate("\n", timeout=_END_SECONDS)
        finally:
            process.kill()


def _tell(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def _expect(process: subprocess.Popen[str], word: str) -> None:
    assert process.stdout is not None
    line = process.stdout.readline().strip()
    if line != word:
        raise SystemExit(f"bare.py said {line!r} instead of {word!r}; its errors are above")
