# SPDX-License-Identifier: Apache-2.0
"""The formats of numbers and strings, and their checks, as in the API server.

Caveats:
    `email` and `uri` are parsed by Go's libraries there, and amounts of a `duration` can overflow.
    Here these are held to the outlines, so that nothing is refused that the API server takes.

Source: k8s.io/apiextensions-apiserver v0.37, pkg/apiserver/validation/formats.go;
k8s.io/kube-openapi, pkg/validation/strfmt and pkg/internal/third_party/govalidator
"""

import datetime as dt
import ipaddress
import re
from collections.abc import Callable, Mapping

from . import patterns

_RANGES: Mapping[str, tuple[float, float]] = {
    "int32": (-(2**31), 2**31 - 1),
    "int64": (-(2**63), 2**63 - 1),
    "float": (-3.4028234663852886e38, 3.4028234663852886e38),  # of 32 bits
}

_HOSTNAME = (
    r"^([a-zA-Z0-9\p{S}\p{L}]((-?[a-zA-Z0-9\p{S}\p{L}]{0,62})?)|([a-zA-Z0-9\p{S}\p{L}]"
    r"(([a-zA-Z0-9\-\p{S}\p{L}]{0,61}[a-zA-Z0-9\p{S}\p{L}])?)(\.)){1,}([a-zA-Z\p{L}]){2,63})$"
)
_MAX_HOSTNAME, _MAX_LABEL = 255, 63  # bytes

_TIME = re.compile(r"([0-9]{2}):([0-9]{2}):([0-9]{2})(.[0-9]+)?(z|[+-][0-9]{2}:[0-9]{2})")

_GO_DURATION = re.compile(r"[-+]?(0|(([0-9]++\.?[0-9]*+|\.[0-9]++)(ns|us|µs|μs|ms|s|m|h))+)")
_AMOUNT = re.compile(r"(?<![0-9])[0-9]++\s*+([A-Za-zµ]+)", re.ASCII)
_UNIT = re.compile(
    r"ns|us|µs|ms|[smhdw]|hr|wk|(nano|micro|milli|sec|min|hour|day|week).*", re.IGNORECASE
)
"""The units of amounts that are no durations of Go; of long ones the first letters count."""

_MAC = "|".join(
    f"{part}({mark}{part}){{{count}}}"
    for part, mark, counts in (
        ("[0-9a-f]{2}", "[:]", (5, 7, 19)),
        ("[0-9a-f]{2}", "-", (5, 7, 19)),
        ("[0-9a-f]{4}", "[.]", (2, 3, 9)),
    )
    for count in counts
)

_URI = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*:)?(/?)([^?]*)([?].*)?")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")

_CARD = re.compile(
    r"4[0-9]{12}([0-9]{3})?|5[1-5][0-9]{14}|6(011|5[0-9][0-9])[0-9]{12}|3[47][0-9]{13}"
    r"|3(0[0-5]|[68][0-9])[0-9]{11}|(2131|1800|35[0-9]{3})[0-9]{11}"
)

_UUID = "[0-9a-f]{{8}}-?[0-9a-f]{{4}}-?{}-?{}-?[0-9a-f]{{12}}"
_ANY, _VARIANT = "[0-9a-f]{4}", "[89ab][0-9a-f]{3}"  # a group of a UUID
_CHANNEL = r"\s*(0|[1-9][0-9]?|1[0-9][0-9]?|2[0-4][0-9]|25[0-5])\s*"
_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"


def fits_number(value: float, name: str) -> bool:
    """Return whether a number is in the range of a format."""
    low, high = _RANGES.get(name, (value, value))
    return low <= value <= high


def fits_text(value: str, name: str) -> bool:
    """Return whether a string has a format; an unknown format always fits."""
    return name not in _TEXTS or _TEXTS[name](value)


def _pattern(pattern: str, flags: re.RegexFlag = re.ASCII) -> Callable[[str], bool]:
    compiled = re.compile(pattern, flags)
    return lambda value: compiled.fullmatch(value) is not None


def _is_date(value: str) -> bool:
    found = re.fullmatch(r"([0-9]{4})-([0-9]{2})-([0-9]{2})", value)
    if found is None:
        return False
    year, month, day = map(int, found.groups())
    try:
        dt.date(year or 4, month, day)  # Go has a year 0, a leap year
    except ValueError:
        return False
    return True


def _is_moment(value: str) -> bool:
    day, _, rest = value.lower().partition("t")
    found = _TIME.fullmatch(rest.partition("t")[0])
    return (
        found is not None and _is_date(day) and found[1] <= "23" and max(found[2], found[3]) <= "59"
    )


def _is_duration(value: str) -> bool:
    if _GO_DURATION.fullmatch(value):
        return True
    return any(_UNIT.fullmatch(amount[1]) for amount in _AMOUNT.finditer(value))


