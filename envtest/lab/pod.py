# SPDX-License-Identifier: Apache-2.0
"""One pod of the lab: its volumes, its container, its probe, its status, its end."""

import datetime as dt
import re
import threading
import time
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlsplit

import urllib3

from ..client import Client, Json
from ..errors import EnvtestError, RefusedError
from ..processes import Process
from . import runc, volumes
from .images import Images
from .network import PodNetwork

TICK_SECONDS = 0.05  # how often a pod looks at itself: small beside the seconds that are measured
FOLLOW_SECONDS = 5.0  # between two looks at Secrets: a kubelet takes up to a minute
RESTART_SECONDS = 1.0  # before a container that ended is started again
NOBODY = 65532  # the user of images that name none, as in the images that run here
CONDITIONS = ("PodScheduled", "Initialized", "ContainersReady", "Ready")


@dataclass(frozen=True, slots=True)
class Node:
    """What all pods of a cluster share."""

    name: str
    server: str
    admin: Client
    folder: Path
    network: PodNetwork
    images: Images


class Pod(threading.Thread):
    """Runs the first container of one pod; others are not needed here.

    Flow: bind, wait for volumes, network, container; look after it until `end`; delete the pod.
    A container that ends is started again.  What goes wrong is written to the pod's log.
    """

    def __init__(self, node: Node, manifest: Json) -> None:
        meta = manifest["metadata"]
        super().__init__(name=f"pod {meta['name']}")
        self._node = node
        self._manifest = manifest
        self._pods = node.admin.resource("v1", "pods", meta["namespace"])
        self._folder = node.folder / f"{meta['namespace']}_{meta['name']}"
        self._folder.mkdir(parents=True, exist_ok=True)
        self._log = self._folder.with_suffix(".log")
        self._over = threading.Event()
        self._grace = 0.0
        self._restarts = 0
        self.container: runc.Container | None = None
        self.ready_seconds = 0.0
        """What its last start took, until it was ready."""

    def end(self, grace: float) -> None:
        """Ask the pod to end within so many seconds; once is enough."""
        if not self._over.is_set():
            self._grace = grace
            self._over.set()

    def run(self) -> None:
        """Live; see the class."""
        try:
            self._bind()
            self._await_volumes()
            address, namespace = self._node.network.attach()
            self._manifest["status"] |= {"podIP": address}
            try:
                while not self._over.is_set():
                    self._run_container(namespace)
            finally:
                self._node.network.detach(address)
            self._delete()
        except (EnvtestError, OSError) as error:
            self._say(f"{type(error).__name__}: {error}")

    @property
    def _container(self) -> Json:
        container: Json = self._manifest["spec"]["containers"][0]
        return container

    def _bind(self) -> None:
        name = self._manifest["metadata"]["name"]
        target = {"apiVersion": "v1", "kind": "Node", "name": self._node.name}
        binding = {"metadata": {"name": name}, "target": target}
        path = f"{self._pods.path}/{name}/binding"
        self._node.admin.request("POST", path, {"apiVersion": "v1", "kind": "Binding", **binding})

    def _await_volumes(self) -> None:
        while not self._over.wait(TICK_SECONDS):
            try:
                self._fill(self._manifest["spec"].get("volumes", []))
            except volumes.AbsentError:
                continue
            return

    def _fill(self, chosen: list[Json]) -> None:
        for volume in chosen:
            folder = self._folder / volume["name"]
            volumes.fill(folder, volume, self._manifest, self._node.admin)

    def _run_container(self, namespace: Path) -> None:
        began = time.monotonic()
        self.container = container = self._new_container(namespace)
        container.start()
        try:
            self._look_after(container, began)
        finally:
            container.stop(self._grace)
        self._report(ready=False)
        self._restarts += 1
        self._over.wait(RESTART_SECONDS)

    def _look_after(self, process: Process, began: float) -> None:
        """Probe and follow Secrets until the process or the pod ends."""
        self._report(ready=False)
        probe, ready = _Probe(self._container, self._manifest["status"]["podIP"]), False
        follow = time.monotonic() + FOLLOW_SECONDS
        while process.running and not self._over.wait(TICK_SECONDS):
            if probe.due() and probe.passes() is not ready:
                ready = not ready
                self.ready_seconds = time.monotonic() - began
                self._report(ready=ready)
            if time.monotonic() > follow:
                follow = time.monotonic() + FOLLOW_SECONDS
                self._fill([item for item in self._volumes() if volumes.follows(item)])

    def _volumes(self) -> list[Json]:
        chosen: list[Json] = self._manifest["spec"].get("volumes", [])
        return chosen

    def _new_container(self, network: Path) -> runc.Container:
        image = self._node.images.find(self._container["image"])
        environment = {**image.environment, **self._environment()}
        command = self._container.get("command") or image.entrypoint
        arguments = [_expanded(text, environment) for text in self._container.get("args", [])]
        spec = runc.Spec(
            root=image.root,
            command=[*command, *arguments],
            user=self._security("runAsUser", default=NOBODY),
            environment=environment,
            volumes=self._mounts(),
            network=network,
            read_only=bool(self._security("readOnlyRootFilesystem", default=False)),
        )
        name = f"{self._manifest['metadata']['uid']}-{self._restarts}"
        return runc.Container(name, spec, self._folder / "container", self._log)

    def _security(self, name: str, default: int) -> int:
        """Return a setting of the container's security context, or of the pod's."""
        pod = self._manifest["spec"].get("securityContext", {})
        return int({**pod, **self._container.get("securityContext", {})}.get(name, default))

    def _mounts(self) -> dict[str, tuple[Path, bool]]:
        return {
            mount["mountPath"]: (self._folder / mount["name"], not mount.get("readOnly", False))
            for mount in self._container.get("volumeMounts", [])
        }

    def _environment(self) -> dict[str, str]:
        api = urlsplit(self._node.server)
        found = {
            "KUBERNETES_SERVICE_HOST": str(api.hostname),
            "KUBERNETES_SERVICE_PORT": str(api.port),
        }
        for item in self._container.get("env", []):
            reference = item.get("valueFrom", {}).get("fieldRef")
            known = volumes.field(self._manifest, reference["fieldPath"]) if reference else ""
            found[item["name"]] = item.get("value", known)
        return found

    def _report(self, *, ready: bool) -> None:
        """Write the pod's status, unless somebody has removed the pod meanwhile."""
        now = f"{dt.datetime.now(dt.UTC):%Y-%m-%dT%H:%M:%SZ}"
        address, state = self._manifest["status"]["podIP"], str(ready)
        container = {
            "name": self._container["name"],
            "image": self._container["image"],
            "imageID": "",
            "ready": ready,
            "started": True,
            "restartCount": self._restarts,
            "state": {"running": {"startedAt": now}},
        }
        status = {
            "phase": "Running",
            "podIP": address,
            "podIPs": [{"ip": address}],
            "startTime": now,
            "containerStatuses": [container],
            "conditions": [
                {"type": kind, "status": state, "lastTransitionTime": now} for kind in CONDITIONS
            ],
        }
        try:
            self._pods.merge(self._manifest["metadata"]["name"], {"status": status}, "status")
        except RefusedError as error:
            if error.code != HTTPStatus.NOT_FOUND:
                raise

    def _delete(self) -> None:
        """Confirm the end, as a kubelet does; the pod may be gone already."""
        meta = self._manifest["metadata"]
        options = {"gracePeriodSeconds": 0, "preconditions": {"uid": meta["uid"]}}
        body = {"apiVersion": "v1", "kind": "DeleteOptions", **options}
        try:
            self._node.admin.request("DELETE", f"{self._pods.path}/{meta['name']}", body)
        except RefusedError as error:
            if error.code not in {HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT}:
                raise

    def _say(self, line: str) -> None:
        with self._log.open("a") as log:
            log.write(f"lab: {line}\n")


