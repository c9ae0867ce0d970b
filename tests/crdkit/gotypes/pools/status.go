// SPDX-License-Identifier: Apache-2.0

package pools

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// How many addresses a pool has.  Larger numbers than 2^63-1 are shown as 2^63-1.
type AddressCounts struct {
	// Addresses that the pool can hand out, whether they are in use or not.
	Total int64 `json:"total"`

	// Addresses of the pool that are in use (its IPAddress objects).
	Used int64 `json:"used"`

	// Addresses that the pool can hand out now.
	Free int64 `json:"free"`

	// Addresses in use that the pool would not hand out any more, as its spec is today.
	OutOfRange int64 `json:"outOfRange"`
}

// The state of a pool, as the provider observed it last.
type Status struct {
	// How many addresses the pool has.  A prefix pool counts its sub-prefixes.
	// +optional
	IPAddresses *AddressCounts `json:"ipAddresses,omitempty"`

	// Whether the pool can serve claims (type Ready), and why not.
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// The metadata.generation that this status is about.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
}
