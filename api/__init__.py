# SPDX-License-Identifier: Apache-2.0
"""The types of our API group, and nothing else: what a user may write in a manifest.

Imports crdkit and pydantic; of the other packages nothing.

Start reading at `v1alpha2/pool.py`, the hub version of the pools.  `kinds.py` lists every kind in
every version, `resources.py` has their names.  The vocabulary is that of `crdkit.models`.
"""
