# SPDX-License-Identifier: Apache-2.0
"""Types that Kubernetes shares between all APIs.

Source: k8s.io/apimachinery, `metav1.Condition`, whose bounds and patterns the API server's own
clients rely on.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from .markers import Format
from .model import Model

_LABEL_NAME = r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_DNS_SUBDOMAIN = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"


_TEXT = {"type": "string"}
_TIME = {"type": "string", "format": "date-time"}
_TEXTS = {"type": "object", "additionalProperties": _TEXT}
_OBJECTS = {"type": "array", "items": {"x-kubernetes-preserve-unknown-fields": True}}

OBJECT_META: Mapping[str, Mapping[str, Any]] = {
    "annotations": _TEXTS,
    "creationTimestamp": _TIME,
    "deletionGracePeriodSeconds": {"type": "integer", "format": "int64"},
    "deletionTimestamp": _TIME,
    "finalizers": {"type": "array", "items": _TEXT},
    "generateName": _TEXT,
    "generation": {"type": "integer", "format": "int64"},
    "labels": _TEXTS,
    "managedFields": _OBJECTS,
    "name": _TEXT,
    "namespace": _TEXT,
    "ownerReferences": _OBJECTS,
    "resourceVersion": _TEXT,
    "selfLink": _TEXT,
    "uid": _TEXT,
}
"""All fields of metav1.ObjectMeta, by their schema; selfLink is no longer set, but still known."""


class Condition(Model):
    """One aspect of the state of an object, as it was observed last."""

    type: Annotated[
        str, Field(max_length=316, pattern=rf"^({_DNS_SUBDOMAIN}/)?({_LABEL_NAME})$")
    ]  # 253 of a DNS name, a slash, 62 of a label
    """The aspect, in CamelCase."""

    status: Literal["True", "False", "Unknown"]
    """Whether the condition holds: True, False or Unknown."""

    observed_generation: Annotated[int, Field(ge=0), Format("int64")] | None = None
    """The metadata.generation that the condition was set upon.  It is out of date where the object
    has a newer one.
    """

    last_transition_time: Annotated[str, Format("date-time")]
    """When the status changed last."""

    reason: Annotated[
        str,
        Field(min_length=1, max_length=1024, pattern=r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$"),
    ]
    """Why the status changed last: one word in CamelCase, for programs."""

    message: Annotated[str, Field(max_length=32768)]
    """Why the status changed last, for people."""
