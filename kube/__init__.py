# SPDX-License-Identifier: Apache-2.0
"""A small controller runtime: it knows the API server, and nothing of IPAM or Cluster API.

Imports nothing of ours; is the only package that imports `kubernetes`, and only in
`auth_provider.py` (which costs 0.7 s and 20 MiB, so only identity providers pay for it).

Start reading at `connect.py` (credentials, TLS and sockets; why: docs/design/0008-connections.md)
and `client.py` (one request), then `meta.py` (what is kept of an object),
`informer.py` (a local copy, kept current), `queue.py` and `workers.py` (what calls reconcile
functions), and `lease.py` (who may write).  `discovery.py` says what is served, `liveness.py`
whether all jobs run, `definitions.py` in which versions a kind is served and stored.  `rbac.py` is
in what words packages declare what they need to be allowed.  `testing/` has an API server in memory
for tests.
"""
