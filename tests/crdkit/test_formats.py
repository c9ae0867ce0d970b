# SPDX-License-Identifier: Apache-2.0
"""Each format, with values that have it and values that don't: the API server says the same."""

import json
import re
from typing import Any

import pytest

from crdkit.validate import formats, value_validation
from envtest import errors, manifests
from envtest.controlplane.provider import Provider

INTEGERS: dict[str, tuple[list[int], list[int]]] = {
    "int32": ([0, 2**31 - 1, -(2**31)], [2**31, -(2**31) - 1]),
    "int64": ([2**31, 2**63 - 1, -(2**63)], [2**63, -(2**63) - 1]),
}

NUMBERS: dict[str, tuple[list[float], list[float]]] = {
    "double": ([0.5, 1e308], []),
    "float": ([0.5, 3.4e38], [3.5e38, -1e39]),
}

UUID = "0b6e5d9c-5b1e-{}e2c-{}f3d-2a6b1c0d4e5f"

TEXTS: dict[str, tuple[list[str], list[str]]] = {
    "bsonobjectid": (["507f1f77bcf86cd799439011"], ["507f1f77bcf86cd79943901", "x" * 24]),
    "byte": (["YQ==", "YWI=", "YWJj", "YWJjYQ=="], ["", "YQ", "YWJj\n", "a-_="]),
    "cidr": (
        ["10.0.0.0/8", "010.0.0.1/08", "fd00::/64", "::ffff:1.2.3.4/120"],
        ["10.0.0.0", "10.0.0.0/33", "10.0/8", "fd00::/129", "10.0.0.0/", "fe80::1%a/64", "x/8"],
    ),
    "creditcard": (["4111 1111 1111 1111"], ["4111111111111112", "411", ""]),
    "date": (
        ["2024-02-29", "0000-02-29", "9999-12-31"],
        ["2023-02-29", "2024-2-29", "2024-13-01", "2024-00-01", "2024-01-00", "20240229", ""],
    ),
    "date-time": (
        [
            "2024-02-29T23:59:59Z",
            "2024-02-29t00:00:00.123456789z",
            "2024-02-29T00:00:00+99:99",
        ],
        [
            "2024-02-29",
            "2024-02-29T24:00:00Z",
            "2024-02-29T00:60:00Z",
            "2024-02-29T00:00:60Z",
            "2024-02-29T00:00:00",
            "2024-02-30T00:00:00Z",
            "2024-02-29 00:00:00Z",
            "",
        ],
    ),
    "duration": (
        [
            "0",
            "1h",
            "-1.5h",
            "1h30m",
            ".5s",
            "1μs",
            "1µs",
            "5 days",
            "2 Weeks",
            "3 hr",
            "1h!",
            "P1D",
        ],
        ["", "1", "h", "PT", "5 years", "x"],
    ),
    "email": (["a@b", "Ann <ann@example.com>", '"a b"@example.com'], ["", "a", "@b", "a@"]),
    "hexcolor": (["#fff", "A0B1C2"], ["#ff", "#ggg", ""]),
    "hostname": (
        ["a", "a.example", "1a.example", "ünicode.example", "a-b.example"],
        ["", "-a", "a_b", "a..example", "a." * 127 + "exampl", f"{'a' * 64}.example"],
    ),
    "ipv4": (
        ["10.0.0.7", "010.000.0.07", "::ffff:10.0.0.7"],
        ["10.0.0", "10.0.0.256", "10.0.0.7/8", "fd00::1", ""],
    ),
    "ipv6": (
        ["fd00::1", "::", "::ffff:10.0.0.7"],
        ["10.0.0.7", "::ffff:010.0.0.7", "fe80::1%eth0", "fd00::g", "00001::", ""],
    ),
    "isbn": (["0321751043", "978-0321751041"], ["0321751044", "978-0321751042", ""]),
    "isbn10": (["0-321-75104-3", "097522980X"], ["978-0321751041", "097522980Y", "0975229801"]),
    "isbn13": (["978 0321751041"], ["0321751043", "9780321751040"]),
    "k8s-long-name": (["a", "a.b-c", "1." * 126 + "a"], ["", "A", "a.", "-a", "1." * 127]),
    "k8s-short-name": (["a", "a-1", "a" * 63], ["", "a.b", "a-", "a" * 64]),
    "mac": (
        ["01:23:45:67:89:aB", "01-23-45-67-89-ab", "0123.4567.89ab", "01:23:45:67:89:ab:cd:ef"],
        ["", "01:23:45:67:89", "01:23-45:67:89:ab", "01:23:45:67:89:ag", "0123.4567"],
    ),
    "password": (["", "any\nthing"], []),
    "rgbcolor": (["rgb(0, 9,255)"], ["rgb(0,0)", "rgb(0,0,256)", "#fff"]),
    "ssn": (["123-45-6789", "123 45 6789"], ["123456789", "123-45-678", ""]),
    "uri": (
        ["https://example.com/a?b=%zz", "/a/b", "urn:a:b", "*", "x:", "/a b"],
        ["", "a/b", ":a", "/%zz", "/a\tb", "1a:b", "a_b:/c", "?a"],
    ),
    "uuid": ([UUID.format(1, 1), UUID.format(1, 1).upper().replace("-", "")], ["", "0b6e5d9c"]),
    "uuid3": ([UUID.format(3, 1)], [UUID.format(4, 1)]),
    "uuid4": ([UUID.format(4, 8)], [UUID.format(4, 7), UUID.format(3, 8)]),
    "uuid5": ([UUID.format(5, "b")], [UUID.format(5, "c"), UUID.format(4, "b")]),
}

