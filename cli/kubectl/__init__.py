# SPDX-License-Identifier: Apache-2.0
"""`kubectl ipam`: see and ask, with a cluster.  Reading needs the verbs get, list and watch alone.

Start reading at `main.py` (the commands, a module each) and `options.py` (what they have in
common).  `session.py` opens the connection, `snapshot.py` reads pools, claims and IPAddresses once.

All else is pure, and asks `ipam`, `controller` and `webhook` for each rule.  `usage.py` says who
holds what of a pool, `spaces.py` what each address is, and `lookup.py` who has an address.
`findings.py` says what is wrong, `planning.py` what a manifest would change, and `selection.py`
which pool is meant.  `owners.py` and `demand.py` follow references to objects of any provider.

`printing.py` writes an answer as a table, JSON, YAML or names.
"""
