# SPDX-License-Identifier: Apache-2.0
"""`kubectl ipam check`: find problems of the cluster, each with its cause and its remedy.

Start reading at `finding.py` (what a problem is) and `command.py`.  `objects.py` and `claims.py`
judge a snapshot without requests.  `installation.py` asks for all else: CRDs (`crds.py`), webhooks
(`webhooks.py`) and the leader (`leader.py`).  `report.py` writes the findings.
"""
