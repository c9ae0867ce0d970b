# SPDX-License-Identifier: Apache-2.0
"""The certificate that the manager makes itself.  Imported only where it does."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from kube.client import Client
from kube.connect import connect, own_namespace
from webhook.selfsigned import SelfSigned
from webhook.tls import Files

from . import version
from .flags import DEFAULT_NAMESPACE, PROGRAM

if TYPE_CHECKING:
    from .flags import Flags


async def keep(flags: Flags) -> NoReturn:
    """Keep a certificate in the files of the webhook server.

    Raises:
        ConfigError: there is no way to reach an API server.
    """
    namespace = own_namespace(DEFAULT_NAMESPACE)
    service = f"{flags.webhook_service}.{namespace}"
    names = [f"{service}.svc", service, f"{service}.svc.cluster.local"]
    if flags.webhook.host:
        names.append(flags.webhook.host)
    connection = await connect(flags.kubeconfig, version.user_agent(PROGRAM))
    try:
        files = Files(flags.certificate, flags.key)
        await SelfSigned(Client(connection), namespace, names, files).keep()
    finally:
        await connection.close()
