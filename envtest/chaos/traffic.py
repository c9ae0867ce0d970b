# SPDX-License-Identifier: Apache-2.0
"""What users do meanwhile: at random, straight at the API server, and never discouraged."""

import random
import threading
from collections import Counter
from collections.abc import Callable
from typing import Self

import urllib3

from .. import manifests
from ..client import Json, Resource
from ..contract import CLUSTER_NAME, PAUSED, RECORD
from ..controlplane.control_plane import ADMIN_GROUP
from ..controlplane.provider import Provider
from ..errors import RefusedError
from .pools import PLANS, Plan

_PAUSE_SECONDS = (0.02, 0.12)  # between a user's requests: two busy users are about 30 a second
_ANSWER_SECONDS = 5.0  # an API server that is frozen takes longer; a busy one does not
_OUTAGE_SECONDS = 0.3  # before the next request after one that found no API server
_BURST = 8  # claims at once, more than the small pools have addresses
_ASKING = 0.3  # of the claims of pools in which addresses are asked for


class Traffic:
    """One user, for the length of a block; `done` counts what was asked for, by what it was."""

    def __init__(self, provider: Provider, seed: str) -> None:
        self.done: Counter[str] = Counter()
        self._mine: list[tuple[str, str]] = []  # claims that this user created and did not delete
        self._halted: tuple[str, str] | None = None  # the claim that this user has paused
        self._provider = provider
        self._client = provider.control_plane.client(
            f"chaos-{seed}".replace(" ", "-"), [ADMIN_GROUP], _ANSWER_SECONDS
        )
        self._random = random.Random(seed)  # noqa: S311 - not a secret
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._client.close()

    def _actions(self) -> dict[Callable[[Plan], None], int]:
        """Return what users do, and how often each."""
        return {
            self._create: 40,
            self._delete: 40,
            self._burst: 4,
            self._edit: 6,
            self._come_or_go: 6,
            self._give_up_asking: 4,
            self._delete_address: 2,
            self._pause_or_resume_pool: 2,
            self._pause_or_resume_cluster: 2,
            self._pause_or_resume_claim: 2,
        }

    def _run(self) -> None:
        actions = self._actions()
        while not self._over.wait(self._random.uniform(*_PAUSE_SECONDS)):
            (action,) = self._random.choices([*actions], [*actions.values()])
            try:
                action(self._random.choice(PLANS))
            except RefusedError:
                self.done["refused"] += 1
            except urllib3.exceptions.HTTPError:
                self.done["no answer"] += 1
                self._over.wait(_OUTAGE_SECONDS)

    def _create(self, plan: Plan) -> None:
        namespace, name = self._claim(plan)
        body = manifests.claim(name, plan.name, plan.kind, self._provider.ipam_version)
        if plan.asked and self._random.random() < _ASKING:
            asked = self._random.choice(plan.asked)
            body["metadata"]["annotations"] = {RECORD: asked}
        if plan.cluster:
            body["metadata"]["labels"] = {CLUSTER_NAME: plan.cluster}
        self._own(self._provider.claims(namespace)).create(body)
        self._mine.append((namespace, name))
        self.done["claims created"] += 1

    def _burst(self, plan: Plan) -> None:
        for _ in range(_BURST):
            self._create(plan)

    def _delete(self, _plan: Plan) -> None:
        if not self._mine:
            return
        namespace, name = self._mine.pop(self._random.randrange(len(self._mine)))
        self._own(self._provider.claims(namespace)).delete(name)
        self.done["claims deleted"] += 1

    def _give_up_asking(self, plan: Plan) -> None:
        """Take the annotation off a claim that has no address."""
        namespace, name = self._claim(plan)
        claims = self._own(self._provider.claims(namespace))
        claim = claims.get(name)
        if plan.asked and "addressRef" not in claim.get("status", {}):
            version = claim["metadata"]["resourceVersion"]
            annotations = {RECORD: None}
            metadata = {"annotations": annotations, "resourceVersion": version}
            claims.merge(name, {"metadata": metadata})
            self.done["annotations removed"] += 1

    def _delete_address(self, plan: Plan) -> None:
        """Delete an IPAddress by hand, which its finalizer must hold until its claim goes."""
        namespace, name = self._claim(plan)
        self._own(self._provider.addresses(namespace)).delete(name)
        self.done["addresses deleted by hand"] += 1

    def _edit(self, plan: Plan) -> None:
        if len(plan.specs) > 1:
            pools = self._own(_pools(self._provider, plan))
            pools.edit(plan.name, lambda pool: pool.update(spec=self._random.choice(plan.specs)))
            self.done["pools edited"] += 1

    def _come_or_go(self, plan: Plan) -> None:
        if not plan.leaves:
            return
        pools = self._own(_pools(self._provider, plan))
        if pools.find(plan.name) is None:
            pools.create(manifests.pool(plan.name, plan.specs[0], plan.kind))
            self.done["pools created"] += 1
        else:
            pools.delete(plan.name)
            self.done["pools deleted"] += 1

    def _pause_or_resume_pool(self, plan: Plan) -> None:
        if plan.pauses:
            pools = self._own(_pools(self._provider, plan))
            on = PAUSED not in pools.get(plan.name)["metadata"].get("annotations", {})
            pools.merge(plan.name, _annotated(paused=on))
            self.done[f"pools {_done(paused=on)}"] += 1

    def _pause_or_resume_cluster(self, plan: Plan) -> None:
        if plan.cluster:
            clusters = self._own(self._provider.clusters(plan.namespace))
            on = not clusters.get(plan.cluster)["spec"].get("paused", False)
            clusters.merge(plan.cluster, {"spec": {"paused": on}})
            self.done[f"Clusters {_done(paused=on)}"] += 1

    def _pause_or_resume_claim(self, plan: Plan) -> None:
        """Pause a claim, or let the last one go on: few at a time, so that there is traffic."""
        on = self._halted is None
        namespace, name = self._halted or self._claim(plan)
        self._halted = None
        self._own(self._provider.claims(namespace)).merge(name, _annotated(paused=on))
        self._halted = (namespace, name) if on else None
        self.done[f"claims {_done(paused=on)}"] += 1

    def _own(self, objects: Resource) -> Resource:
        """Return the same objects, reached as this user."""
        return Resource(self._client, objects.path)

    def _claim(self, plan: Plan) -> tuple[str, str]:
        namespace = self._random.choice(plan.users)
        return namespace, f"{plan.name}-{self._random.randrange(plan.claims)}"


