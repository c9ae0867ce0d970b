# SPDX-License-Identifier: Apache-2.0
"""`kubectl ipam check`: find problems of the cluster, each with its cause and its remedy.

Start reading at `finding.py` (what a problem is) and `command.py`.  `objects.py` and `claims.py`
judge a snapshot without requests.  `installation.py` asks for all else: CRDs (`crds.py`), webhooks
(`webhooks.py`), the leader (`leader.py`) and its rights (`rights.py`, by the evaluator `rbac.py`).
`fixes.py` finds what is safe to fix, and `fixing.py` writes it.  `report.py` writes the findings.
"""
