# SPDX-License-Identifier: Apache-2.0
"""One run: set up, cause faults under traffic, wait until all is quiet, and check."""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

from ..controlplane import capi
from ..controlplane.provider import Provider
from ..errors import NotReachedError, RefusedError
from ..manifests import POOL_PLURALS
from ..waiting import until
from . import settled
from .checker import ADDRESSES, judged
from .faults import Faults
from .history import Event, History
from .pools import EAST, PLANS, WEST
from .replicas import Replicas
from .settled import Snapshot
from .traffic import Traffic, restore

USERS = 2
SETTLE_SECONDS = 120.0
"""How long what failed often may take to be tried again, and a dead watch to be noticed."""

_LOOKS_SECONDS = 1.0  # between the two looks that must both be good: one may be by luck

Schedule = Callable[[Faults], Iterable[str]]
"""Which kinds of faults come, in order."""

HISTORY = "history.jsonl"
"""Beside the logs: what the violations are about, in order."""

SENTINEL = "chaos-sentinel"  # a claim of nobody's: once the history has it, it has everything


@dataclass(frozen=True, slots=True)
class Report:
    """What was done, and what was found."""

    seed: int
    operations: Counter[str]
    faults: Counter[str]
    missing: list[str]
    """Kinds of faults that were never done."""
    events: int
    """Writes of pools, claims and addresses in the history."""
    allocated: int
    """IPAddresses that were made."""
    expired: int
    """How often a manager was answered that its history is gone (410)."""
    slipped: int
    """Claims that the API server removed past their finalizer."""
    violations: list[str]


def run(  # noqa: PLR0913 - the optional ones by their names
    folder: Path,
    seed: int,
    schedule: Schedule,
    say: Callable[[str], None],
    *,
    capi_series: str = capi.NEWEST,
    elected: bool = True,
) -> Report:
    """Run in a scratch folder; the same seed makes the same decisions."""
    with ExitStack() as stack:
        replicas = stack.enter_context(Replicas(folder, capi_series, elected=elected))
        provider = replicas.provider
        etcd = stack.enter_context(closing(provider.control_plane.etcd_client()))
        history = stack.enter_context(History(etcd))
        for namespace in (EAST, WEST):
            provider.new_namespace(namespace)
        restore(provider)
        say(f"managers are up: {len(replicas.all)}; faults begin")
        users = [Traffic(provider, f"{seed} user {number}") for number in range(USERS)]
        faults = Faults(replicas, history, etcd, f"{seed} faults")
        with ExitStack() as busy:
            for user in users:
                busy.enter_context(user)
            faults.run(schedule(faults))
        say("everything is mended; waiting until it has settled")
        left = _settle(provider, history)
        faults.look()
        _read_to_the_end(provider, history)
        _keep(folder / HISTORY, history.events)
        checked = judged(history.events)
        return Report(
            seed=seed,
            operations=sum((user.done for user in users), Counter[str]()),
            faults=faults.done,
            missing=faults.missing,
            events=len(history.events),
            allocated=sum(map(_is_birth, history.events)),
            expired=sum(replica.proxy.expired for replica in replicas.all),
            slipped=len(checked.slipped),
            violations=[*map(str, checked.violations), *faults.crashes, *left, *_holes(history)],
        )


def _settle(provider: Provider, history: History) -> list[str]:
    """Return the problems that remain after the last change."""
    until("the API server lists what it has read from etcd", lambda: _lists(provider), bool)
    restore(provider)
    try:
        until(
            "all is as it must be",
            lambda: _found_twice(provider, history),
            lambda found: not found,
            SETTLE_SECONDS,
        )
    except NotReachedError as error:
        found = error.seen
        assert isinstance(found, list)
        return [f"in the end: {fault}" for fault in cast("list[str]", found)]
    return []


def _lists(provider: Provider) -> bool:
    """Return whether lists are answered: for some seconds after a start, they are not."""
    pools = {plan.key[0]: provider.pools(plan.key[0]) for plan in PLANS}
    try:
        for each in (provider.claims(), provider.addresses(), *pools.values()):
            each.list()
    except RefusedError:
        return False
    return True


def _found_twice(provider: Provider, history: History) -> list[str]:
    """Return the problems, now or a moment later."""
    if found := settled.faults(_snapshot(provider, history)):
        return found
    time.sleep(_LOOKS_SECONDS)
    return settled.faults(_snapshot(provider, history))


def _snapshot(provider: Provider, history: History) -> Snapshot:
    claims, addresses = provider.claims().list(), provider.addresses().list()
    pools = {plan.key: provider.pools(plan.key[0], plan.namespace or None) for plan in PLANS}
    return Snapshot(
        [claim for claim in claims if claim["spec"]["poolRef"]["kind"] in POOL_PLURALS],
        addresses,
        {key: found for key, resource in pools.items() if (found := resource.find(key[2]))},
        POOL_PLURALS,
        frozenset(judged(tuple(history.events)).slipped),
    )


def _read_to_the_end(provider: Provider, history: History) -> None:
    body = {
        "apiVersion": f"ipam.cluster.x-k8s.io/{provider.ipam_version}",
        "kind": "IPAddressClaim",
        "metadata": {"name": SENTINEL},
        "spec": {"poolRef": {"apiGroup": "example.com", "kind": "Nobodys", "name": "pool"}},
    }
    provider.claims(EAST).create(body)
    until("the history is read", lambda: history, _is_read)


def _keep(file: Path, events: list[Event]) -> None:
    with file.open("w") as lines:
        lines.writelines(json.dumps(asdict(event)) + "\n" for event in events)


def _is_read(history: History) -> bool:
    return history.lost is not None or any(event.name == SENTINEL for event in history.events)


def _is_birth(event: Event) -> bool:
    return (
        event.plural == ADDRESSES
        and event.body is not None
        and event.body["metadata"].get("generation") == 1
        and not event.body["metadata"].get("deletionTimestamp")
    )


def _holes(history: History) -> list[str]:
    return [f"the history has a hole: {history.lost}"] if history.lost else []
