# SPDX-License-Identifier: Apache-2.0
"""What a pod's volumes hold: files made from Secrets, ConfigMaps, tokens and the pod itself."""

import base64
from pathlib import Path
from typing import Any

from ..client import Client, Json
from ..errors import EnvtestError

TOKEN_SECONDS = 3607  # what the API server writes into the pods that get a token


class AbsentError(EnvtestError):
    """A volume's source is not there (yet); as a kubelet does, the pod waits for it."""

    def __init__(self, kind: str, name: str) -> None:
        super().__init__(f"{kind} {name} is absent")


def fill(folder: Path, volume: Json, pod: Json, admin: Client) -> None:
    """Make the volume's folder hold what its sources hold now.

    Raises:
        AbsentError: a source that is not optional is absent.
    """
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o777 if "emptyDir" in volume else 0o755)
    sources = volume["projected"]["sources"] if "projected" in volume else [volume]
    for source in sources:
        for path, content in _files(source, pod, admin).items():
            _write(folder / path, content)


def follows(volume: Json) -> bool:
    """Return whether the volume's files change with an object while the pod runs."""
    return "secret" in volume or "configMap" in volume


def _files(source: Json, pod: Json, admin: Client) -> dict[str, bytes]:
    namespace = pod["metadata"]["namespace"]
    if secret := source.get("secret"):
        return _data(admin, namespace, "secrets", secret)
    if config_map := source.get("configMap"):
        return _data(admin, namespace, "configmaps", config_map)
    if token := source.get("serviceAccountToken"):
        return {token["path"]: _token(admin, pod, token)}
    if downward := source.get("downwardAPI"):
        items = downward["items"]
        return {item["path"]: field(pod, item["fieldRef"]["fieldPath"]).encode() for item in items}
    return {}


def field(pod: Json, path: str) -> str:
    """Return a field of the pod by its path, such as `metadata.namespace`."""
    value: Any = pod
    for step in path.split("."):
        value = value.get(step, {})
    return value if isinstance(value, str) else ""


def _data(admin: Client, namespace: str, plural: str, source: Json) -> dict[str, bytes]:
    name = source.get("secretName") or source["name"]
    found = admin.resource("v1", plural, namespace).find(name)
    if found is None:
        if source.get("optional"):
            return {}
        raise AbsentError(plural, f"{namespace}/{name}")
    data: dict[str, str] = found.get("data") or {}
    decode = base64.b64decode if plural == "secrets" else str.encode
    names: dict[str, str] = {item["key"]: item["path"] for item in source.get("items") or ()}
    return {names.get(key, key): decode(text) for key, text in data.items()}


def _token(admin: Client, pod: Json, source: Json) -> bytes:
    meta = pod["metadata"]
    account = pod["spec"]["serviceAccountName"]
    bound = {"apiVersion": "v1", "kind": "Pod", "name": meta["name"], "uid": meta["uid"]}
    spec: Json = {
        "expirationSeconds": source.get("expirationSeconds", TOKEN_SECONDS),
        "boundObjectRef": bound,
    }
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
    path = f"/api/v1/namespaces/{meta['namespace']}/serviceaccounts/{account}/token"
    token: str = admin.request("POST", path, request).body["status"]["token"]
    return token.encode()


def _write(path: Path, content: bytes) -> None:
    """Write a file that every user of the pod may read: the old one or the new one, whole."""
    if path.exists() and path.read_bytes() == content:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_bytes(content)
    fresh.chmod(0o644)
    fresh.replace(path)
