module ipam-in-cluster/hack/tools/clusterapi/v1.10

go 1.26.0

require sigs.k8s.io/cluster-api v1.10.10
