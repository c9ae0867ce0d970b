# SPDX-License-Identifier: Apache-2.0
"""Installs the provider as it is shipped, but for what needs a kubelet or cert-manager.

The objects are those of `config/default` after kustomize, names and RBAC included.  Webhooks are
called at a URL on loopback instead of a Service, with the authority that signed the manager's
certificate, as cert-manager's injector would have put it there.
"""

import base64
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import yaml

from .. import manifests
from ..client import Client, Json
from ..errors import BuildError, EnvtestError
from ..waiting import until
from . import binaries

CONFIG = Path(__file__).resolve().parents[2] / "config"
CRD = "CustomResourceDefinition"
PLURALS = {
    "Namespace": "namespaces",
    "ServiceAccount": "serviceaccounts",
    CRD: "customresourcedefinitions",
    "Role": "roles",
    "RoleBinding": "rolebindings",
    "ClusterRole": "clusterroles",
    "ClusterRoleBinding": "clusterrolebindings",
    "MutatingWebhookConfiguration": "mutatingwebhookconfigurations",
    "ValidatingWebhookConfiguration": "validatingwebhookconfigurations",
}
"""What is installed, in this order.  Deployments, Services and certificates need controllers."""


class NonStructuralError(EnvtestError):
    """The API server found that a CRD's schema is not structural."""

    def __init__(self, crd: str, message: str) -> None:
        super().__init__(f"the schema of {crd} is not structural: {message}")
        self.crd = crd


@dataclass(frozen=True, slots=True)
class Variant:
    """What is installed: a folder of config, and components on top of it.

    A component is a folder of `config/components` by its name, or any other by its whole path.
    """

    base: str = "default"
    components: tuple[str | Path, ...] = ()

    def objects(self) -> list[Json]:
        """Return its objects, as kustomize builds them; what is shipped is built once a process."""
        shipped = all(isinstance(part, str) for part in self.components)
        return manifests.parse(_shipped_text(self) if shipped else self.text())

    def text(self, images: Sequence[Json] = ()) -> str:
        """Return its objects as one file of YAML, with some images replaced."""
        with tempfile.TemporaryDirectory() as scratch:
            here = Path(scratch).resolve()
            parts = [CONFIG / "components" / part for part in self.components]
            kustomization = {
                "resources": [os.path.relpath(CONFIG / self.base, here)],
                "components": [os.path.relpath(part.resolve(), here) for part in parts],
                "images": list(images),
            }
            (here / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
            return kustomized(here)


@cache
def _shipped_text(variant: Variant) -> str:
    return variant.text()


def namespaced(folder: Path, served: str, name: str = "capi") -> Path:
    """Copy the component that serves one namespace, with other settings; return the copy."""
    copy = folder / f"namespaced-{served}"
    shutil.copytree(CONFIG / "components" / "namespaced", copy)
    settings = copy / "settings.yaml"
    document = yaml.safe_load(settings.read_text())
    document["data"] = {"served": served, "name": name}
    settings.write_text(yaml.safe_dump(document))
    return copy


DEFAULT = Variant()
SELF_SIGNED = Variant("self-signed")


@dataclass(frozen=True, slots=True)
class Webhooks:
    """Where the API server reaches the manager's webhooks, and whom it trusts there."""

    url: str
    authority: bytes = b""
    """PEM; empty if the manager writes its own into what is installed."""
    variant: Variant = DEFAULT
    """What is installed."""

    def client_config(self, path: str) -> Json:
        """Return a clientConfig for one path of the manager."""
        bundle = {"caBundle": base64.b64encode(self.authority).decode()} if self.authority else {}
        return {"url": f"{self.url}{path}", **bundle}


def shipped(base: str = "default") -> list[Json]:
    """Return the objects of `config/default` or another folder, as kustomize builds them."""
    return Variant(base).objects()


def kustomized(folder: Path) -> str:
    """Return what kustomize makes of a folder."""
    command = [str(binaries.find(binaries.KUBECTL)), "kustomize", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BuildError(f"kubectl kustomize {folder}", done.returncode, done.stderr)
    return done.stdout


def provider(admin: Client, webhooks: Webhooks) -> None:
    """Install what is shipped, and return when every kind is served."""
    order = list(PLURALS)
    documents = webhooks.variant.objects()
    chosen = [redirected(document, webhooks) for document in documents if document["kind"] in order]
    for document in sorted(chosen, key=lambda document: order.index(document["kind"])):
        apply(admin, document)
    await_served(admin, [document for document in chosen if document["kind"] == CRD])


def crds(admin: Client, documents: Sequence[Json]) -> None:
    """Install CRDs, and return when they are served."""
    for document in documents:
        apply(admin, document)
    await_served(admin, documents)


def apply(admin: Client, document: Json) -> Json:
    """Create or update one object of a kind in `PLURALS`."""
    plural, namespace = PLURALS[document["kind"]], document["metadata"].get("namespace")
    return admin.resource(document["apiVersion"], plural, namespace).apply(document)


def redirected(document: Json, webhooks: Webhooks) -> Json:
    """Return the document with every Service reference turned into a URL on loopback."""
    if document["kind"] == CRD:
        webhook = document["spec"].get("conversion", {}).get("webhook")
        hooks = [webhook] if webhook else []
    else:
        hooks = document.get("webhooks", [])
    for hook in hooks:
        service = hook["clientConfig"].get("service")
        if service is not None:
            hook["clientConfig"] = webhooks.client_config(service["path"])
    return document


def await_served(admin: Client, documents: Iterable[Json]) -> None:
    """Return when the API server serves all versions of these CRDs.

    Raises:
        NonStructuralError: a schema isn't structural.
        NotReachedError: a CRD was not established; it holds the conditions.
    """
    for document in documents:
        name, spec = document["metadata"]["name"], document["spec"]
        seen = until(f"{name} is established", partial(conditions, admin, name), _established)
        if _holds(seen, "NonStructuralSchema"):
            raise NonStructuralError(name, seen["NonStructuralSchema"]["message"])
        for version in (item["name"] for item in spec["versions"] if item["served"]):
            path = f"/apis/{spec['group']}/{version}/{spec['names']['plural']}?limit=1"
            until(f"{path} is served", partial(admin.answers, path), bool)


def conditions(admin: Client, crd: str) -> dict[str, Json]:
    """Return the conditions of a CRD by their type.

    The API server writes `null` for the list in a status that it has only begun.
    """
    definition = admin.resource("apiextensions.k8s.io/v1", PLURALS[CRD]).get(crd)
    found: list[Json] = definition.get("status", {}).get("conditions") or []
    return {item["type"]: item for item in found}


def _established(conditions: dict[str, Json]) -> bool:
    return _holds(conditions, "Established")


def _holds(conditions: dict[str, Json], kind: str) -> bool:
    return conditions.get(kind, {}).get("status") == "True"
