# SPDX-License-Identifier: Apache-2.0
"""The types of the API group, and nothing else: what a user may write in a manifest.

Imports pydantic and the standard library; of this project nothing (relative imports only), so that
it can be built alone.

Start reading at `v1alpha2/pool.py`, the hub version of the pools.  `kinds.py` lists every kind in
every version, `resources.py` has their names, `markers.py` the vocabulary for telling the API
server more than Python's types can.
"""
