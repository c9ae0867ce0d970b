# SPDX-License-Identifier: Apache-2.0
"""The objects that the provider reads and writes, as slim wire structs.

May import `api`, `ipam` and `kube`.  The structs hold only the fields that somebody reads, so that
a replica can keep hundreds of thousands of objects.

Start reading at `metadata.py` (our labels, annotations and finalizers) and `clusterapi.py`
(IPAddressClaims, IPAddresses and Clusters).  `contracts.py` says what differs between the versions
of Cluster API, and `pools.py` has our four pool kinds in the hub version.  `informers.py` keeps
a local copy of all of them, and `address_sets.py` keeps the address set of each pool.
"""
