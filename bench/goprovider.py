# SPDX-License-Identifier: Apache-2.0
"""The Go provider beside which we measure, where its binary is named; it is built from its sources.

It needs a cluster that knows its kinds, or it ends.
"""

import os
from pathlib import Path

from envtest.controlplane.control_plane import ADMIN_GROUP
from envtest.controlplane.provider import Provider
from envtest.ports import free_port
from envtest.processes import Process

VARIABLE = "GO_PROVIDER"
"""The environment variable with the path of the binary; the Go provider is left out without it."""


def named() -> bool:
    """Return whether the Go provider is to be measured."""
    return bool(os.environ.get(VARIABLE))


def process(cluster: Provider, certificates: Path, port: int | None = None) -> Process:
    """Return the Go provider of a cluster, not yet started.

    Args:
        cluster: Where it works, with all rights.
        certificates: The folder with `tls.crt` and `tls.key` of its webhooks.
        port: Where its webhooks listen; any free one by default.
    """
    flags = (
        f"--webhook-port={port or free_port()}", f"--webhook-cert-dir={certificates}",
        "--health-probe-bind-address=0", "--diagnostics-address=0",
    )  # fmt: skip
    kubeconfig = cluster.control_plane.kubeconfig("go-provider", [ADMIN_GROUP])
    return Process(
        "go",
        [os.environ[VARIABLE], *flags],
        cluster.folder / "go.log",
        environment={"KUBECONFIG": str(kubeconfig)},
    )
