# SPDX-License-Identifier: Apache-2.0
"""Gives claims their addresses and takes them back, on the hub version of the pools.

May import `objects`, `kube`, `api` and `ipam`.  Start reading at `claims.py`, the life of a claim,
which ends in `release.py`; `claim_reports.py` says on it why it waits.  `ledger.py` knows who holds
what, and `line.py` who waits; `pools.py` keeps the counts, `controller.py` wires events to both.
`migration.py` removes what old API versions leave behind.
"""
