# SPDX-License-Identifier: Apache-2.0
"""What ruff does not check of STYLE.md: width of prose, long sentences, bare suppressions.

usage: prose.py

Checks the files that git tracks.  Prints one line per finding, and exits with 1 if there is one.
"""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

WIDTH = 100  # characters, of a line of prose in Markdown
WORDS = 30  # in a sentence of a docstring

_FENCE = re.compile(r"^\s*(```|~~~)")
_UNBREAKABLE = re.compile(r"^\s*(\||<|\[[^\]]+\]: |!?\[[^\]]*\]\(\S+\)$|[-*] \S+$)")
"""A row of a table, HTML, and what has no space to break at."""
_ONE_LINE = ("changelog.d/", "CHANGELOG.md", "docs/reference/api.md")
"""towncrier and the generator write these files, or read one line of each."""
_SENTENCES = re.compile(r"(?<=[.:;?!])\s+")
_BLOCKS = re.compile(r"\n\s*\n|\n\s*[-*|] |\n(?=\s*\S+:(?:\s|$))|\n(?=    \S)")
_SAMPLE = re.compile(r"->|^\s{4}\S|^usage:|^from |::$|`{3}", re.MULTILINE)
"""A flow with arrows, a code block or a usage line: not a sentence."""
_SUPPRESSION = re.compile(
    r"#\s*(?:noqa: [A-Z]+[0-9]+(?:, [A-Z]+[0-9]+)*|(?:type|pyright): ignore\[[\w, -]+\]"
    r"|pragma: no cover)"
)
_REASON = re.compile(r"\s*(?:- |# (?!noqa|type:|pyright:|fmt:))\S")


def main() -> int:
    """Print the findings."""
    found = findings()
    print(*found, sep="\n", end="\n" if found else "")
    return bool(found)


def findings() -> list[str]:
    """Return what is wrong, with file and line."""
    return [f"{name}:{finding}" for name in _tracked() for finding in _in_file(name)]


def wide_lines(text: str) -> Iterator[str]:
    """Yield the lines of prose in Markdown that are too wide and can be broken."""
    code = False
    for number, line in enumerate(text.splitlines(), 1):
        code ^= bool(_FENCE.match(line))
        if len(line) > WIDTH and not code and not _UNBREAKABLE.match(line):
            yield f"{number}: {len(line)} characters; wrap prose at {WIDTH}"


def long_sentences(text: str) -> Iterator[str]:
    """Yield the sentences in docstrings that have too many words."""
    for node in _statements(ast.parse(text)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            number = getattr(node, "lineno", 1)
            for sentence in _sentences(ast.get_docstring(node) or ""):
                if (words := len(sentence.split())) > WORDS:
                    start = " ".join(sentence.split()[:6])
                    yield f"{number}: a sentence of {words} words, {start!r}...; split it"


def bare_suppressions(text: str) -> Iterator[str]:
    """Yield the suppressions of findings that have no reason behind them."""
    for number, line in enumerate(text.splitlines(), 1):
        found = list(_SUPPRESSION.finditer(line))
        if found and not _REASON.match(line, found[-1].end()):
            yield f"{number}: a suppression without a reason; say why behind it"


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """Yield a node and the statements below it, without their expressions."""
    yield node
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.stmt | ast.excepthandler | ast.match_case):
            yield from _statements(child)


def _sentences(docstring: str) -> Iterator[str]:
    for block in _BLOCKS.split(docstring):
        if not _SAMPLE.search(block):
            yield from _SENTENCES.split(" ".join(block.split()))


def _in_file(name: str) -> Iterator[str]:
    text = Path(name).read_text()
    if name.endswith(".md"):
        yield from wide_lines(text)
    else:
        yield from long_sentences(text)
        yield from bare_suppressions(text)


def _tracked() -> list[str]:
    listed = ["git", "ls-files", "*.md", "*.py"]
    found = subprocess.run(listed, capture_output=True, text=True, check=True).stdout.split()
    return [name for name in found if not name.startswith(_ONE_LINE) and Path(name).exists()]


if __name__ == "__main__":
    sys.exit(main())
