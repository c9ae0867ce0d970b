# SPDX-License-Identifier: Apache-2.0
"""`ipam-in-cluster`: what people do with pools on a command line, without a cluster.

May import everything but `manager`.  The rules are admission's own (`webhook.pool`), so what passes
here passes there, as far as that can be told without a cluster.

Start reading at `main.py` (the commands), then `manifests.py` (files in, documents out: YAML in
`yamltext.py` and `scalars.py`, JSON in `jsontext.py`), `pools.py` (which documents are ours) and
`findings.py` (what is wrong with a document; unknown fields in `fields.py`).
"""
