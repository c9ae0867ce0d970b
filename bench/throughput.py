# SPDX-License-Identifier: Apache-2.0
"""How fast crowds of claims are served and released, beside the bare writes (`bare.py`).

Flow:
    In each turn two namespaces get the same number of claims.  In one of them the manager works,
    in the other, with the manager stopped, `bare.py`; in a third one the Go provider, if it is
    named.  A watch sees when all claims are through; who is first changes from turn to turn.  The
    median of the turns' ratios counts.  Each turn has a cluster of its own: what an API server
    keeps of former ones makes it slower and slower.
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
from typing import NamedTuple

import goprovider
import table
import usage
from setting import Crowd, account, await_serving, bound, cluster, gone, status_writes

from envtest.client import Json
from envtest.controlplane.provider import Provider

LEAST = 0.93  # of the raw limit
LEAST_OF_CHEAP = 0.85  # of it where the API server leaves us less time
_CPU = "~ 2 ms"  # of the manager, per claim, on an idle machine: no verdict, since few are
_END_SECONDS = 30.0  # for `bare.py` to end when all is done


@dataclass(frozen=True, slots=True)
class Job:
    """What is done to all claims, and how it is seen on a claim."""

    what: str
    done: Callable[[Json], bool]
    prepare: Callable[[Provider, str], Crowd]
    cheap: bool = False
    """Whether the API server spends less on each write than usual (`setting.cluster`)."""


@dataclass(frozen=True, slots=True)
class Run:
    """What one crowd took: seconds, CPU seconds of who worked, and of the API server and etcd."""

    seconds: float
    cpu: float
    server_cpu: float
    status_writes: int = 0
    """Of one pool, at most."""


class Turn(NamedTuple):
    """What each took with its crowd."""

    ours: Run
    bare: Run
    go: Run | None

    @property
    def ratio(self) -> float:
        """Our speed as a share of the raw limit."""
        return self.bare.seconds / self.ours.seconds


def allocate(  # noqa: PLR0913 - the last three by their names
    what: str,
    count: int,
    turns: int,
    *,
    pools: int = 1,
    cheap: bool = False,
    least: float = LEAST,
) -> Iterator[table.Figure]:
    """Yield how fast claims get addresses."""

    def prepare(provider: Provider, name: str) -> Crowd:
        return Crowd(provider, name, count, pools)

    found = _turns(Job("allocate", bound, prepare, cheap=cheap), turns)
    yield from _compared(f"{what}, claims/s", count, found, least)
    yield _status_figure(what, [turn.ours for turn in found])


def release(count: int, turns: int) -> Iterator[table.Figure]:
    """Yield how fast deleted claims give their addresses back."""

    def prepare(provider: Provider, name: str) -> Crowd:
        crowd = Crowd(provider, name, count)
        crowd.bind()
        crowd.delete()
        return crowd

    yield from _compared("release, claims/s", count, _turns(Job("release", gone, prepare), turns))


def _compared(
    what: str, count: int, turns: list[Turn], least: float = LEAST
) -> Iterator[table.Figure]:
    """Yield the figures of the turn with the median ratio, and CPU times over all turns."""
    turns = sorted(turns, key=lambda turn: turn.ratio)
    median = turns[len(turns) // 2]
    ours, bare = (f"{count / run.seconds:.0f}" for run in (median.ours, median.bare))
    ratio = statistics.median(turn.ratio for turn in turns)
    yield table.at_least(what, ours, bare, ratio, least)
    if median.go:
        beside = f"{count / median.go.seconds:.0f}"
        faster = median.go.seconds / median.ours.seconds
        yield table.Figure("  the same beside the Go provider", ours, beside, faster)
    all_ours, all_bare = [turn.ours for turn in turns], [turn.bare for turn in turns]
    own, theirs = (
        1000 * statistics.mean(run.cpu for run in runs) / count for runs in (all_ours, all_bare)
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
        for runs in (all_ours, all_bare)
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


def _turns(job: Job, turns: int) -> list[Turn]:
    """Return what each took, turn by turn."""
    return [_turn(job, ours_first=number % 2 == 0) for number in range(turns)]


def _turn(job: Job, *, ours_first: bool) -> Turn:
    with cluster(cheap=job.cheap) as provider:
        served, raw = (job.prepare(provider, name) for name in ("served", "bare"))
        others = job.prepare(provider, "go") if goprovider.named() else None
        first = _ours(provider, job, served) if ours_first else None
        bare = _bare(provider, job, raw)
        go = _go(provider, job, others) if others else None
        return Turn(first or _ours(provider, job, served), bare, go)


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


def _go(provider: Provider, job: Job, crowd: Crowd) -> Run:
    """Stop the manager and let the Go provider work, when it has started and waits."""
    provider.manager.stop()
    with goprovider.process(provider, provider.manager.certificates) as process:
        usage.settle(process.pid)
        return _timed(provider, job, crowd, lambda: crowd.pause(paused=False), process.pid)


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
