// SPDX-License-Identifier: Apache-2.0

package v1alpha2

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"ipam-in-cluster/tests/crdkit/gotypes/pools"
)

// +kubebuilder:validation:XValidation:\
// rule=`self.prefix <= 32 || !self.addresses.all(a, !a.contains(':'))`,\
// message="must be between 0 and 32 for IPv4",\
// messageExpression=`'%d: must be between 0 and 32 for IPv4'.format([self.prefix])`,\
// fieldPath=".prefix"
// +kubebuilder:validation:XValidation:\
// rule=`size(self.addresses) == 0 || !has(self.addresses) \
// || self.addresses.all(a, a.contains(':') == self.addresses[0].contains(':'))`,\
// message="is of another IP family than the pool: one pool has one IP family",\
// messageExpression=`'"%s": is %s: one pool has one IP family'.format([\
// self.addresses.filter(a, a.contains(':') != self.addresses[0].contains(':'))[0], \
// self.addresses[0].contains(':') \
// ? 'IPv4, but this pool is IPv6' : 'IPv6, but this pool is IPv4'])`,\
// fieldPath=".addresses"
// +kubebuilder:validation:XValidation:\
// rule=`size(self.addresses) == 0 || !has(self.excludedAddresses) \
// || self.excludedAddresses.all(a, a.contains(':') == self.addresses[0].contains(':'))`,\
// message="is of another IP family than the pool: one pool has one IP family",\
// messageExpression=`'"%s": is %s: one pool has one IP family'.format([\
// self.excludedAddresses.filter(a, a.contains(':') != self.addresses[0].contains(':'))[0], \
// self.addresses[0].contains(':') \
// ? 'IPv4, but this pool is IPv6' : 'IPv6, but this pool is IPv4'])`,\
// fieldPath=".excludedAddresses"
// +kubebuilder:validation:XValidation:\
// rule=`size(self.addresses) == 0 || !has(self.gateway) || self.gateway == '' \
// || self.gateway.contains(':') == self.addresses[0].contains(':')`,\
// message="is of another IP family than the pool: one pool has one IP family",\
// messageExpression=`'"%s": is %s: one pool has one IP family'.format([self.gateway, \
// self.addresses[0].contains(':') \
// ? 'IPv4, but this pool is IPv6' : 'IPv6, but this pool is IPv4'])`,\
// fieldPath=".gateway"

// The addresses that a pool offers, and the network they are in.
type InClusterIPPoolSpec struct {
	// Addresses to hand out: single ones (`10.0.0.7`), ranges (`10.0.0.8-10.0.0.15`) and CIDRs
	// (`10.0.0.16/28`), IPv4 or IPv6, but all of one family.  Gaps are fine.
	// +required
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=4096
	Addresses []pools.Entry `json:"addresses"`

	// Length in bits of the network's prefix, which goes into every IPAddress.  The network is that
	// of the lowest address, and has to contain all the others.
	// +required
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=128
	Prefix int32 `json:"prefix"`

	// Gateway of the network, which goes into every IPAddress.  Never handed out, even where
	// `addresses` covers it.
	// +optional
	Gateway pools.Address `json:"gateway,omitempty"`

	// Whether to hand out the network's first address (IPv4's network address, IPv6's subnet-router
	// anycast address) and, in IPv4, its last one (broadcast) as well.
	// +optional
	AllocateReservedIPAddresses bool `json:"allocateReservedIPAddresses,omitempty"`

	// Addresses not to hand out, even where `addresses` covers them, in the same notation.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=4096
	ExcludedAddresses []pools.Entry `json:"excludedAddresses,omitempty"`

	// Seconds for which an address stays reserved after its claim was deleted.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=2147483647
	AddressReuseGracePeriodSeconds int32 `json:"addressReuseGracePeriodSeconds,omitempty"`
}

// A pool of IP addresses for the claims of its own namespace.
// +kubebuilder:storageversion
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=inclusterippools,scope=Namespaced,categories=cluster-api
// +kubebuilder:metadata:labels="clusterctl.cluster.x-k8s.io/move-hierarchy="
// +kubebuilder:printcolumn:name="Addresses",type=string,JSONPath=".spec.addresses",\
// description="Addresses that the pool offers"
// +kubebuilder:printcolumn:name="Total",type=integer,JSONPath=".status.ipAddresses.total",\
// description="Allocatable addresses"
// +kubebuilder:printcolumn:name="Free",type=integer,JSONPath=".status.ipAddresses.free",\
// description="Addresses left to allocate"
// +kubebuilder:printcolumn:name="Used",type=integer,JSONPath=".status.ipAddresses.used",\
// description="Addresses in use"
type InClusterIPPool struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   InClusterIPPoolSpec `json:"spec,omitempty"`
	Status pools.Status        `json:"status,omitempty"`
}

// A pool of IP addresses for the claims of all namespaces.
// +kubebuilder:storageversion
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=globalinclusterippools,scope=Cluster,categories=cluster-api
// +kubebuilder:metadata:labels="clusterctl.cluster.x-k8s.io/move-hierarchy="
// +kubebuilder:printcolumn:name="Addresses",type=string,JSONPath=".spec.addresses",\
// description="Addresses that the pool offers"
// +kubebuilder:printcolumn:name="Total",type=integer,JSONPath=".status.ipAddresses.total",\
// description="Allocatable addresses"
// +kubebuilder:printcolumn:name="Free",type=integer,JSONPath=".status.ipAddresses.free",\
// description="Addresses left to allocate"
// +kubebuilder:printcolumn:name="Used",type=integer,JSONPath=".status.ipAddresses.used",\
// description="Addresses in use"
type GlobalInClusterIPPool struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   InClusterIPPoolSpec `json:"spec,omitempty"`
	Status pools.Status        `json:"status,omitempty"`
}
