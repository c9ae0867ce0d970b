# SPDX-License-Identifier: Apache-2.0
"""What can go wrong at the webhook's door.

* WebhookError
  * RequestError: the request itself is no review; answered with its 4xx status
  * DisconnectedError: the client disconnected before its request was complete
  * CertificateError: no usable certificate at start
"""

from http import HTTPStatus
from pathlib import Path


class WebhookError(Exception):
    """Any failure of the webhook server itself."""


class RequestError(WebhookError):
    """The request is no review; the text is the body of the answer."""

    def __init__(self, status: HTTPStatus, problem: str) -> None:
        super().__init__(problem)
        self.status = status


class DisconnectedError(WebhookError):
    """The client disconnected before its request was complete."""


class CertificateError(WebhookError):
    """The certificate and its key cannot be used."""

    def __init__(self, certificate: Path, key: Path, problem: str) -> None:
        super().__init__(f"certificate {certificate} with key {key}: {problem}")
        self.certificate = certificate
        self.key = key
