# SPDX-License-Identifier: Apache-2.0
"""An open connection to the API server: its address, our credentials, and the pools of sockets.

What is read again when: docs/design/0008-connections.md.
"""

from __future__ import annotations

import asyncio
import dataclasses
import os
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

import aiohttp

from .config import Config, in_cluster, own_namespace
from .credentials import Identity
from .errors import ConfigError, CredentialsError
from .flows import Flows, Sockets
from .proxies import proxy_for
from .tls import Tls

if TYPE_CHECKING:
    import ssl

__all__ = ["Access", "Connection", "connect", "own_namespace"]

_PROXIES = ("http", "https")  # that aiohttp speaks


class Access(NamedTuple):
    """The credentials of one request."""

    identity: Identity
    tls: ssl.SSLContext | bool
    """True where the URL is not https."""

    @property
    def headers(self) -> dict[str, str]:
        """The header with the name of this client."""
        text = self.identity.authorization
        return {"Authorization": text} if text else {}


class Connection:
    """A session with one API server; `host` is its URL without a slash at its end.

    `session` has a pool of its own.  Credentials and `suspect` are shared with the
    connections that are made `beside` it.
    """

    def __init__(
        self, config: Config, user_agent: str, tls: Tls | None, beside: Connection | None = None
    ) -> None:
        self.host = config.host
        self.flows: Flows = beside.flows if beside else Flows()
        self._beside = beside
        self._config = config
        self._agent = user_agent
        self._tls = tls
        self._sockets = Sockets()
        self.session = aiohttp.ClientSession(
            # No limit: each user of a connection has its own, and where their sum is over one here,
            # a request waits for the end of others that have nothing to do with it.
            connector=aiohttp.TCPConnector(limit=0, socket_factory=self._sockets),
            headers={"User-Agent": user_agent},
            proxy=config.proxy,
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    @property
    def namespace(self) -> str:
        """The default namespace of commands."""
        return self._config.namespace

    @property
    def server_name(self) -> str | None:
        """The name that the server's certificate must have, if it is not that of the host."""
        return self._config.server_name

    async def access(self) -> Access:
        """Return the credentials of the next request.

        Raises:
            CredentialsError: there is nothing at present.
        """
        identity = await self._config.source.identity()
        return Access(identity, self._tls.context(identity) if self._tls else True)

    async def other_access(self, refused: Access) -> Access | None:
        """Return other credentials after a 401; None if there are no others.

        Raises:
            CredentialsError: there is nothing at present.
        """
        self._config.source.refused(refused.identity)
        access = await self.access()
        return None if access == refused else access

    def suspect(self, since: float) -> None:
        """Stop using connections that may be dead: a request sent at `since` got no answer.

        Flow:
            Watches that have been silent since then end with an error, and requests from now on go
            over new connections.  `since` is by the event loop's clock.
        """
        if self.flows.suspect(since) and self._tls:
            self._tls.renew()

    def beside(self) -> Connection:
        """Open another pool to the same server; its requests do not wait for those of this one."""
        return Connection(self._config, self._agent, self._tls, self)

    async def close(self) -> None:
        """Close all connections of this pool; the first pool also closes the credentials."""
        await self.session.close()
        await self._sockets.close()
        if self._beside is None:
            await self._config.source.close()


async def connect(kubeconfig: str | None, user_agent: str, context: str = "") -> Connection:
    """Open a session by the file, else by `$KUBECONFIG`, else by the pod's service account.

    `context` is one of the kubeconfig; empty is its current one.

    Raises:
        ConfigError: none of them exists, or the first that exists is not valid.
    """
    path = kubeconfig or os.environ.get("KUBECONFIG")
    try:
        # in a thread: it reads files, and imports modules
        config = await asyncio.to_thread(_load, path, context) if path else in_cluster()
    except ConfigError as error:
        raise ConfigError(
            f"{error}; pass --kubeconfig FILE, set KUBECONFIG, or run in a pod"
        ) from error
    return Connection(_with_proxy(config), user_agent, _tls(config))


def _load(path: str, context: str) -> Config:
    from . import kubeconfig  # noqa: PLC0415 - a pod has no use for it, and starts sooner

    return kubeconfig.load(path, context)


def _with_proxy(config: Config) -> Config:
    """Add the proxy that the environment names, if there is none yet.

    Raises:
        ConfigError: it is of a kind that is not supported.
    """
    proxy = config.proxy or proxy_for(config.host, os.environ)
    if proxy and urlsplit(proxy).scheme not in _PROXIES:
        scheme = urlsplit(proxy).scheme
        raise ConfigError(
            f"the proxy for {config.host} is a {scheme} proxy; set HTTPS_PROXY (or proxy-url in the"
            " kubeconfig) to an http or https proxy, or name the host in NO_PROXY"
        )
    return dataclasses.replace(config, proxy=proxy)


def _tls(config: Config) -> Tls | None:
    """Return the factory of TLS contexts; None if the URL is not https.

    Raises:
        ConfigError: the CA cannot be used.
    """
    if urlsplit(config.host).scheme != "https":
        return None
    tls = Tls(config.authority, insecure=config.insecure)
    try:
        tls.context(Identity())
    except CredentialsError as error:
        raise ConfigError(f"the credentials for {config.host}: {error}") from error
    return tls
