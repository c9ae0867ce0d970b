# SPDX-License-Identifier: Apache-2.0
"""The conversion of our kinds: what each field of an old version becomes.

Pure functions on JSON values: no HTTP, no clock, no cluster, and no pydantic.  May import `api`,
`crdkit` and `ipam`.

Start reading at `v1alpha1.py`, which says what each field of v1alpha1 becomes.  `registry.py` names
the rules of each kind; `crdkit.conversion` applies them.  `fields.py` tells a v1alpha1 user about
problems in v1alpha1's words.  `managed_fields.py` translates the entries of metadata.managedFields.
"""