def _address(value: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return an address; like the API server, read octets with zeros before them as decimal."""
    try:
        return ipaddress.ip_address(re.sub(r"(?<![0-9A-Fa-f])0+(?=[0-9A-Fa-f])", "", value))
    except ValueError:
        return None


def _is_ipv4(value: str) -> bool:
    return "." in value and "%" not in value and _address(value) is not None


def _is_ipv6(value: str) -> bool:
    """Return whether it is an address, with no zeros before an octet at the end."""
    try:
        ipaddress.IPv6Address(value)
    except ValueError:
        return False
    return "%" not in value


def _is_cidr(value: str) -> bool:
    text, _, bits = value.partition("/")
    address = None if "%" in text else _address(text)
    if address is None or not re.fullmatch("[0-9]+", bits):
        return False
    return int(bits) <= address.max_prefixlen


def _is_hostname(value: str) -> bool:
    size = len(value.encode())
    labels = (len(label.encode()) for label in value.split("."))
    return (
        patterns.matches(_HOSTNAME, value) and size <= _MAX_HOSTNAME and max(labels) <= _MAX_LABEL
    )


def _is_uri(value: str) -> bool:
    """Return whether it may be an absolute URI or an absolute path."""
    found = _URI.fullmatch(value)
    if found is None or re.search(r"[\x00-\x1f\x7f]", value):
        return False
    scheme, slash, path = found[1], found[2], found[3]
    if not slash:
        return bool(scheme) or value == "*"
    return not _BAD_ESCAPE.search(path)


def _is_card(value: str) -> bool:
    digits = re.sub("[^0-9]+", "", value)
    doubled = (sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2])
    total = sum(map(int, digits[::-2])) + sum(doubled)
    return _CARD.fullmatch(digits) is not None and total % 10 == 0


def _is_isbn10(value: str) -> bool:
    digits = re.sub(r"[\s-]+", "", value)
    if not re.fullmatch("[0-9]{9}[0-9X]", digits):
        return False
    numbers = [10 if digit == "X" else int(digit) for digit in digits]
    return sum(place * number for place, number in enumerate(numbers, 1)) % 11 == 0


def _is_isbn13(value: str) -> bool:
    digits = re.sub(r"[\s-]+", "", value)
    if not re.fullmatch("[0-9]{13}", digits):
        return False
    return (sum(map(int, digits[::2])) + 3 * sum(map(int, digits[1::2]))) % 10 == 0


def _is_isbn(value: str) -> bool:
    return _is_isbn10(value) or _is_isbn13(value)


_TEXTS: Mapping[str, Callable[[str], bool]] = {
    "bsonobjectid": _pattern("[0-9a-fA-F]{24}"),
    "byte": _pattern(r"([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}(==|[A-Za-z0-9+/][A-Za-z0-9+/=]))"),
    "cidr": _is_cidr,
    "creditcard": _is_card,
    "date": _is_date,
    "date-time": _is_moment,
    "duration": _is_duration,
    "email": _pattern(r".*\S\s*@\s*\S.*", re.DOTALL),
    "hexcolor": _pattern("#?([0-9a-fA-F]{3}|[0-9a-fA-F]{6})"),
    "hostname": _is_hostname,
    "ipv4": _is_ipv4,
    "ipv6": _is_ipv6,
    "isbn": _is_isbn,
    "isbn10": _is_isbn10,
    "isbn13": _is_isbn13,
    "k8s-long-name": _pattern(rf"(?=.{{1,253}}$){_LABEL}(\.{_LABEL})*"),
    "k8s-short-name": _pattern(rf"(?=.{{1,63}}$){_LABEL}"),
    "mac": _pattern(_MAC, re.IGNORECASE | re.ASCII),
    "password": _pattern(".*", re.DOTALL),
    "rgbcolor": _pattern(rf"rgb\({_CHANNEL},{_CHANNEL},{_CHANNEL}\)"),
    "ssn": _pattern("[0-9]{3}[- ][0-9]{2}[- ][0-9]{4}"),
    "uri": _is_uri,
    "uuid": _pattern(_UUID.format(_ANY, _ANY), re.IGNORECASE),
    "uuid3": _pattern(_UUID.format("3[0-9a-f]{3}", _ANY), re.IGNORECASE),
    "uuid4": _pattern(_UUID.format("4[0-9a-f]{3}", _VARIANT), re.IGNORECASE),
    "uuid5": _pattern(_UUID.format("5[0-9a-f]{3}", _VARIANT), re.IGNORECASE),
}
"""The check of each format of a string."""

KNOWN: Mapping[str, frozenset[str]] = {
    "string": frozenset(_TEXTS),
    "integer": frozenset({"int32", "int64"}),
    "number": frozenset({"double", "float"}),
}
"""The formats of each type that the API server knows; of others it warns, and checks nothing."""

_CIDR = 'a str with Format("cidr")'
INSTEAD: Mapping[str, str] = {
    "base64": 'a str with Format("byte")',
    "base64url": "a str with a pattern",
    "directory-path": "a str",
    "file-path": "a str",
    "ipv4interface": _CIDR,
    "ipv4network": _CIDR,
    "ipv6interface": _CIDR,
    "ipv6network": _CIDR,
    "ipvanyaddress": "IPv4Address | IPv6Address",
    "ipvanyinterface": _CIDR,
    "ipvanynetwork": _CIDR,
    "multi-host-uri": 'a str with Format("uri")',
    "name-email": 'a str with Format("email")',
    "path": "a str",
    "regex": "a str",
    "time": "a str with a pattern, or values.Timestamp for a moment",
    "uuid1": "UUID",
    "uuid6": "UUID",
    "uuid7": "UUID",
    "uuid8": "UUID",
}
"""What to write instead of a type of Python whose format the API server does not know."""
