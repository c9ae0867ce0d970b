# SPDX-License-Identifier: Apache-2.0
"""The value of an unquoted YAML scalar in kubectl, and the strings that need quotes.

kubectl reads YAML by sigs.k8s.io/yaml, and that by go-yaml v2: YAML 1.1 without base 60 and without
`=`, but with `0o17` of YAML 1.2; a timestamp stays a string.
"""

import math
import re
from collections.abc import Mapping

import yaml

Scalar = str | int | float | None  # a bool is an int

_WORDS: Mapping[str, bool | float | None] = {
    "y Y yes Yes YES true True TRUE on On ON": True,
    "n N no No NO false False FALSE off Off OFF": False,
    "~ null Null NULL": None,
    ".nan .NaN .NAN": math.nan,
    ".inf .Inf .INF +.inf +.Inf +.INF": math.inf,
    "-.inf -.Inf -.INF": -math.inf,
}
_NAMED: Mapping[str, bool | float | None] = {
    "": None,
    **{word: value for words, value in _WORDS.items() for word in words.split()},
}

_INTEGERS: Mapping[int, re.Pattern[str]] = {
    16: re.compile(r"[-+]?0[xX][0-9a-fA-F]+"),
    8: re.compile(r"[-+]?0[oO]?[0-7]+"),
    2: re.compile(r"[-+]?0[bB][01]+|0b[-+][01]+"),  # Go itself reads 0b-1
    10: re.compile(r"[-+]?(?:0|[1-9][0-9]*)"),
}
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_ODD_UNDERSCORE = re.compile(r"(?<![0-9])_|_(?![0-9])")  # not between digits
_NUMBER_BEGINS = frozenset("+-.0123456789")

_LEAST, _MOST = -(2**63), 2**64 - 1
"""What Go has integer types for; beyond that, a number is a float."""
_LONGEST = 100  # characters of an integer: 64 bits in base 2, and some leading zeros

_INTEGRAL_BELOW = 1e21
"""From here on Go writes floats with an exponent, so that they are no integers any more."""

_OF_YAML_1_2 = re.compile(
    r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+|[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
)
"""Numbers of the core schema of YAML 1.2; its words are all among go-yaml's."""

_BREAKS = frozenset("\x85\u2028\u2029\ufeff")
"""What YAML 1.1 takes for line breaks or a byte order mark, and YAML 1.2 for letters."""


def resolve(text: str) -> Scalar:
    """Return the value of an unquoted scalar.

    Guarantees:
        Total.  NaN and the infinities are returned as such, although JSON has no numbers for them.
    """
    if text in _NAMED:
        return _NAMED[text]
    if text[0] not in _NUMBER_BEGINS:
        return text
    if text[0] == "." and _ODD_UNDERSCORE.search(text):
        return text
    plain = text.replace("_", "")
    integer = _integer(plain)
    if integer is not None:
        return integer
    if _FLOAT.fullmatch(plain) and math.isfinite(float(plain)):
        return settled(float(plain))
    return text


def settled(number: float) -> float:
    """Return an integer for an integral number: Go writes 24.0 as 24 to the API server."""
    return int(number) if number.is_integer() and abs(number) < _INTEGRAL_BELOW else number


def needs_quotes(text: str) -> bool:
    """Whether any YAML reader would read the unquoted text as another value."""
    if not text.isprintable() or not _BREAKS.isdisjoint(text):
        return True
    return (
        not isinstance(resolve(text), str)
        or _OF_YAML_1_2.fullmatch(text) is not None
        or _is_other_in_yaml_1_1(text)
    )


def _integer(plain: str) -> int | None:
    """Return the value of an integer that Go has a type for."""
    for base, pattern in _INTEGERS.items():
        if len(plain) <= _LONGEST and pattern.fullmatch(plain):
            value = int(plain.replace("0b-", "-0b").replace("0b+", "0b"), base)
            return value if _LEAST <= value <= _MOST else None
    return None


def _is_other_in_yaml_1_1(text: str) -> bool:
    """Whether PyYAML, with the rules of YAML 1.1, reads it as another value."""
    rules: list[tuple[str, re.Pattern[str]]]
    rules = yaml.SafeLoader.yaml_implicit_resolvers.get(text[:1], [])
    return any(pattern.match(text) for _, pattern in rules)
