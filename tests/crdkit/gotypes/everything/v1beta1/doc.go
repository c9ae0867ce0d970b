// SPDX-License-Identifier: Apache-2.0

// Package v1beta1 is the counterpart of tests/crdkit/example/everything.py.
// +groupName=everything.example.com
package v1beta1
