# SPDX-License-Identifier: Apache-2.0
"""Whether the API server takes the names and texts of a kind.

Source: k8s.io/apiextensions-apiserver v0.37, pkg/apis/apiextensions/validation/validation.go
"""

import re
from collections.abc import Iterable, Iterator

from api import markers, resources

from .errors import NamesError

_LABEL = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
"""A name in DNS (RFC 1035): at most 63 characters."""

_DOMAIN = re.compile(
    r"(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)+"
)
"""A group: a domain with a dot in it, at most 253 characters."""

_MAX_WARNING = 256  # bytes of a deprecation's text

_NO_LABEL = "is no DNS label: lower-case letters, digits and dashes, a letter first, at most 63"


def check(resource: resources.Resource, versions: Iterable[markers.Version]) -> None:
    """Look at the names of a kind and of its versions.

    Raises:
        NamesError: the API server would not take one of them.
    """
    if not _DOMAIN.fullmatch(resource.group):
        raise NamesError(resource.kind, "group", resource.group, "is no domain with a dot in it")
    for what, name in _labels(resource, versions):
        if not _LABEL.fullmatch(name):
            raise NamesError(resource.kind, what, name, _NO_LABEL)
    for version in versions:
        _check_warning(resource.kind, version)


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
