# SPDX-License-Identifier: Apache-2.0
"""Whether the API server takes the names and texts of a kind.

Source: k8s.io/apiextensions-apiserver v0.37, pkg/apis/apiextensions/validation/validation.go
"""

import re
from collections.abc import Iterable, Iterator

from ..errors import NamesError
from ..models import markers, resources

_LABEL = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
"""A name in DNS (RFC 1035): at most 63 characters."""

_DOMAIN = re.compile(
    r"(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)+"
)
"""A group: a domain with a dot in it, at most 253 characters."""

_QUALIFIED = re.compile(
    r"((?=[^/]{1,253}/)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?"
    r"(?=[^/]{1,63}$)[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?"
)
"""A key of a label: a name of at most 63 characters, maybe after a domain and a slash."""

_LABEL_VALUE = re.compile(r"(?=.{0,63}$)([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?")

_APPROVED = "api-approved.kubernetes.io"
"""Annotation that says where an API of Kubernetes itself was approved.

Source: https://github.com/kubernetes/enhancements/pull/1111
"""

_MAX_WARNING = 256  # bytes of a deprecation's text

_NO_LABEL = "is no DNS label: lower-case letters, digits and dashes, a letter first, at most 63"

_NO_VALUE = "is none: letters, digits, dashes, dots and underscores, at most 63"
_NO_KEY = f"{_NO_VALUE}, and a domain with a slash before them if any"


def check(resource: resources.Resource, versions: Iterable[markers.Version]) -> None:
    """Look at the names of a kind and of its versions.

    Raises:
        NamesError: the API server would not take one of them.
    """
    if not _DOMAIN.fullmatch(resource.group):
        raise NamesError(resource.kind, "group", resource.group, "is no domain with a dot in it")
    if resource.group.endswith((".k8s.io", ".kubernetes.io")) and not _is_approved(resource):
        raise NamesError(
            resource.kind,
            "group",
            resource.group,
            "belongs to Kubernetes: choose a domain of yours, or say in the annotation "
            f"{_APPROVED} by a URL that it was approved, or `unapproved`",
        )
    _check_metadata(resource)
    for what, name in _labels(resource, versions):
        if not _LABEL.fullmatch(name):
            raise NamesError(resource.kind, what, name, _NO_LABEL)
    for version in versions:
        _check_warning(resource.kind, version)


def _is_approved(resource: resources.Resource) -> bool:
    text = resource.annotations.get(_APPROVED, "")
    return text.startswith("unapproved") or re.match(r"\w+://[^/]", text) is not None


def _check_metadata(resource: resources.Resource) -> None:
    """Look at the labels and annotations of the CustomResourceDefinition itself."""
    keys = [("label key", key) for key in resource.labels]
    keys += [("annotation key", key) for key in resource.annotations]
    for what, key in keys:
        if not _QUALIFIED.fullmatch(key if what == "label key" else key.lower()):
            raise NamesError(resource.kind, what, key, _NO_KEY)
    for key, value in resource.labels.items():
        if not _LABEL_VALUE.fullmatch(value):
            raise NamesError(resource.kind, f"value of label {key}", value, _NO_VALUE)


def _labels(
    resource: resources.Resource, versions: Iterable[markers.Version]
) -> Iterator[tuple[str, str]]:
    yield "kind in lower case", resource.kind.lower()
    yield "plural", resource.plural
    yield from (("short name", name) for name in resource.short_names)
    yield from (("category", name) for name in resource.categories)
    yield from (("version", version.name) for version in versions)


def _check_warning(kind: str, version: markers.Version) -> None:
    text = version.deprecated
    if isinstance(text, bool):
        return
    if not text.isprintable():
        raise NamesError(kind, "deprecation warning", text, "has characters that can't be printed")
    if len(text.encode()) > _MAX_WARNING:
        raise NamesError(kind, "deprecation warning", text, f"is longer than {_MAX_WARNING} bytes")
