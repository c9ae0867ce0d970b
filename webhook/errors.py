# SPDX-License-Identifier: Apache-2.0
"""What can go wrong at the webhook's door, besides what `crdkit.webhook.errors` says of requests.

* WebhookError
  * CertificateError: no usable certificate at start
"""

from pathlib import Path


class WebhookError(Exception):
    """Any failure of the webhook server itself."""


class CertificateError(WebhookError):
    """The certificate and its key cannot be used."""

    def __init__(self, certificate: Path, key: Path, problem: str) -> None:
        super().__init__(f"certificate {certificate} with key {key}: {problem}")
        self.certificate = certificate
        self.key = key
