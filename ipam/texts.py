# SPDX-License-Identifier: Apache-2.0
"""Values and counts in messages for people."""

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


def _plural(noun: str) -> str:
    if noun.endswith(("s", "x", "ch", "sh")):
        return f"{noun}es"
    if noun.endswith("y") and noun[-2:-1] not in set("aeiou"):
        return f"{noun[:-1]}ies"
    return f"{noun}s"
