# SPDX-License-Identifier: Apache-2.0
"""Everything together: control plane, Cluster API's CRDs, ours, and the running manager."""

import json
import ssl
from abc import ABC, abstractmethod
from pathlib import Path

from typing_extensions import override

from ..client import Client, Json, Resource
from ..contract import GROUP
from ..pki import LOOPBACK
from ..ports import free_port
from ..processes import Startable
from . import capi, install
from .control_plane import ControlPlane
from .manager import LEASE_FLAGS, Manager, Options

NAMESPACE = "capi-ipam-in-cluster-system"
SERVICE_ACCOUNT = "capi-ipam-in-cluster-controller-manager"
IDENTITY = f"system:serviceaccount:{NAMESPACE}:{SERVICE_ACCOUNT}"
LEASE = "7bb7acb4.ipam.cluster.x-k8s.io"


class Ipam(ABC):
    """The IPAM objects of a cluster, in the versions that its Cluster API stores."""

    def __init__(self, capi_series: str) -> None:
        self.capi_series = capi_series

    @property
    @abstractmethod
    def admin(self) -> Client:
        """A client that may do everything."""

    @property
    def ipam_version(self) -> str:
        """The version in which Cluster API stores claims and addresses here."""
        return capi.SERIES[self.capi_series].contract

    @property
    def cluster_version(self) -> str:
        """The apiVersion in which Cluster API stores Clusters here."""
        return f"cluster.x-k8s.io/{self.ipam_version}"

    def new_namespace(self, name: str) -> str:
        """Create a namespace and return its name."""
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        self.admin.resource("v1", "namespaces").create(body)
        return name

    def holder(self) -> str:
        """Return the identity of the manager that leads; empty while none does."""
        leases = self.admin.resource("coordination.k8s.io/v1", "leases", NAMESPACE)
        lease = leases.find(LEASE) or {"spec": {}}
        return str(lease["spec"].get("holderIdentity") or "")

    def claims(self, namespace: str | None = None) -> Resource:
        """IPAddressClaims in Cluster API's stored version."""
        return self._ipam("ipaddressclaims", namespace)

    def addresses(self, namespace: str | None = None) -> Resource:
        """IPAddresses in Cluster API's stored version."""
        return self._ipam("ipaddresses", namespace)

    def clusters(self, namespace: str) -> Resource:
        """Clusters in Cluster API's stored version."""
        return self.admin.resource(self.cluster_version, "clusters", namespace)

    def pools(
        self, plural: str, namespace: str | None = None, version: str = "v1alpha2"
    ) -> Resource:
        """Pools of one kind, by its plural."""
        return self.admin.resource(f"{GROUP}/{version}", plural, namespace)

    def _ipam(self, plural: str, namespace: str | None) -> Resource:
        return self.admin.resource(f"{GROUP}/{self.ipam_version}", plural, namespace)


class Provider(Ipam, Startable):
    """A cluster in which the provider runs.

    `capi_series` chooses the contract of Cluster API.  `flags` go to the manager in addition to
    where everything is.  `audit` records the manager's requests (`requests`).
    `self_signed` installs what is shipped for clusters without cert-manager, `variant` any other.
    `webhook_port` is where the API server finds the webhooks, any free port by default.
    `plain_etcd` is that of `ControlPlane`.
    """

    def __init__(  # noqa: PLR0913 - all but the first by their names
        self,
        folder: Path,
        *,
        capi_series: str = capi.NEWEST,
        flags: tuple[str, ...] = LEASE_FLAGS,
        audit: bool = False,
        detached: bool = False,
        self_signed: bool = False,
        variant: install.Variant | None = None,
        webhook_port: int | None = None,
        plain_etcd: bool = False,
    ) -> None:
        super().__init__(capi_series)
        self.folder = folder
        self.control_plane = ControlPlane(
            folder, audit=audit, detached=detached, plain_etcd=plain_etcd
        )
        self.webhook_port = webhook_port or free_port()
        self._flags = flags
        self._detached = detached
        self._self_signed = self_signed
        self._variant = variant or (install.SELF_SIGNED if self_signed else install.DEFAULT)
        self._managers: list[Manager] = []

    @override
    def start(self) -> None:
        """Start and install everything; return when the manager is ready."""
        self.control_plane.start()
        self.install()
        self.start_manager()

    def start_manager(self) -> None:
        """Start the manager that serves the webhooks; return when it is ready."""
        self.manager = self.new_manager("manager", webhook_port=self.webhook_port)
        self.manager.run()

    def install(self) -> None:
        """Install Cluster API's CRDs and the provider's objects; needs no manager yet."""
        install.crds(self.admin, capi.crds(self.capi_series))
        url = f"https://{LOOPBACK}:{self.webhook_port}"
        authority = b"" if self._self_signed else self.control_plane.authority.pem
        install.provider(self.admin, install.Webhooks(url, authority, self._variant))

    @override
    def stop(self) -> None:
        """End every manager and the control plane."""
        for manager in self._managers:
            manager.kill()
        self.control_plane.stop()

    def new_manager(
        self, name: str, *more: str, webhook_port: int = 0, server: str = ""
    ) -> Manager:
        """Return another manager of the same cluster, not yet started; it ends with this.

        `more` are flags.  `server` is the URL at which it finds the API server, should something be
        in between.
        """
        plane = self.control_plane
        kubeconfig = plane.service_account_kubeconfig(NAMESPACE, SERVICE_ACCOUNT, server)
        options = Options(
            name, webhook_port, (*self._flags, *more), self._detached, self._self_signed
        )
        manager = Manager(self.folder, kubeconfig, self.control_plane.authority, options)
        self._managers.append(manager)
        return manager

    @property
    def admin(self) -> Client:
        """A client that may do everything."""
        return self.control_plane.admin

    def serving_certificate(self) -> str:
        """Return the certificate (PEM) that the manager's webhooks present now."""
        return ssl.get_server_certificate((LOOPBACK, self.webhook_port))

    def requests(self) -> list[Json]:
        """Return what the manager asked of the API server so far: audit events, oldest first."""
        lines = self.control_plane.audit_log.read_text().splitlines()
        events: list[Json] = [json.loads(line) for line in lines]
        return [event for event in events if event["user"]["username"] == IDENTITY]
