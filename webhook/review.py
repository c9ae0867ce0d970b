# SPDX-License-Identifier: Apache-2.0
"""One write of a pool: what it was and what it becomes, and what follows from both."""

from dataclasses import dataclass

from ipam.address_sets import AddressSet, FieldError
from objects import pools
from objects.metadata import MOVED_ANNOTATION

from .pool import Pool, lost

SKIP_DELETE_ANNOTATION = "ipam.cluster.x-k8s.io/skip-validate-delete-webhook"

_LENGTH = "allocationPrefixLength"


@dataclass(frozen=True)
class PoolReview:
    """A write under review.  `version` is the one that the client wrote, `manager` its name.

    Guarantees:
        Each conversion and each offer is worked out once.
    """

    operation: str
    version: str
    new: Pool | None
    old: Pool | None
    manager: str = ""

    @property
    def pool(self) -> Pool:
        """The object that is written or deleted."""
        pool = self.new or self.old
        return pool if pool is not None else Pool({})

    @property
    def may_delete_in_use(self) -> bool:
        """Whether the object is marked as one that may go though its addresses are in use."""
        return bool(self.pool.annotations.keys() & {SKIP_DELETE_ANNOTATION, MOVED_ANNOTATION})

    @property
    def harmless(self) -> bool:
        """Whether it concerns no spec, or an object that is going away."""
        if self.new is None or self.old is None:
            return False
        if self.new.deleting:
            return True
        # What a v1alpha1 client wrote may leave no trace in the hub's spec, such as half a range.
        return self.new.obj.get("spec") == self.old.obj.get("spec") and (
            self.version == pools.HUB
            or self.new.written(self.version) == self.old.written(self.version)
        )

    @property
    def errors(self) -> list[FieldError]:
        """What is wrong with the new object, whatever is in use."""
        if self.new is None:
            return []
        return self.new.errors(self.version, self.old) + self._moved_length()

    @property
    def lost(self) -> AddressSet | None:
        """The allocations that the update takes out of the offer; None: none at all."""
        if self.new is None or self.old is None:
            return None
        return lost(self.old.offered, self.new.offered)

    @property
    def newly_offered(self) -> AddressSet | None:
        """What the new object offers, unless the old one offered just that."""
        if self.new is None or not self.new.offered.indexes:
            return None
        if self.old is not None and self.old.offered.indexes == self.new.offered.indexes:
            return None
        return self.new.offered

    def _moved_length(self) -> list[FieldError]:
        """Refuse another length of sub-prefixes: those handed out have the old one."""
        if self.new is None or self.old is None or self.pool.key.kind not in pools.PREFIX_KINDS:
            return []
        new = self.new.spec.get(_LENGTH, pools.DEFAULT_PREFIX_LENGTH)
        if new == self.old.spec.get(_LENGTH, pools.DEFAULT_PREFIX_LENGTH):
            return []
        return [FieldError(_LENGTH, new, "is immutable")]
