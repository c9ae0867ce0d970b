# SPDX-License-Identifier: Apache-2.0
"""Managers of one cluster: two, as a Deployment with two replicas runs them, or one alone.

Each reaches the API server through a proxy of its own, and the API server reaches their webhooks
through a relay that stands for the Service.
"""

import signal
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from ..controlplane import capi
from ..controlplane.manager import LEASE_FLAGS, Manager
from ..controlplane.provider import Provider
from ..controlplane.relay import Relay
from ..ports import free_port
from ..waiting import until
from .proxy import Proxy

NAMES = ("one", "two")


@dataclass(eq=False, slots=True)
class Replica:
    """One manager with its way to the API server."""

    manager: Manager
    proxy: Proxy
    webhook_port: int
    frozen: bool = False

    @property
    def up(self) -> bool:
        """Whether its probes would find it alive."""
        return self.manager.running and not self.frozen

    def leads(self, holder: str) -> bool:
        """Whether this is who holds the lease; each candidate logs its name once it leads."""
        return bool(holder) and holder in self.manager.log.read_text()


class Replicas:
    """The cluster, for the length of a block; without leader election there is one manager."""

    def __init__(
        self, folder: Path, capi_series: str = capi.NEWEST, *, elected: bool = True
    ) -> None:
        self.folder = folder
        self._capi_series = capi_series
        self._flags = LEASE_FLAGS if elected else ()
        self._names = NAMES if elected else NAMES[:1]
        self._ports = [free_port() for _ in self._names]
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self.service = stack.enter_context(Relay(*self._ports))
            port = self.service.port
            self.provider = Provider(
                self.folder, capi_series=self._capi_series, flags=self._flags, webhook_port=port
            )
            stack.callback(self.provider.stop)
            self.provider.control_plane.start()
            self.provider.install()
            self.all = [
                self._replica(stack, name, port)
                for name, port in zip(self._names, self._ports, strict=True)
            ]
            for replica in self.all:
                replica.manager.run()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _replica(self, stack: ExitStack, name: str, port: int) -> Replica:
        proxy = stack.enter_context(Proxy(self.provider.control_plane, self.folder, f"to-{name}"))
        manager = self.provider.new_manager(
            f"manager-{name}", webhook_port=port, server=proxy.server
        )
        return Replica(manager, proxy, port)

    def leader(self) -> Replica:
        """Return who leads, as soon as somebody does."""
        found = until("a replica leads", self._leading, bool)
        assert found is not None
        return found

    def _leading(self) -> Replica | None:
        holder = self.provider.holder()
        return next((replica for replica in self.all if replica.leads(holder)), None)

    def other(self, replica: Replica) -> Replica:
        """Return the other one."""
        return next(candidate for candidate in self.all if candidate is not replica)

    def freeze(self, replica: Replica) -> None:
        """Stop a manager in its tracks (SIGSTOP); its webhooks leave the Service."""
        replica.frozen = True
        self._route()
        replica.manager.signal(signal.SIGSTOP)

    def thaw(self, replica: Replica) -> None:
        """Let it go on as if nothing had been."""
        if replica.manager.running:
            replica.manager.signal(signal.SIGCONT)
        replica.frozen = False
        self._route()

    def heal(self) -> None:
        """Have everything run and everything get through."""
        for replica in self.all:
            replica.proxy.heal()
            if replica.frozen:
                self.thaw(replica)
        self.provider.control_plane.start()
        for replica in self.all:
            replica.manager.run()

    def _route(self) -> None:
        up = [replica.webhook_port for replica in self.all if not replica.frozen]
        self.service.route(*(up or self._ports))
