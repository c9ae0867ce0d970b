// SPDX-License-Identifier: Apache-2.0

package v1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// What is wanted.
type Spec struct {
	// +optional
	// +kubebuilder:default=1
	// +kubebuilder:validation:Minimum=0
	Replicas int32 `json:"replicas,omitempty"`

	// +optional
	Numbers *Numbers `json:"numbers,omitempty"`

	// +optional
	Texts *Texts `json:"texts,omitempty"`

	// +optional
	Lists *Lists `json:"lists,omitempty"`

	// +optional
	Maps *Maps `json:"maps,omitempty"`

	// +optional
	Objects *Objects `json:"objects,omitempty"`

	// +optional
	Ruled *Rules `json:"ruled,omitempty"`
}

// What is.
type Status struct {
	// +optional
	// +kubebuilder:default=0
	Replicas int32 `json:"replicas,omitempty"`

	// +optional
	// +kubebuilder:default=""
	Selector string `json:"selector,omitempty"`

	// +optional
	Ready *bool `json:"ready,omitempty"`
}

// All that can be said.
// +kubebuilder:storageversion
// +kubebuilder:subresource:status
// +kubebuilder:subresource:scale:specpath=.spec.replicas,statuspath=.status.replicas,\
// selectorpath=.status.selector
// +kubebuilder:resource:path=everythings,scope=Cluster,shortName=ev;evs,categories=all;examples
// +kubebuilder:metadata:labels="example.com/release=1",annotations="example.com/approved=true"
// +kubebuilder:selectablefield:JSONPath=".spec.texts.colour"
// +kubebuilder:selectablefield:JSONPath=".spec.replicas"
// +kubebuilder:selectablefield:JSONPath=".status.ready"
// +kubebuilder:printcolumn:name="Replicas",type=integer,JSONPath=".spec.replicas",format=int32
// +kubebuilder:printcolumn:name="Share",type=string,JSONPath=".spec.numbers.share",priority=1
// +kubebuilder:printcolumn:name="Real",type=number,JSONPath=".spec.numbers.real",\
// description="A number",format=double
// +kubebuilder:printcolumn:name="Port",type=integer,JSONPath=".spec.lists.ports[0].number"
// +kubebuilder:printcolumn:name="Label",type=string,\
// JSONPath=`.metadata.labels.example\.com/release`
// +kubebuilder:printcolumn:name="Open",type=integer,JSONPath=".spec.objects.open.whatever.it.is"
// +kubebuilder:printcolumn:name="Ready",type=boolean,JSONPath=".status.ready"
// +kubebuilder:printcolumn:name="At",type=date,JSONPath=".spec.texts.at"
type Everything struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   Spec   `json:"spec,omitempty"`
	Status Status `json:"status,omitempty"`
}
