# SPDX-License-Identifier: Apache-2.0
"""What Prometheus is told.  Names are an interface: alerts and dashboards hold on to them."""

from prometheus_client import Counter, Gauge

MIGRATED_OBJECTS = Counter(
    "capi_ipam_in_cluster_migrated_objects_total",
    "Objects written anew because they may have been stored in an old version.",
    ["kind"],
)
STORED_IN_ONE_VERSION = Gauge(
    "capi_ipam_in_cluster_stored_in_one_version",
    "1 where all objects of the kind are stored in the present version, 0 where some may not be.",
    ["kind"],
)
