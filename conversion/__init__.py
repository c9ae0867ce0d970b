# SPDX-License-Identifier: Apache-2.0
"""Objects of our API group from one version to another, losing nothing.

Pure functions on JSON values: no HTTP, no clock, no cluster, and no pydantic, because this runs for
every object of every read in an old version.  May import `api` and `ipam`.

Start reading at `pools.py`, which says what each field of v1alpha1 becomes.  `stash.py` is the
annotation that keeps what the other version has no field for, `registry.py` puts both together,
`fields.py` tells a v1alpha1 user about problems in v1alpha1's words.  `managed_fields.py`
translates the entries of metadata.managedFields.
"""
