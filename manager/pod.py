# SPDX-License-Identifier: Apache-2.0
"""How the manager is started and reached in its pod: said here once, for both sides.

The process listens and answers by it; `generator` writes the Deployment and Services from it.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Port:
    """A port of the container.  Services and probes refer to it by its name."""

    name: str
    number: int


WEBHOOK = Port("webhook-server", 9443)
METRICS = Port("metrics", 8443)
HEALTH = Port("healthz", 8081)
PORTS = (WEBHOOK, METRICS, HEALTH)

LEASE = "7bb7acb4.ipam.cluster.x-k8s.io"
"""The Lease that elects the leader: the Go provider's, so that the two can't run at once."""


ALIVE = "/healthz"
READY = "/readyz"
"""Paths of the probes, at the port `HEALTH`."""

CERTIFICATES = "/tmp/k8s-webhook-server/serving-certs"  # noqa: S108 - a path in the pod
"""Folder in which the Secret with the webhooks' certificate is mounted."""

ARGS = (
    "--leader-elect",
    f"--health-probe-bind-address=:{HEALTH.number}",
    f"--diagnostics-address=:{METRICS.number}",
    f"--webhook-port={WEBHOOK.number}",
    f"--webhook-cert-dir={CERTIFICATES}",
    "--shutdown-delay=3s",
)
"""All but the first and the last say what the defaults say: whoever patches one sees what there is.

The last is for as long as nodes may take to learn that a pod is not in its Service any more.
"""
