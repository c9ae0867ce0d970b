// SPDX-License-Identifier: Apache-2.0

package v1

import (
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// A share of something.
// +kubebuilder:validation:Minimum=0
// +kubebuilder:validation:Maximum=100
type Percent int

// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=9

type Word string

// +listType=set
// +kubebuilder:validation:MaxItems=5

type Words []Word

// Nothing.
type Empty struct{}

// What is made.
type Template struct {
	// Labels, for instance.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +optional
	// +default={}
	Spec Empty `json:"spec,omitempty"`
}

// What has a name.
// +kubebuilder:validation:XValidation:rule="self.name != 'y'",message="is no name"
type Named struct {
	// Its name:
	//
	// - a `word`, and
	// - no "sentence".
	//
	// Nothing else.
	// +required
	Name Word `json:"name"`
}

// A choice.
//
// Some of it has to be made.
// +kubebuilder:title="Several of one"
// +kubebuilder:validation:XValidation:rule="self.name != 'x'",message="is no name"
// +kubebuilder:validation:AtMostOneOf=left;right
// +kubebuilder:validation:ExactlyOneOf=up;down
// +kubebuilder:validation:AtLeastOneOf=left;up;namespace
type Choice struct {
	Named `json:",inline"`

	// +optional
	Left *string `json:"left,omitempty"`

	// +optional
	Right *string `json:"right,omitempty"`

	// +optional
	Up *int64 `json:"up,omitempty"`

	// +optional
	Down *int64 `json:"down,omitempty"`

	// +optional
	Namespace *string `json:"namespace,omitempty"`
}

// Formats.
type Formats struct {
	// +optional
	// +kubebuilder:validation:Format=cidr
	Cidr string `json:"cidr,omitempty"`

	// +optional
	// +kubebuilder:validation:Format=date-time
	Moment string `json:"moment,omitempty"`

	// +optional
	// +kubebuilder:validation:Format=duration
	Duration string `json:"duration,omitempty"`

	// +optional
	// +kubebuilder:validation:Format=float
	Real float32 `json:"real,omitempty"`

	// +optional
	// +kubebuilder:validation:Format=hostname
	Host string `json:"host,omitempty"`

	// +optional
	// +kubebuilder:validation:Format=ipv4
	V4 string `json:"v4,omitempty"`

	// +optional
	// +kubebuilder:validation:Format=ipv6
	V6 string `json:"v6,omitempty"`

	// +optional
	// +kubebuilder:validation:Format=password
	Password string `json:"password,omitempty"`

	// +optional
	// +kubebuilder:validation:Format=uri
	Uri string `json:"uri,omitempty"`

	// +optional
	// +kubebuilder:validation:Format=uuid
	Uuid string `json:"uuid,omitempty"`
}

// +kubebuilder:validation:Minimum=0
// +kubebuilder:validation:XValidation:rule="self != 13",message="is 13"

type Count int32

// Texts: with a colon, "quotes", a `#` and é.
//
// A line after another,  and two spaces.
type Spelling struct {
	// +optional
	// +default=["","yes","y","1","1e3","1.5","null","~"," x ","a: b","#c","é","2\n3","'","\"","-"]
	Strings []string `json:"strings,omitempty"`

	// +optional
	// +default=""
	// +kubebuilder:validation:Enum="";"no";"1.5";"a b"
	Odd string `json:"odd,omitempty"`

	// +optional
	// +default=false
	Off bool `json:"off,omitempty"`

	// +optional
	// +kubebuilder:validation:Pattern=`^[^'"\\: #]+\.$`
	Pattern string `json:"pattern,omitempty"`

	// +optional
	// +default=0
	Count Count `json:"count,omitempty"`

	// +optional
	// +kubebuilder:validation:XValidation:rule="self != '1'",message="is 1",\
	// messageExpression="'is ' + string(self)"
	Amount *resource.Quantity `json:"amount,omitempty"`
}

// Two keys.
type Pair struct {
	Named `json:",inline"`

	// +required
	Namespace string `json:"namespace"`
}

// +listType=map
// +listMapKey=name
// +listMapKey=namespace

type Pairs []Pair

// Values of other types inside of lists and maps.
type Values struct {
	// +optional
	Amounts map[string]resource.Quantity `json:"amounts,omitempty"`

	// +optional
	Eithers []intstr.IntOrString `json:"eithers,omitempty"`

	// +optional
	Moments []metav1.Time `json:"moments,omitempty"`

	// +optional
	Opens map[string]Open `json:"opens,omitempty"`

	// +optional
	Pairs map[string]Pairs `json:"pairs,omitempty"`

	// +optional
	Maps []map[string]Colour `json:"maps,omitempty"`

	// A colour, or none.
	// +optional
	// +nullable
	Nothing *Colour `json:"nothing,omitempty"`
}

// The remainder.
type RestSpec struct {
	// +optional
	// +kubebuilder:title="Size of it"
	// +kubebuilder:example=3
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:ExclusiveMinimum=true
	Size int32 `json:"size,omitempty"`

	// +optional
	// +kubebuilder:example={name: "a", up: 1}
	// +default={"name":"a","left":"b","up":1}
	Choice Choice `json:"choice,omitempty"`

	// +optional
	Formats *Formats `json:"formats,omitempty"`

	// +optional
	// +default=1.0
	// +kubebuilder:validation:Minimum=-1.5
	Ratio float64 `json:"ratio,omitempty"`

	// +optional
	// +default=2.5
	// +kubebuilder:validation:MultipleOf=0.5
	Step float64 `json:"step,omitempty"`

	// +optional
	Whole *Percent `json:"whole,omitempty"`

	// The smaller part.
	// +optional
	// +kubebuilder:validation:Maximum=50
	Part *Percent `json:"part,omitempty"`

	// +optional
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:Pattern=`^[0-9]+%$`
	Share *intstr.IntOrString `json:"share,omitempty"`

	// +optional
	// +nullable
	// +kubebuilder:default=x
	Nullable *string `json:"nullable,omitempty"`

	// +optional
	// +kubebuilder:validation:Enum=1;2
	Number int `json:"number,omitempty"`

	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	Colours []Colour `json:"colours,omitempty"`

	// +optional
	// +listType=atomic
	// +kubebuilder:validation:items:MaxLength=5
	// +kubebuilder:validation:items:XValidation:rule="self != 'x'",message="is x"
	// +kubebuilder:validation:XValidation:rule="self.size() != 4",message="are four",\
	// reason="FieldValueRequired"
	Texts []string `json:"texts,omitempty"`

	// +optional
	Words []Words `json:"words,omitempty"`

	// +optional
	// +mapType=atomic
	// +kubebuilder:validation:MinProperties=1
	Shares map[string]Percent `json:"shares,omitempty"`

	// +optional
	// +mapType=granular
	Lists map[string]Words `json:"lists,omitempty"`

	// +optional
	// +structType=granular
	Named *Named `json:"named,omitempty"`

	// +optional
	Pairs Pairs `json:"pairs,omitempty"`

	// +optional
	Values *Values `json:"values,omitempty"`

	// +optional
	Spelling *Spelling `json:"spelling,omitempty"`

	// +optional
	Template *Template `json:"template,omitempty"`

	// +optional
	Odd string `json:"odd-name.x,omitempty"`
}

type RestStatus struct {
	// +optional
	Size int32 `json:"size,omitempty"`
}

// Everything else.
// +kubebuilder:validation:XValidation:rule="self.metadata.name != 'x'",message="is no name",\
// fieldPath=".metadata"
// +kubebuilder:validation:AtMostOneOf=data;status
// +kubebuilder:storageversion
// +kubebuilder:deprecatedversion
// +kubebuilder:subresource:status
// +kubebuilder:subresource:scale:specpath=.spec.size,statuspath=.status.size
// +kubebuilder:resource:path=rest,scope=Namespaced
// +kubebuilder:metadata:labels={"a=1","example.com/b="},annotations="c=d=e, f"
type Rest struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +optional
	Data map[string]string `json:"data,omitempty"`

	// How much of it.
	// +required
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="is immutable"
	Spec RestSpec `json:"spec"`

	// +optional
	Status RestStatus `json:"status,omitempty"`
}
