# SPDX-License-Identifier: Apache-2.0
"""Names of resources, and the paths they have at the API server."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ApiResource:
    """A resource in one version of its group."""

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        """The `apiVersion` of objects."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """Return the path of a collection (all namespaces where none is given) or of an object."""
        prefix = "/apis" if self.group else "/api"
        parts = [prefix, self.api_version]
        if namespace and self.namespaced:
            parts += ["namespaces", namespace]
        parts += [self.plural, name, subresource]
        return "/".join(part for part in parts if part)


CUSTOM_RESOURCE_DEFINITIONS = ApiResource(
    "apiextensions.k8s.io",
    "v1",
    "CustomResourceDefinition",
    "customresourcedefinitions",
    namespaced=False,
)
"""What defines our kinds, and remembers in which versions they are stored."""
