# SPDX-License-Identifier: Apache-2.0
"""What Prometheus is told.  Names are an interface: alerts and dashboards hold on to them."""

from prometheus_client import Counter, Gauge

MIGRATED_OBJECTS = Counter(
    "capi_ipam_in_cluster_migrated_objects_total",
    "Objects written anew because they may have been stored in an old version.",
    ["kind"],
)
REFUSED_OBJECTS = Gauge(
    "capi_ipam_in_cluster_migration_refused_objects",
    "Objects that the API server refused to write anew in the last run; the log names them.",
    ["kind"],
)
STORED_IN_ONE_VERSION = Gauge(
    "capi_ipam_in_cluster_stored_in_one_version",
    "1 where all objects of the kind are stored in the present version, 0 where some may not be.",
    ["kind"],
)
