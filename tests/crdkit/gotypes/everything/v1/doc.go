// SPDX-License-Identifier: Apache-2.0

// Package v1 is the counterpart of tests/crdkit/example/everything.py, and of rest.py
// beside this folder.
// +groupName=everything.example.com
package v1
