# SPDX-License-Identifier: Apache-2.0
"""The states of addresses on a map: those of a pool, and those that a change makes."""

from .. import maps

GAINED, LOST, STRANDED = "gained", "lost", "stranded"
"""Free and new in the pool; not in the pool any more; in use, and not in the pool any more."""

CHANGES = (STRANDED, LOST, GAINED)

OF_HOLDERS = frozenset({"used", "held", "outside", STRANDED})
"""States of which each number has a holder of its own."""

SYMBOLS = maps.SYMBOLS | {STRANDED: ("S", ""), LOST: ("-", ""), GAINED: ("+", "")}
"""A letter or pattern for each state."""
