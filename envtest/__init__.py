# SPDX-License-Identifier: Apache-2.0
"""A real control plane on loopback, for tests, benchmarks, the demo and `make dev`.

etcd and kube-apiserver are the real programs, found or built once (`binaries`); the provider is
the real `ipam-in-cluster-manager` process under its own least-privilege identity.  Nothing here is
shipped in the image and nothing shipped imports it.  This package may import `api` and `kube`;
today it needs neither, so that a mistake there cannot hide itself here.

Start reading at `provider` (everything together), then `control_plane`, `install` and `manager`.
Tests reach it through the fixtures of `plugin`.  Linux only: it relies on /proc and prctl.
"""
