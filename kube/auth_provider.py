# SPDX-License-Identifier: Apache-2.0
"""Identity providers that a kubeconfig names under `auth-provider`: OpenID Connect, for one.

The only use of the `kubernetes` package.  No other module imports it: it costs 20 MiB and most of a
second.
"""

# The package has no annotations, so what comes out of it is unknown to pyright:
# pyright: reportUnknownVariableType=false

from __future__ import annotations

from typing import Any

from kubernetes.aio.client import Configuration
from kubernetes.aio.config import load_kube_config_from_dict

from .credentials import Identity
from .errors import CredentialsError

_SECONDS = 60.0  # between looks whether a token ends: the package renews it 5 minutes before


class Provider:
    """Gets tokens through the package, and keeps the configuration for the next ones."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self._kubeconfig: dict[str, Any] = {
            "current-context": "only",
            "contexts": [{"name": "only", "context": {"cluster": "only", "user": "only"}}],
            "clusters": [{"name": "only", "cluster": {}}],
            "users": [{"name": "only", "user": {"auth-provider": settings}}],
        }

    async def ask(self) -> tuple[Identity, float]:
        """Return a token, and the seconds until it must be checked again.

        Raises:
            CredentialsError: the package returned no token.
        """
        configuration = Configuration()
        try:
            await load_kube_config_from_dict(self._kubeconfig, client_configuration=configuration)
        except Exception as error:  # whatever its HTTP client and its parsers raise
            raise CredentialsError(f"identity provider: {error!r}") from error
        return Identity(str(configuration.api_key.get("BearerToken", ""))), _SECONDS
