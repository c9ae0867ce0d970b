// SPDX-License-Identifier: Apache-2.0

// Package pools is what the kinds of all versions share: the counterpart of api/texts.py and
// api/status.py.
//
// All of this is written for controller-gen alone, and nothing runs it. A comment of a type or a
// field is the docstring in Python, word for word, and becomes its description; a type without one
// leaves that to its fields. controller-gen knows only markers of one line: the test joins a line
// that ends with a backslash and the next one before controller-gen sees them.
package pools

// +kubebuilder:validation:MaxLength=100
// +kubebuilder:validation:XValidation:\
// rule=`self == '' || isIP(self) || self.lowerAscii().contains(':ffff:')`,\
// message="is not an IP address"

type Address string

// +kubebuilder:validation:MaxLength=100
// +kubebuilder:validation:XValidation:\
// rule=`self == '' || isCIDR(self) || self.lowerAscii().contains(':ffff:')`,\
// message="is not a CIDR such as 10.0.0.0/24",\
// messageExpression=`!self.contains('/') || !isIP(self.substring(0, self.indexOf('/'))) \
// ? 'is not a CIDR such as 10.0.0.0/24' \
// : !self.substring(self.indexOf('/') + 1).matches('^(0|[1-9][0-9]?[0-9]?)$') \
// ? 'needs a prefix length such as /24 after the slash' \
// : self.contains(':') ? 'has a prefix longer than the 128 bits of IPv6' \
// : 'has a prefix longer than the 32 bits of IPv4'`

type Subnet string

// +kubebuilder:validation:MaxLength=100
// +kubebuilder:validation:XValidation:\
// rule=`self.contains('/') || isIP(self) || self.lowerAscii().contains(':ffff:') \
// || (self.contains('-') && isIP(self.substring(0, self.indexOf('-'))) \
// && isIP(self.substring(self.indexOf('-') + 1)))`,\
// message="is not an IP address, a range or a CIDR"
// +kubebuilder:validation:XValidation:\
// rule=`!self.contains('/') || isCIDR(self) || self.lowerAscii().contains(':ffff:')`,\
// message="is not a CIDR such as 10.0.0.0/24",\
// messageExpression=`!self.contains('/') || !isIP(self.substring(0, self.indexOf('/'))) \
// ? 'is not a CIDR such as 10.0.0.0/24' \
// : !self.substring(self.indexOf('/') + 1).matches('^(0|[1-9][0-9]?[0-9]?)$') \
// ? 'needs a prefix length such as /24 after the slash' \
// : self.contains(':') ? 'has a prefix longer than the 128 bits of IPv6' \
// : 'has a prefix longer than the 32 bits of IPv4'`

type Entry string

// +kubebuilder:validation:XValidation:\
// rule=`self.contains(':') || !self.matches('^[0-9]+[.]')`,\
// message="is IPv4, but this pool is IPv6: one pool has one IP family"

type Entry6 Entry

// +kubebuilder:validation:XValidation:\
// rule=`self.contains(':') || !self.matches('^[0-9]+[.]')`,\
// message="is IPv4, but this pool is IPv6: one pool has one IP family"

type Address6 Address

// +kubebuilder:validation:MaxLength=100
// +kubebuilder:validation:XValidation:\
// rule=`isCIDR(self) || self.lowerAscii().contains(':ffff:')`,\
// message="is not a CIDR such as 2001:db8::/48"
// +kubebuilder:validation:XValidation:\
// rule=`!isCIDR(self) || cidr(self) == cidr(self).masked()`,\
// message="has host bits set"
// +kubebuilder:validation:XValidation:\
// rule=`self.contains(':') || !self.matches('^[0-9]+[.]')`,\
// message="is IPv4, but this pool is IPv6: one pool has one IP family"

type Prefix string
