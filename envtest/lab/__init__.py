# SPDX-License-Identifier: Apache-2.0
"""Whole clusters in which pods run, for tests with the real clusterctl.

Everything is real but the container engine's registry: etcd, kube-apiserver and
kube-controller-manager, clusterctl, Cluster API's core manager, cert-manager's controllers, service
account tokens, RBAC, Services that lead to pods.  `kubelet` runs each pod's container by runc, as
the pod's user, on a read-only root, in a network namespace of its own.

A lab lives in namespaces of its own (`python -m envtest.lab COMMAND`): when the command ends, by
whatever means, the kernel ends its processes and takes its network and its files away.  Needs root
on Linux, iproute2, util-linux and runc.

Start reading at `cluster`, then `kubelet` and `clusterctl`.
"""

MARK = "IPAM_IN_CLUSTER_LAB"
"""Set in the environment where a lab can be built: the folder for its files."""
