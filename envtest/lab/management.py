# SPDX-License-Identifier: Apache-2.0
"""A management cluster: a cluster of the lab, and clusterctl that looks after it."""

import itertools
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Self

import yaml

from .. import manifests
from ..client import Client, Json, Resource
from ..controlplane import capi, install
from ..controlplane.provider import NAMESPACE, Ipam
from ..errors import RefusedError
from ..waiting import until
from . import releases
from .clusterctl import Done
from .lab import Lab
from .outage import Outage
from .timeline import BEGAN, CLUSTERCTL, READABLE, STARTED, Timeline

DEPLOYMENT = "capi-ipam-in-cluster-controller-manager"
INFRASTRUCTURE = Path(__file__).with_name("infrastructure.yaml")
INFRASTRUCTURE_VERSION = "infrastructure.cluster.x-k8s.io/v1beta1"


class Management(Ipam):
    """The lab's cluster of that number, managed by clusterctl of a series.

    Where owners are checked, its first claim waits until the API server knows the new kinds: 30 s.
    """

    def __init__(
        self,
        lab: Lab,
        number: int,
        series: str = capi.NEWEST,
        *,
        owners_checked: bool = False,
    ) -> None:
        super().__init__(series)
        self.lab = lab
        self.cluster = lab.cluster(number, owners_checked=owners_checked)
        self.series = series

    def __enter__(self) -> Self:
        self.cluster.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.cluster.stop()

    @property
    def admin(self) -> Client:
        """A client that may do everything."""
        return self.cluster.admin

    @property
    def kubeconfig(self) -> Path:
        """The kubeconfig of somebody who may do everything."""
        return self.cluster.kubeconfig

    def clusterctl(self, *command: str) -> Done:
        """Run a command of clusterctl on this cluster, and note how long it took."""
        done = self.lab.clusterctl(self.series)(*command, f"--kubeconfig={self.kubeconfig}")
        self.lab.note(f"clusterctl {' '.join(map(_short, command))}", done.seconds)
        return done

    def interrupted(self, *command: str, when: Callable[[], bool]) -> None:
        """Run a command of clusterctl on this cluster, and kill it as soon as something is so."""
        command = (*command, f"--kubeconfig={self.kubeconfig}")
        self.lab.clusterctl(self.series).interrupted(*command, when=when)

    @property
    def releases(self) -> tuple[str, str]:
        """A release of this provider for the contract here, and the next one."""
        return releases.OURS[self.ipam_version]

    def init(self, version: str = "") -> Done:
        """Install Cluster API's core and this provider; return when both are available."""
        done = self.init_core(f"--ipam=in-cluster:{version or self.releases[0]}")
        self.await_webhooks()
        return done

    def init_core(self, *more: str) -> Done:
        """Install Cluster API's core, and the providers of further flags."""
        core = releases.core_version(self.series)
        none = ("--bootstrap=-", "--control-plane=-")
        what = (f"--core=cluster-api:{core}", *more)
        done = self.clusterctl("init", *none, *what, "--wait-providers")
        self._await_rest()
        return done

    def reinstall(self, version: str) -> None:
        """Install this provider alone, where the core is already."""
        self.clusterctl("init", f"--ipam=in-cluster:{version}", "--wait-providers")
        self._await_rest()
        self.await_webhooks()

    def _await_rest(self) -> None:
        """Return when clusterctl's try of cert-manager is cleared away: the next would stumble."""
        spaces = self.admin.resource("v1", "namespaces")
        name = "cert-manager-test"
        until(f"namespace {name} is gone", partial(spaces.find, name), lambda it: it is None)

    def use(self, series: str) -> None:
        """Go on with clusterctl of another series, and the versions of objects that it brings."""
        self.series = self.capi_series = series

    def await_webhooks(self) -> None:
        """Return when the webhooks are trusted: the CA comes shortly after the Deployments."""
        spec: Json = {"subnet": "192.0.2.0/24"}  # needs conversion and passes admission
        pool = manifests.pool("probe", spec, version="v1alpha1")
        pools = self.pools("inclusterippools", "default", "v1alpha1")
        until("the webhooks answer", partial(_admitted, pools.path, self.admin, pool), bool)
        for version in ("v1alpha1", "v1alpha2"):  # the API server keeps a copy of each
            path = self.pools("inclusterippools", version=version).path
            until(f"stored pools can be read as {version}", partial(self.admin.answers, path), bool)

    @property
    def _deployments(self) -> Resource:
        return self._deployments_in(NAMESPACE)

    def _deployments_in(self, namespace: str) -> Resource:
        return self.admin.resource("apps/v1", "deployments", namespace)

    def installed(self) -> bool:
        """Return whether the provider's Deployment is there."""
        return self._deployments.find(DEPLOYMENT) is not None

    def available(self) -> bool:
        """Return whether the provider's Deployment is available."""
        found = self._deployments.find(DEPLOYMENT) or {}
        conditions: list[Json] = found.get("status", {}).get("conditions", [])
        return any(it["type"] == "Available" and it["status"] == "True" for it in conditions)

    def running_version(self) -> str:
        """Return the version in the image of the provider's Deployment."""
        return _image_tag(self._deployments.get(DEPLOYMENT))

    def core_version(self) -> str:
        """Return the version in the image of the Deployment of Cluster API's core."""
        return _image_tag(self._deployments_in("capi-system").get("capi-controller-manager"))

    @contextmanager
    def outage(self, ask: Callable[[], object]) -> Generator[None]:
        """Measure for how long something can't be asked while a block upgrades the provider."""
        with Timeline(self.admin, NAMESPACE) as timeline, Outage(ask) as outage:
            yield
        container = self.cluster.kubelet.pod(timeline.pod).container
        assert container is not None
        timeline.note(STARTED, container.process_started())
        timeline.note(BEGAN, outage.began)
        timeline.note(READABLE, outage.ended)
        self.lab.note("  v1alpha1 could not be read", outage.seconds)
        parts = dict(timeline.parts())
        for part, seconds in parts.items():
            self.lab.note(f"    {part}", seconds)
        later = (seconds for part, seconds in parts.items() if not part.startswith(CLUSTERCTL))
        self.lab.note("    all parts after clusterctl's", sum(later))

    def snapshot(self, namespace: str) -> dict[str, Json]:
        """Return what must not change of pools, claims and addresses, by kind and name."""
        pools = [
            self.pools(plural, None if kind.startswith("Global") else namespace)
            for kind, plural in manifests.POOL_PLURALS.items()
        ]
        for each in pools:  # an API server asks for patience (429) where CRDs have just come
            until(f"{each.path} can be listed", partial(self.admin.answers, each.path), bool)
        found = [
            *itertools.chain.from_iterable(each.list() for each in pools),
            *self.claims(namespace).list(),
            *self.addresses(namespace).list(),
        ]
        return {f"{it['kind']}/{it['metadata']['name']}": _lasting(it) for it in found}

    def prepare_clusters(self) -> None:
        """Install the infrastructure provider that `add_cluster` needs."""
        for document in yaml.safe_load_all(INFRASTRUCTURE.read_text()):
            install.apply(self.admin, document)

    def add_cluster(self, namespace: str, name: str) -> Json:
        """Create a Cluster and return it when clusterctl would move it."""
        metadata: Json = {"name": name, "namespace": namespace}
        spec: Json = {"controlPlaneEndpoint": {"host": "192.0.2.250", "port": 6443}}
        body = {"apiVersion": INFRASTRUCTURE_VERSION, "kind": "LabCluster", "metadata": metadata}
        self.infrastructure(namespace).create({**body, "spec": spec})
        reference = {"kind": "LabCluster", "name": name}
        if self.ipam_version == "v1beta2":
            reference["apiGroup"] = INFRASTRUCTURE_VERSION.partition("/")[0]
        else:
            reference |= {"apiVersion": INFRASTRUCTURE_VERSION, "namespace": namespace}
        clusters = self.clusters(namespace)
        body = {"apiVersion": self.cluster_version, "kind": "Cluster", "metadata": metadata}
        clusters.create({**body, "spec": {**spec, "infrastructureRef": reference}})
        self.provision(namespace, name)
        return clusters.get(name)

    def provision(self, namespace: str, name: str) -> None:
        """Report that a Cluster's machines run: nothing in the lab observes them."""
        provisioned = {"ready": True, "initialization": {"provisioned": True}}
        self.infrastructure(namespace).merge(name, {"status": provisioned}, "status")
        clusters = self.clusters(namespace)
        until(f"Cluster {name} is provisioned", lambda: clusters.get(name), _provisioned, 60)
        clusters.edit(name, _initialize, "status")

    def infrastructure(self, namespace: str) -> Resource:
        """Infrastructure objects of Clusters."""
        return self.admin.resource(INFRASTRUCTURE_VERSION, "labclusters", namespace)


