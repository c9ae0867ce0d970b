# SPDX-License-Identifier: Apache-2.0
"""One cluster of a lab: control plane, kube-controller-manager, and a node that runs its pods."""

from pathlib import Path

from typing_extensions import override

from ..client import Client
from ..controlplane import controllers
from ..controlplane.control_plane import ADMIN_GROUP, ControlPlane
from ..processes import Startable
from . import network
from .images import Images
from .kubelet import Kubelet

CONTROLLERS = (  # what clusterctl and the pods' Services need; the rest would only cost time
    "clusterrole-aggregation-controller",
    "deployment-controller",
    "endpointslice-controller",
    "garbage-collector-controller",
    "namespace-controller",
    "replicaset-controller",
    "root-ca-certificate-publisher-controller",
    "serviceaccount-controller",
    "serviceaccount-token-controller",
)


class Cluster(Startable):
    """A cluster by its number in the lab; starts and ends with its `with` block."""

    def __init__(
        self,
        folder: Path,
        number: int,
        pods: network.PodNetwork,
        images: Images,
        *,
        owners_checked: bool,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        address = network.control_plane_address(number)
        self.control_plane = ControlPlane(folder, address=address, owners_checked=owners_checked)
        self.kubelet = Kubelet(self.control_plane, folder / "pods", pods, images)
        self._controllers = controllers.process(self.control_plane, CONTROLLERS)

    @override
    def start(self) -> None:
        """Start everything, the control plane first."""
        self.control_plane.start()
        self._controllers.start()
        self.kubelet.start()

    @override
    def stop(self) -> None:
        """End everything, pods first."""
        self.kubelet.stop()
        self._controllers.kill()
        self.control_plane.stop()

    @property
    def admin(self) -> Client:
        """A client that may do everything."""
        return self.control_plane.admin

    @property
    def kubeconfig(self) -> Path:
        """The kubeconfig of somebody who may do everything."""
        return self.control_plane.kubeconfig("lab-admin", [ADMIN_GROUP])
