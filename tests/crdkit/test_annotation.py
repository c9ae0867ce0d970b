# SPDX-License-Identifier: Apache-2.0
import base64
import json
import zlib

import pytest

from crdkit.conversion import annotation


def kept_in(text: object) -> object:
    return annotation.read({"metadata": {"annotations": {annotation.NAME: text}}})


def packed(plain: bytes) -> str:
    return json.dumps({"zlib": base64.b64encode(zlib.compress(plain)).decode()})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        '{"spec":',
        '{"a":' * 100_000,
        "9" * 5000,
        5,
        None,
        {"spec": {}},
        '{"zlib":"?"}',
        '{"zlib":"AAAA"}',
        packed(b"[]"),
        packed(b"\xff"),
        packed(b'{"spec":{"x":"' + b"a" * 4_000_000 + b'"}}'),
        packed(b'{"spec":{}}')[:-9] + '"}',
        '{"spec":{"addresses":["\\ud800"]}}',
        packed(b'{"spec":{"addresses":["\\ud800"]}}'),
        '{"spec":{"prefix":NaN}}',
        '{"spec":{"prefix":1e400}}',
    ],
    ids=range(19),
)
def test_a_hostile_annotation_counts_as_absent(text: object) -> None:
    assert kept_in(text) == {}


def test_what_is_packed_is_not_unpacked_twice() -> None:
    inner = packed(b'{"spec":{}}')

    assert kept_in(packed(inner.encode())) == json.loads(inner)


def test_equal_content_gives_equal_text() -> None:
    one = annotation.write({}, {"spec": {"a": 1, "b": 2}})
    two = annotation.write({}, {"spec": {"b": 2, "a": 1}})

    assert one == two == {"annotations": {annotation.NAME: '{"spec":{"a":1,"b":2}}'}}


def test_an_annotation_that_is_not_needed_goes_and_others_stay() -> None:
    obj: dict[str, object] = {"metadata": {"annotations": {"x": "y", annotation.NAME: "{}"}}}

    assert annotation.write(obj, {}) == {"annotations": {"x": "y"}}
