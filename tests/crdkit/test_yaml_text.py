# SPDX-License-Identifier: Apache-2.0
"""YAML for people: it reads well, and it says what it was told."""

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from crdkit.render import yaml_text

texts = st.text(st.characters(codec="utf-8"))
values = st.recursive(
    st.none() | st.booleans() | st.integers() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


@given(values)
@example({"long": "word " * 40})
@example({"lines": " first\nsecond\n\n"})
@example({"a": "yes", "b": "1", "c": "", "d": "#"})
def test_what_is_read_is_what_was_written(value: object) -> None:
    assert yaml.safe_load(yaml_text.dump({"key": value})) == {"key": value}


@given(values, st.integers(0, 8))
def test_a_value_can_stand_inside_a_document(value: object, indent: int) -> None:
    document = f"{' ' * indent}{yaml_text.dump({'key': value}, indent)}\n"

    assert yaml.safe_load(document) == {"key": value}


def test_keys_keep_their_order_and_long_texts_are_blocks() -> None:
    same = ["x"]
    value = {"b": same, "a": same, "lines": "one\ntwo", "long": f"{'w ' * 49}w end"}

    assert yaml_text.dump(value).splitlines() == [
        "b:",
        "- x",
        "a:",
        "- x",
        "lines: |-",
        "  one",
        "  two",
        "long: >-",
        f"  {'w ' * 49}w",
        "  end",
    ]


@pytest.mark.parametrize("text", ["y", "N", "1e3", "1.5e3", "0o17", "08", "0X1F", "1_0e3", "-_1"])
def test_what_only_kubectl_takes_for_something_else_is_quoted(text: str) -> None:
    assert yaml_text.dump({text: text}) == f"'{text}': '{text}'"
