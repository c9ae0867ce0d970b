# SPDX-License-Identifier: Apache-2.0
"""`kubectl ipam`: see and ask, with a cluster.  Reading needs the verbs get, list and watch alone.

Start reading at `main.py` (the commands, a module each) and `options.py` (what they have in
common).  `session.py` opens the connection, `snapshot.py` reads pools, claims and IPAddresses once.

All else is pure: `usage.py` says who holds what of a pool, `spaces.py` what each address is,
`selection.py` which pool is meant.  They ask `ipam`, `controller` and `webhook` for each rule.
`printing.py` writes an answer as a table, JSON, YAML or names.
"""
