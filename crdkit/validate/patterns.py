# SPDX-License-Identifier: Apache-2.0
r"""Regular expressions as the API server reads them: by Go's `regexp`, which has RE2's syntax.

RE2 itself judges and matches them here.  What Go refuses besides is looked for, too.

Caveats:
    Go refuses an expression that is nested 1000 levels deep, which is not looked for.  Categories
    are those that every Go knows: `\p{Letter}`, which Go takes since 1.25, is refused.

Source: regexp/syntax of Go; https://github.com/google/re2/wiki/Syntax
"""

import re
from collections.abc import Callable
from functools import cache

import re2

_MEMORY = 1 << 30
"""Bytes that a compiled expression may take.  With its own limit, 8 MiB, RE2 refuses what Go takes,
such as `\\pL{1000}`.
"""

_PART = re.compile(
    r"\\Q.*?(\\E|$)"  # a text in which nothing has a meaning
    r"|\\[pP]\{\^?(?P<script>[^}]*)\}"
    r"|(?P<escape>\\.)"
    r"|\[\^?\]?(\[:\^?\w+:\]|\\.|[^\]\\])*\]"
    r"|\(\?P?<(?P<name>[^>]*)>",
    re.DOTALL,
)

_GROUPS = "use a CEL rule, which can combine several patterns"
_ADVICE = {
    "bad repetition operator": "put what is repeated into a group: (?:a*)*",
    "invalid character class range": "name a script or a category such as \\p{Greek} or \\pL",
    "invalid escape sequence": "it has no back-references, and only punctuation is escaped",
    "invalid perl operator": f"it has no look-around and no comments: {_GROUPS}",
    "invalid repetition size": (
        "a part is repeated at most 1000 times, through all levels: use min_length and max_length, "
        "or a CEL rule"
    ),
}
"""What to do about errors of RE2."""


def matches(pattern: str, text: str) -> bool:
    """Return whether a text has a match for a good pattern."""
    return _search(pattern)(text) is not None


def problem(pattern: str) -> str:
    """Return why the API server would not read a pattern; nothing if it does."""
    reason = _beyond_re2(pattern) or _unlike_go(pattern)
    return f"the API server can't read the pattern {pattern!r}: {reason}" if reason else ""


def _beyond_re2(pattern: str) -> str:
    """Return why RE2 does not read a pattern, and what to do."""
    try:
        _search(pattern)
    except UnicodeEncodeError:
        return "it has half of a surrogate pair: write the whole character"
    except re2.error as error:
        reason = error.args[0].decode()
        advice = _ADVICE.get(reason.partition(": ")[0])
        return f"{reason} ({advice})" if advice else reason
    return ""


def _unlike_go(pattern: str) -> str:
    """Return what RE2 takes and Go does not."""
    for part in _PART.finditer(pattern):
        if part["escape"] == r"\C":
            return r"\C matches half a character: write (?s:.)"
        if "_" in (part["script"] or ""):
            return f"{part[0]} is a script with an underscore: write the ranges of its characters"
        if not (part["name"] or "").isascii():
            return f"the group {part['name']!r} is not named in ASCII: rename it"
    return ""


@cache
def _search(pattern: str) -> Callable[[str], object]:
    """Return what searches a text for a pattern, None for no match.

    Raises:
        re2.error: it does not.
        UnicodeEncodeError: the pattern is no text.
    """
    options = re2.Options()
    options.log_errors = False  # on stderr
    options.max_mem = _MEMORY
    return re2.compile(pattern, options).search
