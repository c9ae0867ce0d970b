# SPDX-License-Identifier: Apache-2.0
"""Values and counts in messages for people."""

from collections.abc import Iterable, Sequence
from itertools import islice

_QUOTED_CHARACTERS = 100  # enough to recognise a value, short enough for one line


def quoted(value: object) -> str:
    """Return an invalid value as an error message shows it."""
    text = repr(value)
    return text if len(text) <= _QUOTED_CHARACTERS else text[:_QUOTED_CHARACTERS] + "…"


def counted(count: int, one: str, many: str = "") -> str:
    """Return a count with its noun, such as `1 address` or `3 addresses`.

    Args:
        count: How many there are.
        one: The noun in the singular.
        many: The plural; by default `one` with the regular ending.
    """
    return f"{count} {one if count == 1 else many or _plural(one)}"


def first_of(texts: Sequence[str], most: int) -> str:
    """Return the first few texts, and how many more there are: `a, b and 3 more`."""
    more = len(texts) - most
    return ", ".join(texts[:most]) + (f" and {more} more" if more > 0 else "")


def shortened(lines: Iterable[str], total: int, most: int) -> list[str]:
    """Return the first lines of `total`, and then, if there are more: `... and 3 more`."""
    shown = list(islice(lines, most))
    return [*shown, f"... and {total - most} more"] if total > most else shown


def _plural(noun: str) -> str:
    if noun.endswith(("s", "x", "ch", "sh")):
        return f"{noun}es"
    if noun.endswith("y") and noun[-2:-1] not in set("aeiou"):
        return f"{noun[:-1]}ies"
    return f"{noun}s"
