# SPDX-License-Identifier: Apache-2.0
"""YAML in one pass is the YAML of the library, character for character."""

from hypothesis import example, given
from hypothesis import strategies as st

from cli import yamltext
from cli.kubectl import yaml_output

KEYS = st.from_regex(r"[a-z][a-zA-Z]{0,9}", fullmatch=True)
TEXTS = st.text() | st.from_regex(r"[0-9a-f:./\- #]{1,12}", fullmatch=True)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4)
)


@given(st.dictionaries(KEYS, VALUES, max_size=4))
@example({"a": [], "b": {}, "c": [[1, [2, {"d": "no"}]], {}], "y": {"z": ["fd00::1/64", "a: b"]}})
@example({"a": ["1e3", "a\nb", "- a", "x:", "", " ", "::", "0o7", "true", "\u2028", "é"]})
def test_it_writes_what_the_library_writes(value: dict[str, object]) -> None:
    assert yaml_output.dump(value) == yamltext.dump(value)
