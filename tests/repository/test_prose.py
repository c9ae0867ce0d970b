# SPDX-License-Identifier: Apache-2.0
"""What `make lint` finds in prose and suppressions, and what it leaves alone."""

import pytest

from hack import prose

WIDE = "word " * 20 + "end."  # 104 characters
NOQA, IGNORE, COVER = "noqa: E501", "type: ignore[misc]", "pragma: no cover"


def test_the_repository_has_no_findings() -> None:
    assert prose.findings() == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (WIDE, 1),
        (f"> {WIDE}", 1),
        (f"```console\n{WIDE}\n```", 0),
        (f"```\ncode\n```\n{WIDE}", 1),
        (f"| {WIDE} |", 0),
        (f"[{'x' * 110}](y)", 0),
    ],
)
def test_prose_in_markdown_is_wrapped(text: str, found: int) -> None:
    assert len(list(prose.wide_lines(text))) == found


@pytest.mark.parametrize(
    ("docstring", "found"),
    [
        ("One " + "more " * 29 + "end.", 1),
        ("One " + "more " * 28 + "end.", 0),
        ("One " + "more " * 20 + "end.  Two " + "more " * 20 + "end.", 0),
        ("Flow:\n    one " + "more " * 30 + "-> end", 0),
        ("Args:\n    one: " + "more " * 31 + "end.", 1),
    ],
)
def test_no_sentence_of_a_docstring_is_long(docstring: str, found: int) -> None:
    text = f'def f():\n    """{docstring}"""\n'
    assert len(list(prose.long_sentences(text))) == found


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (f"x = 1  # {NOQA}", 1),
        (f"x = 1  # {NOQA}, S311 - a reason", 0),
        (f"x = 1  # {IGNORE}", 1),
        (f"x = 1  # {IGNORE} # a reason", 0),
        (f"x = 1  # {IGNORE}  # {IGNORE}", 1),
        (f"x = 1  # {COVER}", 1),
        ("x = 1  # a comment", 0),
    ],
)
def test_each_suppression_has_its_reason(line: str, found: int) -> None:
    assert len(list(prose.bare_suppressions(line))) == found
