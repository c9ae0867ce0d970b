# SPDX-License-Identifier: Apache-2.0
"""The names that clusters and their users rely on, spelled once more.

A test that took them from the code under test would not notice that one has changed.
"""

GROUP = "ipam.cluster.x-k8s.io"

RELEASE = f"{GROUP}/ReleaseAddress"
PROTECT = f"{GROUP}/ProtectAddress"
PROTECT_POOL = f"{GROUP}/ProtectPool"
"""Finalizers of claims, addresses and pools."""

RECORD = f"{GROUP}/address"
RECORD_FOR = f"{GROUP}/address-for"
"""Annotations of claims: the address, and the uid of the claim for which it was chosen."""

SKIP_DELETION_CHECK = f"{GROUP}/skip-validate-delete-webhook"
CLUSTER_NAME = "cluster.x-k8s.io/cluster-name"
WATCH_FILTER = "cluster.x-k8s.io/watch-filter"
PAUSED = "cluster.x-k8s.io/paused"
MOVE = "clusterctl.cluster.x-k8s.io/move"
