# SPDX-License-Identifier: Apache-2.0
"""When each step of an upgrade happens, and so which part of an outage is whose."""

import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from http import HTTPStatus
from http.client import HTTPException, HTTPSConnection
from itertools import accumulate, pairwise
from typing import Self

from ..client import Client, Json
from ..contract import GROUP

POLL_SECONDS = 0.01  # between two tries to reach a process that starts
PATIENCE_SECONDS = 60  # for the whole upgrade, on a busy machine

SERVICE = "capi-ipam-in-cluster-webhook-service"
_PORT = 9443  # at which a pod behind it answers

BEGAN = "objects could be read for the last time"
STARTED = "process started"
READABLE = "objects can be read again"
CLUSTERCTL = "clusterctl"
PARTS = {
    "Service deleted": f"{CLUSTERCTL}, from the scaled-down Deployment to the deleted Service",
    "Deployment created": f"{CLUSTERCTL}, to the new Deployment",
    "pod created": "Kubernetes' controllers, to the pod",
    STARTED: "kubelet and runc, to the process",
    "first answer": "the manager, to its first answer",
    "pod ready": "kubelet, to the pod that is ready",
    "endpoint ready": "Kubernetes' controllers, to the endpoint",
    READABLE: "API server, to the first object read",
}
"""The steps after the first in their order, each with the part that leads to it."""

_JSON = {"Content-Type": "application/json"}
_REVIEW: Json = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "ConversionReview",
    "request": {"uid": "1", "desiredAPIVersion": f"{GROUP}/v1alpha2", "objects": []},
}


class Timeline:
    """Notes when the steps happen, while a block upgrades the provider in a namespace."""

    def __init__(self, admin: Client, namespace: str) -> None:
        self._admin = admin
        self._namespace = namespace
        self._moments: dict[str, float] = {}
        self._threads: list[threading.Thread] = []
        self._asked = False
        """Whether the new pod is asked for its first answer."""
        self.pod = ""
        """The name of the new pod, as soon as there is one."""

    def __enter__(self) -> Self:
        self._follow("v1", "services", self._service)
        self._follow("apps/v1", "deployments", self._deployment)
        self._follow("v1", "pods", self._new_pod)
        self._follow("discovery.k8s.io/v1", "endpointslices", self._endpoint)
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            for thread in self._threads:
                thread.join()

    def note(self, step: str, moment: float | None = None) -> None:
        """Note when a step happened first: now, unless another moment is given."""
        self._moments.setdefault(step, time.monotonic() if moment is None else moment)

    def parts(self) -> Iterator[tuple[str, float]]:
        """Yield how many seconds each part took.

        Flow:
            A step that was over before the one that precedes it here took no time of its own, and
            none took longer than the outage.
        """
        moments = [min(self._moments[step], self._moments[READABLE]) for step in (BEGAN, *PARTS)]
        ends = accumulate(moments, max)
        for part, (before, after) in zip(PARTS.values(), pairwise(ends), strict=True):
            yield part, after - before

    def _follow(self, version: str, plural: str, is_last: Callable[[Json], bool]) -> None:
        """Give events to a function, in a thread, up to the last one that it needs."""
        resource = self._admin.resource(version, plural, self._namespace)
        since = resource.listing()["metadata"]["resourceVersion"]

        def run() -> None:
            with resource.watch(since, PATIENCE_SECONDS) as events:
                any(map(is_last, events))

        self._begin(run)

    def _begin(self, run: Callable[[], None]) -> None:
        thread = threading.Thread(target=run, name="timeline", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _service(self, event: Json) -> bool:
        name: str = event["object"]["metadata"]["name"]
        deleted: bool = event["type"] == "DELETED" and name == SERVICE
        if deleted:
            self.note("Service deleted")
        return deleted

    def _deployment(self, event: Json) -> bool:
        created: bool = event["type"] == "ADDED"
        if created:
            self.note("Deployment created")
        return created

    def _new_pod(self, event: Json) -> bool:
        """Note what happens to the pod that is created, and ask it as soon as it has an address."""
        name, status = event["object"]["metadata"]["name"], event["object"]["status"]
        if event["type"] == "ADDED":
            self.pod = name
            self.note("pod created")
        if name != self.pod or not status.get("podIP"):
            return False
        if not self._asked:
            self._asked = True
            self._begin(lambda: self._await_answer(status["podIP"]))
        ready = {"type": "Ready", "status": "True"}
        is_ready = any(ready.items() <= each.items() for each in status["conditions"])
        if is_ready:
            self.note("pod ready")
        return is_ready

    def _await_answer(self, address: str) -> None:
        context, deadline = _any_certificate(), time.monotonic() + PATIENCE_SECONDS
        while not _converts(address, context) and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
        self.note("first answer")

    def _endpoint(self, event: Json) -> bool:
        """Return whether the new pod is ready behind the Service."""
        found = event["object"]
        if found["metadata"]["labels"].get("kubernetes.io/service-name") != SERVICE:
            return False
        ready = any(
            endpoint["targetRef"]["name"] == self.pod and endpoint["conditions"]["ready"]
            for endpoint in found["endpoints"] or ()
        )
        if ready and event["type"] != "DELETED":
            self.note("endpoint ready")
            return True
        return False


def _any_certificate() -> ssl.SSLContext:
    """Return a context that trusts all: whether it is the right pod, the API server asks."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def _converts(address: str, context: ssl.SSLContext) -> bool:
    """Return whether a pod answers a conversion."""
    connection = HTTPSConnection(address, _PORT, timeout=1, context=context)
    try:
        connection.request("POST", "/convert", json.dumps(_REVIEW), _JSON)
        return connection.getresponse().status == HTTPStatus.OK
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()
