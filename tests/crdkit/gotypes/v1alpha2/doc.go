// SPDX-License-Identifier: Apache-2.0

// Package v1alpha2 is the counterpart of api/v1alpha2.
// +groupName=ipam.cluster.x-k8s.io
package v1alpha2
