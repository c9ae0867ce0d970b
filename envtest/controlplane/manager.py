# SPDX-License-Identifier: Apache-2.0
"""The provider's own process: the real `ipam-in-cluster-manager`, as its Deployment runs it."""

import sys
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

import urllib3

from ..pki import LOOPBACK, Authority
from ..ports import free_port
from ..processes import Process

COMMAND = Path(sys.executable).with_name("ipam-in-cluster-manager")
READY_SECONDS = 60.0  # ready takes 1 to 2 s; two cores full of compilers take ten times that


def _lease_flags(duration: int, renew_deadline: int) -> tuple[str, ...]:
    return (
        "--leader-elect",
        f"--leader-elect-lease-duration={duration}s",
        f"--leader-elect-renew-deadline={renew_deadline}s",
        "--leader-elect-retry-period=500ms",
    )


LEASE_FLAGS = _lease_flags(3, 2)
"""A killed manager's lease must run out before the next one leads: tests don't wait 15 s."""
SHARED_LEASE_FLAGS = _lease_flags(9, 6)
"""For a manager that tests seldom kill: while they share the cores, a renewal may take over 2 s."""


@dataclass(frozen=True, slots=True)
class Options:
    """How one manager differs from the next."""

    name: str = "manager"
    webhook_port: int = 0
    """0 means without webhooks."""
    flags: tuple[str, ...] = LEASE_FLAGS
    detached: bool = False
    self_signed: bool = False
    """Whether it makes its certificate itself."""


class Manager(Process):
    """One manager; its ports, certificate folder and flags stay the same over restarts."""

    def __init__(
        self, folder: Path, kubeconfig: Path, authority: Authority, options: Options
    ) -> None:
        self.authority = authority
        self.certificates = folder / f"{options.name}-certificates"
        self.certificates.mkdir(exist_ok=True)
        self.health = f"http://{LOOPBACK}:{free_port()}"
        self.diagnostics = f"https://{LOOPBACK}:{free_port()}"
        if not options.self_signed:
            self.issue_certificate()
        super().__init__(
            options.name,
            [COMMAND, *self._places(kubeconfig, options.webhook_port), *_flags(options)],
            folder / f"{options.name}.log",
            detached=options.detached,
        )

    def issue_certificate(self) -> None:
        """Put a new serving certificate in place, as cert-manager does before one expires."""
        self.authority.server("webhook").write(self.certificates, "tls")

    def _places(self, kubeconfig: Path, webhook_port: int) -> list[str]:
        return [
            f"--kubeconfig={kubeconfig}",
            f"--diagnostics-address={self.diagnostics.removeprefix('https://')}",
            f"--health-probe-bind-address={self.health.removeprefix('http://')}",
            f"--webhook-host={LOOPBACK}",
            f"--webhook-port={webhook_port}",
            f"--webhook-cert-dir={self.certificates}",
        ]

    def run(self) -> None:
        """Start it and return when `/readyz` says that webhooks answer.

        Raises:
            StartError: it ended or did not get ready; it quotes the log.
        """
        self.start()
        self.await_ready(self.ready, READY_SECONDS)

    def ready(self) -> bool:
        """Return whether `/readyz` answers 200."""
        return self._answers("/readyz")

    def healthy(self) -> bool:
        """Return whether `/healthz` answers 200."""
        return self._answers("/healthz")

    def _answers(self, path: str) -> bool:
        try:
            response = urllib3.request("GET", f"{self.health}{path}", retries=False, timeout=2)
        except urllib3.exceptions.HTTPError:
            return False
        return response.status == HTTPStatus.OK


def _flags(options: Options) -> tuple[str, ...]:
    return (*options.flags, "--webhook-self-signed") if options.self_signed else options.flags
