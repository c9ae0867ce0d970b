// SPDX-License-Identifier: Apache-2.0

package v1

import (
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// A colour.
// +kubebuilder:validation:Enum=red;green
type Colour string

// +kubebuilder:validation:Enum=1;2

type Level int

// A port.
// +kubebuilder:validation:XValidation:rule="self.number != 7",message="is echo"
type Port struct {
	// The name of the port.
	// +optional
	// +kubebuilder:default=http
	// +kubebuilder:validation:MaxLength=15
	Name string `json:"name,omitempty"`

	// +required
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	Number int32 `json:"number"`
}

// Numbers.
type Numbers struct {
	// +optional
	// +kubebuilder:default=0
	Small int32 `json:"small,omitempty"`

	// +optional
	// +kubebuilder:default=1099511627776
	Large int64 `json:"large,omitempty"`

	// +optional
	// +default=0.5
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:ExclusiveMinimum=true
	// +kubebuilder:validation:Maximum=1
	// +kubebuilder:validation:ExclusiveMaximum=true
	// +kubebuilder:validation:Format=double
	Real float64 `json:"real,omitempty"`

	// +optional
	// +kubebuilder:default=0
	// +kubebuilder:validation:MultipleOf=2
	// +kubebuilder:validation:Minimum=-2
	// +kubebuilder:validation:Maximum=2
	Even int `json:"even,omitempty"`

	// +optional
	// +kubebuilder:default="50%"
	Share intstr.IntOrString `json:"share,omitempty"`

	// +optional
	// +kubebuilder:default="2Gi"
	Memory resource.Quantity `json:"memory,omitempty"`
}

// Texts.
type Texts struct {
	// +optional
	// +kubebuilder:default=abc
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=9
	// +kubebuilder:validation:Pattern=`^[a-z]+$`
	Short string `json:"short,omitempty"`

	// +optional
	At *metav1.Time `json:"at,omitempty"`

	// +optional
	// +kubebuilder:validation:Format=date
	Day string `json:"day,omitempty"`

	// +optional
	Blob []byte `json:"blob,omitempty"`

	// +optional
	// +kubebuilder:default=red
	Colour Colour `json:"colour,omitempty"`

	// +optional
	// +kubebuilder:default=1
	Level Level `json:"level,omitempty"`

	// +optional
	// +kubebuilder:default=on
	// +kubebuilder:validation:Enum=on;off
	Mode string `json:"mode,omitempty"`

	// +optional
	// +kubebuilder:default=this
	// +kubebuilder:validation:Enum=this
	Only string `json:"only,omitempty"`

	// +optional
	// +nullable
	Nothing *string `json:"nothing,omitempty"`

	// A port, or null for none.
	// +required
	// +nullable
	MustBeSaid *Port `json:"mustBeSaid"`
}

// Lists.
type Lists struct {
	// +optional
	// +listType=atomic
	// +default=["a","b"]
	// +kubebuilder:validation:MaxItems=3
	Atomic []string `json:"atomic,omitempty"`

	// +optional
	// +listType=set
	// +default=[]
	Unique []int `json:"unique,omitempty"`

	// +optional
	// +listType=map
	// +listMapKey=name
	// +default=[{"name":"http","number":80}]
	Ports []Port `json:"ports,omitempty"`

	// +optional
	// +default=[]
	Nested [][]bool `json:"nested,omitempty"`
}

// Maps.
type Maps struct {
	// +optional
	// +default={"a":"b"}
	// +kubebuilder:validation:MaxProperties=8
	Labels map[string]string `json:"labels,omitempty"`

	// +optional
	// +default={}
	Ports map[string]Port `json:"ports,omitempty"`

	// +optional
	// +default={}
	Nested map[string]map[string]int `json:"nested,omitempty"`

	// +optional
	// +default={}
	Lists map[string][]string `json:"lists,omitempty"`

	// Replaced as a whole.
	// +optional
	// +structType=atomic
	// +default={"name":"http","number":443}
	Whole Port `json:"whole,omitempty"`
}

// An object that keeps what it does not know.
// +kubebuilder:pruning:PreserveUnknownFields
type Open struct {
	// +optional
	// +kubebuilder:default=true
	Known bool `json:"known,omitempty"`
}

// Objects that nobody here knows in full.
type Objects struct {
	// +optional
	Open *Open `json:"open,omitempty"`

	// +optional
	// +kubebuilder:pruning:PreserveUnknownFields
	Kept *Port `json:"kept,omitempty"`

	// +optional
	// +default={}
	Anything runtime.RawExtension `json:"anything,omitempty"`

	// +optional
	// +kubebuilder:validation:Schemaless
	// +kubebuilder:pruning:PreserveUnknownFields
	AnyValue string `json:"anyValue,omitempty"`

	// +optional
	// +kubebuilder:validation:EmbeddedResource
	Embedded runtime.RawExtension `json:"embedded,omitempty"`

	// +optional
	// +kubebuilder:validation:EmbeddedResource
	Known *Open `json:"known,omitempty"`
}

// Rules.
// +kubebuilder:validation:XValidation:rule="self.low <= self.high",\
// message="must not be above high",messageExpression=`'%d is above high'.format([self.low])`,\
// reason="FieldValueInvalid",fieldPath=".low"
// +kubebuilder:validation:XValidation:\
// rule="!oldSelf.hasValue() || self.high >= oldSelf.value().high",message="only grows",\
// reason="FieldValueForbidden",optionalOldSelf=true
// +kubebuilder:validation:XValidation:rule="!has(self.names.x)",message="has no x",\
// fieldPath=".names['x']"
type Rules struct {
	// +optional
	// +kubebuilder:default=0
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="is immutable"
	// +kubebuilder:validation:XValidation:rule="self != 13",message="is unlucky"
	Low int `json:"low,omitempty"`

	// +optional
	// +kubebuilder:default=9
	High int `json:"high,omitempty"`

	// +optional
	// +default={}
	// +kubebuilder:validation:MaxProperties=9
	Names map[string]string `json:"names,omitempty"`

	// +optional
	// +kubebuilder:validation:XValidation:rule="self.number != 9",message="is discard"
	Port *Port `json:"port,omitempty"`
}
