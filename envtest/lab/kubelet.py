# SPDX-License-Identifier: Apache-2.0
"""The lab's one node: takes every pod, and ends those that are deleted."""

import threading
from pathlib import Path

from ..client import Json
from ..controlplane.control_plane import ControlPlane
from ..errors import EnvtestError
from .images import Images
from .network import PodNetwork
from .pod import Node, Pod

NAME = "lab"
LOOK_SECONDS = 0.05  # between two looks at the pods: small beside the seconds that are measured
GRACE_SECONDS = 30  # Kubernetes' default


class Kubelet:
    """Scheduler and kubelet of one cluster; each pod has a thread of its own."""

    def __init__(
        self, control_plane: ControlPlane, folder: Path, network: PodNetwork, images: Images
    ) -> None:
        self._admin = control_plane.admin
        self._node = Node(NAME, control_plane.server, self._admin, folder, network, images)
        self._pods: dict[str, Pod] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="kubelet")

    def start(self) -> None:
        """Register the node and look after pods from now on."""
        node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": NAME}}
        self._admin.resource("v1", "nodes").apply(node)
        self._thread.start()

    def stop(self) -> None:
        """End every pod without grace, and return when all are gone."""
        self._over.set()
        if self._thread.is_alive():
            self._thread.join()
        for pod in self._pods.values():
            pod.end(grace=0)
        for pod in self._pods.values():
            pod.join()

    def pod(self, name: str) -> Pod:
        """Return the pod whose name begins so; there is one."""
        (found,) = [pod for pod in self._pods.values() if pod.name.startswith(f"pod {name}")]
        return found

    def _run(self) -> None:
        while not self._over.wait(LOOK_SECONDS):
            try:
                self._look(self._admin.resource("v1", "pods").list())
            except (EnvtestError, OSError):  # an API server that is down: look again
                continue

    def _look(self, pods: list[Json]) -> None:
        for manifest in pods:
            meta = manifest["metadata"]
            pod = self._pods.get(meta["uid"])
            if pod is None and not meta.get("deletionTimestamp"):
                self._pods[meta["uid"]] = pod = Pod(self._node, manifest)
                pod.start()
            if pod is not None and meta.get("deletionTimestamp"):
                pod.end(meta.get("deletionGracePeriodSeconds", GRACE_SECONDS))
        gone = self._pods.keys() - {manifest["metadata"]["uid"] for manifest in pods}
        for uid in gone:
            self._pods.pop(uid).end(grace=0)
