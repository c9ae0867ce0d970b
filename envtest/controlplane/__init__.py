# SPDX-License-Identifier: Apache-2.0
"""etcd, kube-apiserver and the provider's manager as real processes, on loopback.

`binaries` finds the programs, `released` fetches them or `building` builds them.  `control_plane`
starts them, `install` installs what is shipped, and `manager` runs the provider.  Tests see a
cluster as one of its users through `tenants`.

Start reading at `provider`, which has everything together.
"""
