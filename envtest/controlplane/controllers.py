# SPDX-License-Identifier: Apache-2.0
"""kube-controller-manager beside a control plane, with the controllers that somebody needs."""

from collections.abc import Sequence

from ..pki import LOOPBACK
from ..ports import free_port
from ..processes import Process
from . import binaries
from .control_plane import ControlPlane

_USER = "system:kube-controller-manager"  # the API server's own roles are bound to this name


def process(plane: ControlPlane, controllers: Sequence[str]) -> Process:
    """Return a kube-controller-manager, not yet started; its log is in the plane's folder."""
    flags = {
        "kubeconfig": plane.kubeconfig(_USER),
        "controllers": ",".join(controllers),
        "use-service-account-credentials": "true",
        "service-account-private-key-file": plane.folder / "service-account.key",
        "root-ca-file": plane.folder / "ca.crt",
        "bind-address": LOOPBACK,
        "secure-port": free_port(),
        "leader-elect": "false",
    }
    command = [str(binaries.find(binaries.KUBE_CONTROLLER_MANAGER))]
    command += [f"--{name}={value}" for name, value in flags.items()]
    return Process("kube-controller-manager", command, plane.folder / "kube-controller-manager.log")