def restore(provider: Provider) -> None:
    """Create missing pools and Clusters, and end all pauses."""
    for plan in PLANS:
        pools = _pools(provider, plan)
        if pools.find(plan.name) is None:
            pools.create(manifests.pool(plan.name, plan.specs[0], plan.kind))
        pools.merge(plan.name, _annotated(paused=False))
        if plan.cluster:
            _restore_cluster(provider, plan)
    for claim in provider.claims().list():
        if PAUSED in claim["metadata"].get("annotations", {}):
            meta = claim["metadata"]
            provider.claims(meta["namespace"]).merge(meta["name"], _annotated(paused=False))


def _restore_cluster(provider: Provider, plan: Plan) -> None:
    kind = {"apiVersion": provider.cluster_version, "kind": "Cluster"}
    body = {**kind, "metadata": {"name": plan.cluster}, "spec": {"paused": False}}
    provider.clusters(plan.namespace).apply(body)


def _pools(provider: Provider, plan: Plan) -> Resource:
    return provider.pools(manifests.POOL_PLURALS[plan.kind], plan.namespace or None)


def _annotated(*, paused: bool) -> Json:
    return {"metadata": {"annotations": {PAUSED: "" if paused else None}}}


def _done(*, paused: bool) -> str:
    return "paused" if paused else "resumed"
