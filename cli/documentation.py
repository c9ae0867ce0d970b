# SPDX-License-Identifier: Apache-2.0
"""Where the documentation is, for remedies that need more than a sentence."""

DOCS = "https://github.com/kubernetes-sigs/cluster-api-ipam-provider-in-cluster/blob/main/docs"
"""The folder docs/ of the repository."""

CLAIM_REASONS = f"{DOCS}/reference/conditions.md#claims"
"""The reasons for which a claim waits."""
