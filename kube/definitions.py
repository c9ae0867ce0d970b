# SPDX-License-Identifier: Apache-2.0
"""CustomResourceDefinitions: in which versions a kind is served and stored, and what converts it.

`status.storedVersions` lists the versions in which etcd may still hold objects.  The API server
refuses to take a version of that list out of `spec.versions`.
Source: https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/
custom-resource-definition-versioning/#upgrade-existing-objects-to-a-new-stored-version
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .client import decode
from .conditions import Condition
from .meta import Object
from .resources import CUSTOM_RESOURCE_DEFINITIONS
from .structs import Struct, prepared
from .webhooks import Webhook

if TYPE_CHECKING:
    from .client import Api

MIGRATING = "StorageMigrating"
"""The condition in which Kubernetes reports a StorageVersionMigration of the kind."""

_FAILED = "MigrationFailed"


class Version(Struct, frozen=True):
    """One version of a definition."""

    name: str = ""
    served: bool = False
    storage: bool = False
    deprecated: bool = False


class _Conversion(Struct, frozen=True):
    webhook: Webhook | None = None


class _Spec(Struct, frozen=True):
    versions: tuple[Version, ...] = ()
    conversion: _Conversion = _Conversion()


class _Status(Struct, frozen=True):
    stored_versions: tuple[str, ...] = ()
    conditions: tuple[Condition, ...] | None = None  # null in a new status


_NO_SPEC, _NO_STATUS = _Spec(), _Status()


@prepared
class Definition(Object, frozen=True):
    """The fields of a CustomResourceDefinition that are used here."""

    spec: _Spec = _NO_SPEC
    status: _Status = _NO_STATUS

    @property
    def storage(self) -> str:
        """The version that is stored now."""
        return next((version.name for version in self.spec.versions if version.storage), "")

    @property
    def webhook(self) -> Webhook | None:
        """The conversion webhook."""
        return self.spec.conversion.webhook

    @property
    def served(self) -> frozenset[str]:
        """The versions that clients can use."""
        return frozenset(version.name for version in self.spec.versions if version.served)

    @property
    def old(self) -> tuple[str, ...]:
        """The versions in which objects may still be stored, except the storage version."""
        return tuple(name for name in self.status.stored_versions if name != self.storage)

    @property
    def identity(self) -> tuple[str, int, _Spec]:
        """A value that changes when somebody replaces the definition or its spec."""
        return self.metadata.uid, self.metadata.generation, self.spec

    @property
    def failed(self) -> bool:
        """Whether the last StorageVersionMigration failed and that is not repaired yet."""
        return any((each.type, each.reason) == (MIGRATING, _FAILED) for each in self.conditions)

    @property
    def stored_in_one_version(self) -> bool:
        """Whether all objects are stored in the storage version."""
        return not self.old and not self.failed

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """The conditions in its status."""
        return self.status.conditions or ()


async def read(api: Api, name: str) -> Definition:
    """Read the definition of a kind.

    Raises:
        NotFoundError: the kind is not installed.
        KubeError: the API server refused, or could not be reached.
    """
    answer = await api.get(CUSTOM_RESOURCE_DEFINITIONS, "", name)
    return decode(answer, Definition, f"GET CRD {name}")