class _Probe:
    """A container's readiness probe by HTTP; a container without one is ready at once."""

    def __init__(self, container: Json, address: str) -> None:
        probe = container.get("readinessProbe", {})
        get = probe.get("httpGet")
        self._url = _url(get, container, address) if get else ""
        self._timeout = float(probe.get("timeoutSeconds", 1))
        self._period = float(probe.get("periodSeconds", 10))
        self._failures_allowed = int(probe.get("failureThreshold", 3))
        self._failures = self._failures_allowed  # not ready before it passed once
        self._next = 0.0

    def due(self) -> bool:
        """Return whether it is time to ask: each period, and all the time before it passed."""
        return self._failures >= self._failures_allowed or time.monotonic() > self._next

    def passes(self) -> bool:
        """Ask, and return whether the container counts as ready."""
        self._next = time.monotonic() + self._period
        self._failures = 0 if self._answers() else self._failures + 1
        return self._failures < self._failures_allowed

    def _answers(self) -> bool:
        if not self._url:
            return True
        try:
            with urllib3.PoolManager(cert_reqs="CERT_NONE", assert_hostname=False) as pool:
                response = pool.request("GET", self._url, retries=False, timeout=self._timeout)
        except urllib3.exceptions.HTTPError:
            return False
        return response.status < HTTPStatus.BAD_REQUEST


def _url(get: Json, container: Json, address: str) -> str:
    port = get["port"]
    if isinstance(port, str):
        ports = container["ports"]
        port = next(item["containerPort"] for item in ports if item["name"] == port)
    return f"{get.get('scheme', 'HTTP').lower()}://{address}:{port}{get.get('path', '/')}"


def _expanded(text: str, environment: dict[str, str]) -> str:
    """Replace $(NAME) where the name is known, as Kubernetes does in arguments."""
    return re.sub(r"\$\((\w+)\)", lambda found: environment.get(found[1], found[0]), text)
