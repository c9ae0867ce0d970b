# SPDX-License-Identifier: Apache-2.0
"""A real control plane on loopback, for tests, benchmarks, the demo and `make dev`.

etcd and kube-apiserver are the real programs, found, fetched or built once; the provider is the
real `ipam-in-cluster-manager` process under its own least-privilege identity.  Nothing here is
shipped in the image and nothing shipped imports it.  Only `sizes` imports anything of ours (`api`),
so that a mistake there cannot hide itself here.

    controlplane/   etcd, kube-apiserver and the manager
    lab/            whole clusters with pods, which the real clusterctl installs into and moves
    chaos/          faults around two managers, and the checks that no address is lost

All three use the modules beside them: `client` for the API server, `processes`, `pki` and `ports`,
`manifests` as users write them, `waiting` and `errors`.

Start reading at `controlplane.provider` (everything together).  Tests reach it through the fixtures
of `plugin`.  Linux only: it relies on /proc and prctl.
"""
