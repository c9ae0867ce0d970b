# SPDX-License-Identifier: Apache-2.0
"""The addresses that a pool may hand out, and what is wrong with the spec that they come from."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from .notation import BITS, Address, Network
from .ranges import Range, RangeSet
from .texts import quoted


@dataclass(frozen=True, slots=True)
class FieldError:
    """An error or a warning about a field; `path` is below the spec, such as `addresses[3]`."""

    path: str
    value: object
    text: str

    def __str__(self) -> str:
        return f"spec.{self.path}: {quoted(self.value)}: {self.text}"


@dataclass(frozen=True, slots=True)
class AddressSet:
    """The addresses of a pool, in blocks: a claim gets one block.

    Guarantees:
        A spec with `errors` gives an empty set.  `warnings` remove no address.

    `block_size` is the number of addresses in a block: 1, or the size of a sub-prefix.
    `indexes` has the index of each block: its first address divided by `block_size`.
    `why_empty` says why a set without errors is empty, and how to change that.
    """

    family: int = 0
    block_size: int = 1
    indexes: RangeSet = field(default_factory=RangeSet)
    errors: tuple[FieldError, ...] = ()
    warnings: tuple[FieldError, ...] = ()
    why_empty: str = ""

    @property
    def total(self) -> int:
        """The exact number of blocks; an IPv6 pool can have 2**64."""
        return self.indexes.size

    @property
    def ranges(self) -> Sequence[Range]:
        """The ranges of its addresses, sorted and apart."""
        size = self.block_size
        if size == 1:
            return self.indexes.ranges
        return [(low * size, high * size + size - 1) for low, high in self.indexes.ranges]

    def index_of(self, address: Address) -> int | None:
        """Return the index of the block that starts at an address; None if the set has none."""
        index, rest = divmod(address.value, self.block_size)
        if address.family != self.family or rest or index not in self.indexes:
            return None
        return index

    def has_block(self, network: Network) -> bool:
        """Whether a network is a block of the set, with the same address and size."""
        size = 1 << (BITS[network.family] - network.length)
        address = Address(network.family, network.value)
        return size == self.block_size and self.index_of(address) is not None

    def overlapping(self, network: Network) -> Range | None:
        """Return the indexes of the blocks that a network overlaps, in the set or not."""
        if network.family != self.family:
            return None
        return network.first // self.block_size, network.last // self.block_size

    def address_at(self, index: int) -> Address:
        """Return the first address of a block."""
        return Address(self.family, index * self.block_size)
