// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"ipam-in-cluster/tests/crdkit/gotypes/pools"
)

// The addresses that a pool offers: a list, a subnet, a range, or several of these.
type InClusterIPPoolSpec struct {
	// Addresses to hand out: single ones (`10.0.0.7`), ranges (`10.0.0.8-10.0.0.15`) and CIDRs
	// (`10.0.0.16/28`), IPv4 or IPv6, but all of one family.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=4096
	Addresses []pools.Entry `json:"addresses,omitempty"`

	// Network to hand out addresses of, such as `10.0.0.0/24`.  Gives `start` (its second address),
	// `end` (its second last) and `prefix` where they are not set.
	// +optional
	Subnet pools.Subnet `json:"subnet,omitempty"`

	// First address to hand out.
	// +optional
	Start pools.Address `json:"start,omitempty"`

	// Last address to hand out.
	// +optional
	End pools.Address `json:"end,omitempty"`

	// Length in bits of the network's prefix, which goes into every IPAddress.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=128
	Prefix int32 `json:"prefix,omitempty"`

	// Gateway of the network, which goes into every IPAddress.  Never handed out.
	// +optional
	Gateway pools.Address `json:"gateway,omitempty"`
}

// A pool of IP addresses for the claims of its own namespace.
// +kubebuilder:deprecatedversion:\
// warning="ipam.cluster.x-k8s.io/v1alpha1 InClusterIPPool is deprecated; \
// use ipam.cluster.x-k8s.io/v1alpha2 InClusterIPPool"
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=inclusterippools,scope=Namespaced,categories=cluster-api
// +kubebuilder:metadata:labels="clusterctl.cluster.x-k8s.io/move-hierarchy="
// +kubebuilder:printcolumn:name="Subnet",type=string,JSONPath=".spec.subnet",\
// description="Network to hand out addresses of"
// +kubebuilder:printcolumn:name="First",type=string,JSONPath=".spec.start",\
// description="First address to hand out"
// +kubebuilder:printcolumn:name="Last",type=string,JSONPath=".spec.end",\
// description="Last address to hand out"
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
// +kubebuilder:deprecatedversion:\
// warning="ipam.cluster.x-k8s.io/v1alpha1 GlobalInClusterIPPool is deprecated; \
// use ipam.cluster.x-k8s.io/v1alpha2 GlobalInClusterIPPool"
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=globalinclusterippools,scope=Cluster,categories=cluster-api
// +kubebuilder:metadata:labels="clusterctl.cluster.x-k8s.io/move-hierarchy="
// +kubebuilder:printcolumn:name="Subnet",type=string,JSONPath=".spec.subnet",\
// description="Network to hand out addresses of"
// +kubebuilder:printcolumn:name="First",type=string,JSONPath=".spec.start",\
// description="First address to hand out"
// +kubebuilder:printcolumn:name="Last",type=string,JSONPath=".spec.end",\
// description="Last address to hand out"
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
