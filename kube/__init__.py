# SPDX-License-Identifier: Apache-2.0
"""The one door to the API server, and the small controller runtime behind it.

May import `api` and `ipam`; is the only package that imports `kubernetes`, and only in
`provider.py` (which costs 0.7 s and 20 MiB, so only identity providers pay for it).

Start reading at `connect.py` (credentials, TLS and sockets; why: docs/design/0008-connections.md)
and `client.py` (one request), then `objects.py` (what is kept of an object),
`cache.py` (a local copy, kept current), `queue.py` and `workers.py` (what calls reconcile
functions), and `lease.py` (who may write).  `discovery.py` says what is served, `liveness.py`
whether all jobs run, `definitions.py` in which versions a kind is served and stored.  `rbac.py`
and `pod.py` are what the generator takes the manager's roles, Deployment and Services from.
"""
