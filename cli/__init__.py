# SPDX-License-Identifier: Apache-2.0
"""`ipam-in-cluster`: the command line for pools, mostly without a cluster.

May import everything, but of `manager` only what both programs have: `manager.options`,
`manager.version` and `manager.pod`.  It uses the rules of admission (`webhook.reviewed_pool`), so a
pool that passes here passes there, except for rules that need a cluster.

Start reading at `main.py` (the commands) and `inputs.py` (their files), then `manifests.py` (files
in, documents out: YAML in `yamltext.py` and `scalars.py`, JSON in `jsontext.py`), and
`pool_documents.py` (which documents are pools).

`validation.py` finds the errors of a pool, with the helpers of `findings.py`: fields in
`fields.py`, metadata in `metadata.py` and `names.py`.

`conversions.py` converts a pool, and `preflight.py` reports what gets lost.  `roundtrip.py` writes
the pool into its document, with `trees.py` and `comments.py`.

`cluster.py` reads the API versions of a cluster, and `version_report.py` reports the next steps.
"""
