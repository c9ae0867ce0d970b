// SPDX-License-Identifier: Apache-2.0

package v1beta1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// Much less.
// +kubebuilder:deprecatedversion:warning="v1beta1 is deprecated; use v1"
// +kubebuilder:resource:path=everythings,scope=Cluster,shortName=ev;evs,categories=all;examples
type Everything struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec runtime.RawExtension `json:"spec,omitempty"`
}
