# SPDX-License-Identifier: Apache-2.0
"""Objects from one version of their kind to another, losing nothing.

Pure functions on JSON values: no HTTP, no clock, no cluster, and no pydantic, because this runs for
every object of every read in an old version.

Start reading at `registry.py`: a `Pair` has the rules of one version, the `Registry` converts.
`annotation.py` keeps what the other version has no field for, `values.py` has the JSON types.
"""