KINDS: dict[str, dict[str, tuple[list[Any], list[Any]]]] = {
    "integer": dict(INTEGERS),
    "number": dict(NUMBERS),
    "string": dict(TEXTS),
}

CASES = [
    (kind, name, value, fits)
    for kind, known in KINDS.items()
    for name, (good, bad) in known.items()
    for value, fits in [*((value, True) for value in good), *((value, False) for value in bad)]
]


def schema(kind: str, name: str) -> dict[str, Any]:
    return {"type": kind, "format": name}


def test_every_format_that_is_known_is_tried() -> None:
    assert {kind: frozenset(known) for kind, known in KINDS.items()} == formats.KNOWN


@pytest.mark.parametrize(("kind", "name", "value", "fits"), CASES)
def test_a_value_has_a_format_or_not(kind: str, name: str, value: Any, *, fits: bool) -> None:
    problems = [("", f"{value!r} is no {name}")]

    assert list(value_validation.problems(value, schema(kind, name))) == ([] if fits else problems)


def test_a_format_that_the_api_server_does_not_know_is_not_checked() -> None:
    assert list(value_validation.problems("x", schema("string", "colour"))) == []


def test_the_api_server_refuses_the_same_values(shared_provider: Provider) -> None:
    fields = {
        f"x{number}": {**schema(kind, name), "default": value}
        for number, (kind, name, value, _) in enumerate(CASES)
    }
    crds = shared_provider.admin.resource("apiextensions.k8s.io/v1", "customresourcedefinitions")

    with pytest.raises(errors.RefusedError) as refusal:
        shared_provider.admin.request(
            "POST", crds.path, json.dumps(definition(fields)), query={"dryRun": "All"}
        )

    refused = {int(number) for number in re.findall(r"\[x(\d+)\]\.default", str(refusal.value))}
    assert [CASES[number][:3] for number in sorted(refused)] == [
        case[:3] for case in CASES if not case[3]
    ]


def definition(fields: dict[str, Any]) -> dict[str, Any]:
    """Return a CRD of which each object has some fields."""
    schema = {"type": "object", "properties": fields}
    version = manifests.version("v1", schema)
    return manifests.definition("formats.example.com", "Formatted", version)
