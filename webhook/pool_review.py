# SPDX-License-Identifier: Apache-2.0
"""One write of a pool: the stored object, the new object, and their differences."""

from dataclasses import dataclass

from ipam.address_sets import AddressSet, FieldError
from objects import pools
from objects.metadata import MOVED_ANNOTATION

from .reviewed_pool import ReviewedPool, removed

SKIP_DELETE_ANNOTATION = "ipam.cluster.x-k8s.io/skip-validate-delete-webhook"

_LENGTH = "allocationPrefixLength"


@dataclass(frozen=True)
class PoolReview:
    """A write under review.  The client, named `manager`, writes in `version`.

    Guarantees:
        Each conversion and each address set is computed once.
    """

    operation: str
    version: str
    new: ReviewedPool | None
    old: ReviewedPool | None
    manager: str = ""

    @property
    def pool(self) -> ReviewedPool:
        """The object that is written or deleted."""
        pool = self.new or self.old
        return pool if pool is not None else ReviewedPool({})

    @property
    def may_delete_in_use(self) -> bool:
        """Whether an annotation allows the deletion although addresses are in use."""
        return bool(self.pool.annotations.keys() & {SKIP_DELETE_ANNOTATION, MOVED_ANNOTATION})

    @property
    def harmless(self) -> bool:
        """Whether the write changes no spec, or concerns an object that is being deleted."""
        if self.new is None or self.old is None:
            return False
        if self.new.deleting:
            return True
        # A field of v1alpha1 may have no effect on the hub's spec, such as half a range.
        return self.new.obj.get("spec") == self.old.obj.get("spec") and (
            self.version == pools.HUB
            or self.new.spec_in(self.version) == self.old.spec_in(self.version)
        )

    @property
    def errors(self) -> list[FieldError]:
        """The errors of the new object that do not depend on addresses in use."""
        if self.new is None:
            return []
        return self.new.errors(self.version, self.old) + self._length_errors()

    @property
    def removed(self) -> AddressSet | None:
        """The blocks that the update removes from the pool; None if it removes none."""
        if self.new is None or self.old is None:
            return None
        return removed(self.old.address_set, self.new.address_set)

    @property
    def new_addresses(self) -> AddressSet | None:
        """The addresses of the new object; None if it has none, or the same as the old one."""
        if self.new is None or not self.new.address_set.indexes:
            return None
        if self.old is not None and self.old.address_set.indexes == self.new.address_set.indexes:
            return None
        return self.new.address_set

    def _length_errors(self) -> list[FieldError]:
        """Return an error if the length of sub-prefixes changes."""
        if self.new is None or self.old is None or self.pool.key.kind not in pools.PREFIX_KINDS:
            return []
        new = self.new.spec.get(_LENGTH, pools.DEFAULT_PREFIX_LENGTH)
        if new == self.old.spec.get(_LENGTH, pools.DEFAULT_PREFIX_LENGTH):
            return []
        return [FieldError(_LENGTH, new, "is immutable")]
