// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Nothing at all.
// +kubebuilder:deprecatedversion
// +kubebuilder:unservedversion
// +kubebuilder:resource:path=everythings,scope=Cluster,shortName=ev;evs,categories=all;examples
type Everything struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`
}