def _short(argument: str) -> str:
    """Return an argument for the table: paths are of this run alone."""
    return argument.partition("=/")[0]


def _lasting(found: Json) -> Json:
    meta = found["metadata"]
    kept = ("uid", "finalizers", "ownerReferences")
    return {"spec": found["spec"], **{name: meta.get(name) for name in kept}}


def _image_tag(deployment: Json) -> str:
    image: str = deployment["spec"]["template"]["spec"]["containers"][0]["image"]
    return image.rpartition(":")[2]


def _admitted(path: str, admin: Client, body: Json) -> bool:
    """Return whether a write passes the webhooks, without writing."""
    try:
        admin.request("POST", path, body, query={"dryRun": "All"})
    except RefusedError:
        return False
    return True


def _provisioned(cluster: Json) -> bool:
    status: Json = cluster.get("status", {})
    return bool(
        status.get("infrastructureReady")
        or status.get("initialization", {}).get("infrastructureProvisioned")
    )


def _initialize(cluster: Json) -> None:
    """Say in a Cluster's status that its control plane is there."""
    condition = {
        "type": "ControlPlaneInitialized",
        "status": "True",
        "reason": "Initialized",
        "message": "The lab says so",  # Cluster API 1.10 wants some text
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }
    old: list[Json] = cluster["status"].get("conditions", [])
    others = [item for item in old if item["type"] != condition["type"]]
    cluster["status"]["conditions"] = [*others, condition]
