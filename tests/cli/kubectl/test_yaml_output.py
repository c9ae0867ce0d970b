# SPDX-License-Identifier: Apache-2.0
"""YAML in one pass is the YAML of the library, character for character."""

import string

from hypothesis import example, given
from hypothesis import strategies as st

from cli import yamltext
from cli.kubectl import yaml_output

KEYS = st.text(string.ascii_letters, min_size=1, max_size=10)
TEXTS = st.text() | st.text("0123456789abcdef:./- #", min_size=1, max_size=12)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4)
)


@given(st.dictionaries(KEYS, VALUES, max_size=4))
@example({"a": [], "b": {}, "c": [[1, [2, {"d": "no"}]], {}], "y": {"z": ["fd00::1/64", "a: b"]}})
@example({"a": ["1e3", "a\nb", "- a", "x:", "", " ", "::", "0o7", "true", "\u2028", "é"]})
def test_it_writes_what_the_library_writes(value: dict[str, object]) -> None:
    assert yaml_output.dump(value) == yamltext.dump(value)
