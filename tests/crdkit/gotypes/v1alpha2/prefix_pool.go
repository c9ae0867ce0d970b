// SPDX-License-Identifier: Apache-2.0

package v1alpha2

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"ipam-in-cluster/tests/crdkit/gotypes/pools"
)

// +kubebuilder:validation:XValidation:\
// rule=`self.prefixes.all(p, !isCIDR(p) \
// || cidr(p).prefixLength() <= self.allocationPrefixLength)`,\
// message="is longer than allocationPrefixLength",\
// messageExpression=`'"%s": is longer than allocationPrefixLength, which is %d'.format([\
// self.prefixes.filter(p, isCIDR(p) \
// && cidr(p).prefixLength() > self.allocationPrefixLength)[0], self.allocationPrefixLength])`,\
// fieldPath=".prefixes"

// The prefixes that a pool offers, and the size of the parts that claims get.
type InClusterPrefixPoolSpec struct {
	// IPv6 networks to hand out in parts, such as `2001:db8::/48`, without host bits.
	// +required
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=4096
	Prefixes []pools.Prefix `json:"prefixes"`

	// Length in bits of the prefix that each claim gets, at least that of each of `prefixes`.
	// Can't be changed later.
	// +optional
	// +kubebuilder:default=64
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=128
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="is immutable"
	AllocationPrefixLength int32 `json:"allocationPrefixLength,omitempty"`

	// Gateway that goes into every IPAddress.  It keeps no prefix from being handed out.
	// +optional
	Gateway pools.Address6 `json:"gateway,omitempty"`

	// IPv6 addresses, ranges or CIDRs not to hand out: a part that overlaps one is left out.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=4096
	ExcludedPrefixes []pools.Entry6 `json:"excludedPrefixes,omitempty"`
}

// A pool of IPv6 prefixes for the claims of its own namespace.
// +kubebuilder:storageversion
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=inclusterprefixpools,scope=Namespaced,categories=cluster-api
// +kubebuilder:metadata:labels="clusterctl.cluster.x-k8s.io/move-hierarchy="
// +kubebuilder:printcolumn:name="Prefixes",type=string,JSONPath=".spec.prefixes",\
// description="Prefixes that the pool offers"
// +kubebuilder:printcolumn:name="Length",type=integer,JSONPath=".spec.allocationPrefixLength",\
// description="Bits of a sub-prefix"
// +kubebuilder:printcolumn:name="Total",type=integer,JSONPath=".status.ipAddresses.total",\
// description="Allocatable sub-prefixes"
// +kubebuilder:printcolumn:name="Free",type=integer,JSONPath=".status.ipAddresses.free",\
// description="Sub-prefixes left to allocate"
// +kubebuilder:printcolumn:name="Used",type=integer,JSONPath=".status.ipAddresses.used",\
// description="Sub-prefixes in use"
type InClusterPrefixPool struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   InClusterPrefixPoolSpec `json:"spec,omitempty"`
	Status pools.Status            `json:"status,omitempty"`
}

// A pool of IPv6 prefixes for the claims of all namespaces.
// +kubebuilder:storageversion
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=globalinclusterprefixpools,scope=Cluster,categories=cluster-api
// +kubebuilder:metadata:labels="clusterctl.cluster.x-k8s.io/move-hierarchy="
// +kubebuilder:printcolumn:name="Prefixes",type=string,JSONPath=".spec.prefixes",\
// description="Prefixes that the pool offers"
// +kubebuilder:printcolumn:name="Length",type=integer,JSONPath=".spec.allocationPrefixLength",\
// description="Bits of a sub-prefix"
// +kubebuilder:printcolumn:name="Total",type=integer,JSONPath=".status.ipAddresses.total",\
// description="Allocatable sub-prefixes"
// +kubebuilder:printcolumn:name="Free",type=integer,JSONPath=".status.ipAddresses.free",\
// description="Sub-prefixes left to allocate"
// +kubebuilder:printcolumn:name="Used",type=integer,JSONPath=".status.ipAddresses.used",\
// description="Sub-prefixes in use"
type GlobalInClusterPrefixPool struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   InClusterPrefixPoolSpec `json:"spec,omitempty"`
	Status pools.Status            `json:"status,omitempty"`
}
