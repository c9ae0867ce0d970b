# SPDX-License-Identifier: Apache-2.0
"""The end of the webhooks' certificate, as Prometheus reads it."""

import datetime as dt
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from manager import expiry
from webhook import issuer, tls

NAME = "capi_ipam_in_cluster_webhook_certificate_expiration_timestamp_seconds"
NOW = dt.datetime.now(dt.UTC).replace(microsecond=0)


def write(files: tls.Files, issued: dt.datetime) -> float:
    """Issue a certificate, write its files, and return when it expires."""
    made = issuer.issue(["localhost"], now=issued)
    files.certificate.write_bytes(made.certificate)
    files.key.write_bytes(made.key)
    return (issued + issuer.LIFETIME).timestamp()


@pytest.fixture
def files(tmp_path: Path) -> tls.Files:
    return tls.Files(tmp_path / "tls.crt", tmp_path / "tls.key")


def shown(certificates: tls.Certificates | None) -> float | None:
    registry, collector = CollectorRegistry(), expiry.Expiry()
    registry.register(collector)
    collector.certificates = certificates
    return registry.get_sample_value(NAME)


def test_it_is_that_of_the_certificate_that_is_shown(files: tls.Files) -> None:
    ends = write(files, NOW)

    assert shown(tls.Certificates(files)) == ends


def test_a_renewal_is_seen_by_the_next_scrape_though_nobody_has_connected(files: tls.Files) -> None:
    write(files, NOW - dt.timedelta(days=80))
    certificates = tls.Certificates(files)

    ends = write(files, NOW)

    assert shown(certificates) == ends


def test_a_half_written_renewal_is_not_shown(files: tls.Files) -> None:
    ends = write(files, NOW - dt.timedelta(days=80))
    certificates = tls.Certificates(files)
    files.certificate.write_bytes(issuer.issue(["localhost"], now=NOW).certificate)

    assert shown(certificates) == ends


def test_without_webhooks_there_is_no_figure() -> None:
    assert shown(None) is None
