# SPDX-License-Identifier: Apache-2.0
"""Where the API server is and how to reach it; how a pod finds out."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .credentials import Held
from .errors import ConfigError
from .files import File

if TYPE_CHECKING:
    from collections.abc import Callable

    from .credentials import Source

_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_HOST, _PORT = "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"


@dataclass(frozen=True, slots=True)
class Config:
    """The configuration of a connection."""

    host: str
    """URL of the API server, without a slash at its end."""
    source: Source
    authority: Callable[[], bytes] | None = None
    """Returns the CA certificates (PEM); None trusts the system's."""
    insecure: bool = False
    server_name: str | None = None
    """The name that the server's certificate must have, where it is not that of the host."""
    proxy: str | None = None
    """URL of a proxy for all requests; None leaves that to the environment."""
    namespace: str = "default"
    """The namespace of commands that name none."""


def in_cluster(account: Path = _ACCOUNT) -> Config:
    """Return the configuration of a pod: its service account, by files that are read again.

    Raises:
        ConfigError: this is not a pod, or one without a token.
    """
    host, port = os.environ.get(_HOST), os.environ.get(_PORT)
    if not host or not port:
        raise ConfigError(f"service account: ${_HOST} and ${_PORT} are not set")
    token, authority = account / "token", account / "ca.crt"
    for path in (token, authority):
        if not path.is_file():
            raise ConfigError(f"service account: there is no file {path}")
    name = f"[{host}]" if ":" in host else host
    return Config(f"https://{name}:{port}", Held(token=File(token)), File(authority).read)


def pod_name() -> str:
    """Return the host name, which in a pod is the name of the pod."""
    return platform.node()


def own_namespace(default: str) -> str:
    """Return the process's own namespace: the pod's, else `$POD_NAMESPACE`, else the default."""
    file = _ACCOUNT / "namespace"
    if file.is_file():
        return file.read_text().strip()
    return os.environ.get("POD_NAMESPACE", default)
