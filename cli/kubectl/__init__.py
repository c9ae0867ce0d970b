# SPDX-License-Identifier: Apache-2.0
"""`kubectl ipam`: the commands that read a cluster.  They need the verbs get, list and watch.

Start reading at `main.py` (the commands, a module each) and `options.py` (the options
of all commands).  `session.py` opens the connection, and `snapshot.py` reads all objects once.
`supervisor.py` keeps them current for `top` and the map, which run until they are stopped.

All else is pure.  `usage.py` finds the holders of a pool's addresses, `spaces.py` finds the field
that withholds an address, and `lookup.py` finds the holder of an address.  `check` finds
problems, `planning.py` compares a manifest with the cluster, and `selection.py` finds the pool that
a user names.  Each rule comes from `ipam`, `controller` or `webhook`.  `owners.py` and `demand.py`
follow references to objects of any provider.

`printing.py` writes an answer as a table, JSON, YAML or names.
"""
