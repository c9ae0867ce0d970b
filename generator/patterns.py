# SPDX-License-Identifier: Apache-2.0
"""Regular expressions as Go reads them: those of RE2, with a bound on what is repeated.

Source: regexp/syntax of Go
"""

import re
from functools import cache

import pydantic_core
from pydantic_core import SchemaValidator, core_schema

_BEYOND_RE2 = re.compile(r"\(\?(=|!|<=|<!)|\\[1-9]")
"""Looking around, and what was matched before: Go's regular expressions have neither."""

_MOST = 1000  # times that a part of a pattern may be repeated, through all levels of it

_PART = re.compile(
    r"\\.|\[\^?\]?(\[:\^?\w+:\]|\\.|[^\]\\])*\]"  # an escaped character, a class
    r"|(?P<opening>\()|(?P<closing>\))"
    r"|\{(?P<least>[0-9]+)(,(?P<most>[0-9]*))?\}"
    r"|(?P<sign>[*+?])|.",
    re.DOTALL,
)


def matches(pattern: str, text: str) -> bool:
    """Tell whether a text has a match for a good pattern."""
    try:
        _matcher(pattern).validate_python(text)
    except pydantic_core.ValidationError:
        return False
    return True


def problem(pattern: str) -> str:
    """Return why Go would not read a pattern; nothing if it does."""
    if beyond := _BEYOND_RE2.search(pattern):
        return f"the pattern {pattern!r} has {beyond[0]!r}, which Go does not know: use a CEL rule"
    try:
        _matcher(pattern)
    except pydantic_core.SchemaError as error:
        reason = str(error).rpartition("error: ")[2]
        return f"the pattern {pattern!r} is no regular expression: {reason}"
    if (times := _repeats(pattern)) > _MOST:
        return (
            f"the pattern {pattern!r} repeats a part {times} times, but Go at most {_MOST} times: "
            "use min_length and max_length, or a CEL rule"
        )
    return ""


@cache
def _matcher(pattern: str) -> SchemaValidator:
    """Return what matches a pattern as Pydantic does: like Go's, its expressions are those of RE2.

    Raises:
        pydantic_core.SchemaError: it is no regular expression.
    """
    return SchemaValidator(core_schema.str_schema(pattern=pattern))


def _repeats(pattern: str) -> int:
    """Return how often the part of a pattern that is repeated most is there, `*` and `+` aside."""
    outer = list[int]()
    most, last = 1, 1  # of the group that the walk is inside of, and of the part just passed
    for part in _PART.finditer(pattern):
        if part["opening"]:
            outer.append(most)
            most = last = 1
        elif part["closing"]:
            last, most = most, max(most, outer.pop())
        elif part["least"]:
            last *= max(1, int(part["least"]), int(part["most"] or 0))
            most = max(most, last)
        elif not part["sign"]:
            last = 1
    return most
