# SPDX-License-Identifier: Apache-2.0
"""Where the API server is and who we are there: the only use of the `kubernetes` package.

Its `kubernetes.aio` gives configuration, authentication, TLS and the connection pool.  Its
`call_api` costs more than a whole request of ours, so `client.py` sends bytes on its session.
"""

# The package's annotations are partial, so what comes out of it is unknown to pyright:
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

import os
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
from kubernetes.aio.client import ApiClient, Configuration
from kubernetes.aio.config import (
    ConfigException,
    load_incluster_config,
    load_kube_config,
)
from yaml import YAMLError

from .errors import ConfigError

_CONNECTIONS = 48  # the 32 claims written at once, watches, pools, the lease and admission reads

_NAMESPACE_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


@dataclass(frozen=True, slots=True)
class Connection:
    """An open session with the API server of `host` (a URL without a path)."""

    host: str
    session: aiohttp.ClientSession
    api: ApiClient

    async def authorization(self) -> dict[str, str]:
        """Return the header that says who we are; a service account token is read again by age."""
        settings = await self.api.configuration.auth_settings()
        token = settings.get("BearerToken")
        return {"Authorization": str(token["value"])} if token else {}

    async def close(self) -> None:
        """Close all connections."""
        await self.api.close()


def own_namespace(default: str) -> str:
    """Return the process's own namespace: the pod's, else `$POD_NAMESPACE`, else the default."""
    if _NAMESPACE_FILE.is_file():
        return _NAMESPACE_FILE.read_text().strip()
    return os.environ.get("POD_NAMESPACE", default)


async def connect(kubeconfig: str | None, user_agent: str) -> Connection:
    """Open a session: by the file, else `$KUBECONFIG`, else as a pod's service account.

    Raises:
        ConfigError: none of them is there, or it is broken.
    """
    configuration = Configuration()
    configuration.connection_pool_maxsize = _CONNECTIONS
    await _configure(configuration, kubeconfig or os.environ.get("KUBECONFIG"))
    configuration.client_session_kwargs = {
        "headers": {"User-Agent": user_agent},
        "proxy": configuration.proxy or _proxy_for(configuration.host),
        "trust_env": False,  # or aiohttp reads the environment anew, in a thread, for each request
    }
    try:
        client = ApiClient(configuration=configuration)
        session = _session(client)
    except OSError as error:
        raise ConfigError(f"the credentials for {configuration.host}: {error}") from error
    return Connection(str(configuration.host).rstrip("/"), session, client)


async def _configure(configuration: Configuration, kubeconfig: str | None) -> None:
    try:
        if kubeconfig:
            await load_kube_config(kubeconfig, client_configuration=configuration)
        else:
            load_incluster_config(configuration)
    except (ConfigException, OSError, ValueError, TypeError, AttributeError, YAMLError) as error:
        where = f"kubeconfig {kubeconfig}" if kubeconfig else "service account"
        hint = "pass --kubeconfig FILE, set KUBECONFIG, or run in a pod"
        raise ConfigError(f"{where}: {error}; {hint}") from error


def _proxy_for(url: str) -> str | None:
    """Return the proxy that the environment names for a URL (`HTTPS_PROXY`, `NO_PROXY`)."""
    parts = urlsplit(url)
    if urllib.request.proxy_bypass(parts.netloc):
        return None
    return urllib.request.getproxies().get(parts.scheme)


def _session(client: ApiClient) -> aiohttp.ClientSession:
    """Return the client's session, which it makes at its first request."""
    rest = client.rest_client
    make = rest._create_pool_manager  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - a documented hook
    session: aiohttp.ClientSession = rest.pool_manager or make()
    rest.pool_manager = session
    return session
