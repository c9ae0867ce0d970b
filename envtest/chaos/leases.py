# SPDX-License-Identifier: Apache-2.0
"""What people and backups do to the lease of the managers, and none of these may do."""

from ..client import Client, Json
from ..controlplane.provider import LEASE, NAMESPACE
from ..errors import RefusedError

_LONG_AGO = "2026-01-01T00:00:00.000000Z"


class Leases:
    """The lease, as an administrator reaches it.

    Raises (every method):
        RefusedError: there is none now, or it changed meanwhile.
    """

    def __init__(self, admin: Client) -> None:
        self._leases = admin.resource("coordination.k8s.io/v1", "leases", NAMESPACE)

    def delete(self) -> None:
        """Delete it."""
        self._leases.delete(LEASE)

    def edit(self, **spec: object) -> None:
        """Change some fields of its spec."""
        self._leases.merge(LEASE, {"spec": spec})

    def read(self) -> Json | None:
        """Return it, if there is one."""
        return self._leases.find(LEASE)

    def put_back(self, backup: Json) -> None:
        """Write an older version of it, over the present one or anew."""
        metadata = {"name": LEASE, "namespace": NAMESPACE}
        body = {key: backup[key] for key in ("apiVersion", "kind", "spec")} | {"metadata": metadata}
        try:
            self._leases.replace(body)
        except RefusedError as error:
            if error.reason != "NotFound":
                raise
            self._leases.create(body)


def deleted(leases: Leases) -> None:
    """Delete it."""
    leases.delete()


def given_away(leases: Leases) -> None:
    """Name a holder that does not exist."""
    leases.edit(holderIdentity="somebody")


def emptied(leases: Leases) -> None:
    """Name no holder."""
    leases.edit(holderIdentity="")


def put_back(leases: Leases) -> None:
    """Write what it was after another leader had released it."""
    spec = {"holderIdentity": "", "leaseDurationSeconds": 1, "leaseTransitions": 1}
    leases.edit(**spec, acquireTime=_LONG_AGO, renewTime=_LONG_AGO)


CHANGES = (deleted, given_away, emptied, put_back)
