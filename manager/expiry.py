# SPDX-License-Identifier: Apache-2.0
"""Exposes when the webhooks' certificate expires.

Imported after the webhook answers, because reading certificates takes `cryptography`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import REGISTRY
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from typing_extensions import override

from webhook import issuer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from webhook.tls import Certificates


class Expiry(Collector):
    """The end of the certificate that a new connection gets at the time of a scrape.

    Guarantees:
        Without webhooks there is no figure, for 0 would be a certificate that expired in 1970.
    """

    certificates: Certificates | None = None
    """What the webhooks show; None if they are off."""

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """Return the metric without a figure."""
        return (
            GaugeMetricFamily(
                "capi_ipam_in_cluster_webhook_certificate_expiration_timestamp_seconds",
                "When the certificate that the webhooks show expires, in seconds since 1970",
            ),
        )

    @override
    def collect(self) -> Iterable[GaugeMetricFamily]:
        (family,) = families = tuple(self.describe())
        if self.certificates is not None:
            self.certificates.refresh()
            for shown in issuer.read_all(self.certificates.pem)[:1]:  # then those that signed it
                family.add_metric((), shown.not_valid_after_utc.timestamp())
        return families


EXPIRY = Expiry()
REGISTRY.register(EXPIRY)
