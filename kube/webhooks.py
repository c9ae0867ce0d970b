# SPDX-License-Identifier: Apache-2.0
"""Webhooks: where the API server sends its reviews, and which CA it trusts there."""

from __future__ import annotations

from .structs import Struct


class Service(Struct, frozen=True):
    """The Service that receives reviews; only its path is kept."""

    path: str = ""


class ClientConfig(Struct, frozen=True):
    """Where reviews go: a Service, or a URL."""

    ca_bundle: str = ""
    """PEM in base64."""
    url: str = ""
    service: Service | None = None


class Webhook(Struct, frozen=True):
    """A webhook of an admission configuration, or that of a CRD, which has no name."""

    name: str = ""
    client_config: ClientConfig = ClientConfig()

    @property
    def path(self) -> str:
        """The path of the Service, or the URL."""
        service = self.client_config.service
        return service.path if service else self.client_config.url
