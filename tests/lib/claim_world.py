# SPDX-License-Identifier: Apache-2.0
"""Claims of one namespace on a fake API server, reconciled by hand."""

import time
from collections.abc import Callable
from contextlib import ExitStack, nullcontext
from typing import TYPE_CHECKING, Any

import builders
import pytest
import running
from builders import CONTRACT

from controller import events
from controller.claim_reconciler import ClaimReconciler
from controller.state import State
from kube.errors import KubeError
from kube.events import EVENTS
from kube.meta import Key
from kube.testing.fake import Json
from kube.workers import Done, RequeueAfter
from objects.informers import Informers, Scope

if TYPE_CHECKING:
    from objects import contracts

WEB = Key("default", "web")


class World:
    """One namespace of a fake API server, and the reconciler that looks after it."""

    def __init__(self, scope: Scope | None = None) -> None:
        self.api = builders.Api()
        self.scope = scope or Scope()
        self.contract: contracts.Contract = CONTRACT
        self.heard = ExitStack()

    def pool(self, *addresses: str, **spec: Any) -> None:
        self.api.add(builders.pool(*addresses, **spec))

    def claim(self, name: str = "web", *, cluster: str = "", **metadata: Any) -> None:
        """Create a claim; a `cluster` is that of its spec."""
        body = builders.claim(name, **metadata)
        body["spec"] |= {"clusterName": cluster} if cluster else {}
        self.api.add(body)

    async def reconcile(self, key: Key = WEB) -> Done | RequeueAfter:
        """Run once as a process does that has just started."""
        return await (await self.claims()).reconcile(key)

    async def claims(self, clock: Callable[[], float] = time.monotonic) -> ClaimReconciler:
        state = State(Informers(self.api, self.contract, self.scope))
        await running.fill(state)
        self.heard.enter_context(state.following())
        return ClaimReconciler(self.api, state, clock=clock)

    async def events_of(self, name: str, *, fails: bool = False) -> list[str]:
        """Reconcile a claim, and return the reasons of the Events that were written about it."""
        state = State(Informers(self.api, self.contract, self.scope))
        await running.fill(state)
        recorder = events.recorder(self.api, state.pool)
        before = len(self.api.writes)
        with pytest.raises(KubeError) if fails else nullcontext():
            await ClaimReconciler(self.api, state, recorder).reconcile(Key("default", name))
        await recorder.flush()
        written = [what for _, plural, what in self.api.writes[before:] if plural == "events"]
        told = [self.api.read(EVENTS, "default", event) or {} for event in written]
        assert {event["regarding"]["name"] for event in told} <= {name}
        return [event["reason"] for event in told]

    def read(self, name: str = "web") -> Json:
        return self.api.read(CONTRACT.claims, "default", name) or {}

    def address(self, name: str = "web") -> Json:
        return self.api.read(CONTRACT.addresses, "default", name) or {}

    def conditions(self, name: str = "web") -> dict[str, Json]:
        """Return the conditions of a claim, by their type."""
        status: Json = self.read(name).get("status", {})
        return {item["type"]: item for item in status.get("conditions", [])}

    def ready(self, name: str = "web") -> Json:
        return self.conditions(name)["Ready"]

    def delete(self, name: str = "web", at: str = "2026-01-01T00:00:01Z") -> None:
        """Delete a claim that somebody's finalizer holds."""
        self.api.change(CONTRACT.claims, name, deletionTimestamp=at)

    def cluster(self, **more: Any) -> None:
        self.api.cluster(**more)


class Clock:
    """Time that passes when told so."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds
