// SPDX-License-Identifier: Apache-2.0

// Package v1alpha1 is the counterpart of api/v1alpha1.
// +groupName=ipam.cluster.x-k8s.io
package v1alpha1
