module ipam-in-cluster/hack/tools/clusterapi/v1.13

go 1.26.0

require sigs.k8s.io/cluster-api v1.13.6
