# SPDX-License-Identifier: Apache-2.0
"""How the commands that read a cluster find it, and what they say when they cannot."""

from __future__ import annotations

import os
from http import HTTPStatus
from pathlib import Path

from kube.errors import (
    ApiError,
    ConfigError,
    CredentialsError,
    KubeError,
    UnauthorizedError,
)

_DEFAULT = Path("~/.kube/config")


def default_kubeconfig() -> str | None:
    """Return the path of kubectl's default kubeconfig; None if $KUBECONFIG or no file counts."""
    if os.environ.get("KUBECONFIG"):
        return None
    try:
        path = _DEFAULT.expanduser()
        return str(path) if path.is_file() else None
    except (OSError, RuntimeError):  # there is no home, or it may not be searched
        return None


def text_of(error: KubeError, rights: str) -> str:
    """Return state, cause and remedy of a failure, in one line.

    `rights` says what the command needs; it follows the API server's own text, which names the verb
    and the resource that are not allowed.
    """
    if isinstance(error, ConfigError):
        return str(error)
    if isinstance(error, CredentialsError):
        return f"the credentials in the kubeconfig cannot be used: {error}"
    if isinstance(error, UnauthorizedError):
        return "the API server does not accept the credentials in the kubeconfig: log in again"
    if isinstance(error, ApiError) and error.status == HTTPStatus.FORBIDDEN:
        return f"{error.message}; {rights}"
    if isinstance(error, ApiError):
        return f"the API server refuses {error}"
    return f"the API server cannot be reached: {error}; check --kubeconfig and the network"
