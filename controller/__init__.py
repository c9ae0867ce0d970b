# SPDX-License-Identifier: Apache-2.0
"""The controller gives addresses to claims and takes them back, on the hub version of the pools.

May import `objects`, `kube`, `api` and `ipam`.

Start reading at `claim_reconciler.py`, the life of a claim.  `release.py` ends it, and
`claim_reports.py` writes its conditions.  `allocations.py` knows the holders of a pool's addresses,
and `wait_queue.py` the waiting claims.  `pool_reconciler.py` writes the status of pools.
`state.py` derives the allocations from the caches, and `controller.py` queues what changes.
`migration.py` removes what old API versions leave behind.
"""
