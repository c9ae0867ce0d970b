# SPDX-License-Identifier: Apache-2.0
"""Keep the comments of removed fields where the fields were.

ruamel.yaml keeps a comment with the scalar before it.  The text of one that begins on a line of its
own begins with a line break; the lines that follow hold their own indentation.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import CommentMark
from ruamel.yaml.tokens import CommentToken

Tree = Any  # of ruamel.yaml: a CommentedMap or a CommentedSeq

_COMMENT = re.compile(r"(?:^|(?<=\s))#.*", re.MULTILINE)

_AFTER_FIELD, _AFTER_ITEM = 2, 0
"""Where ruamel.yaml keeps the comment after a scalar, in the list that it has for each entry."""


def missing(before: str, after: str) -> tuple[str, ...]:
    """Return the comments of a text that another text lacks."""
    found = Counter(_COMMENT.findall(before))
    found.subtract(_COMMENT.findall(after))
    return tuple(found.elements())


def move(tree: Tree, gone: Sequence[str], added: Sequence[str]) -> None:
    """Move the comments of fields that are removed behind the fields that replace them.

    Flow:
        The comment at the end of the first field's line stays at the end of a line, if there is a
        field before it.  The others get lines of their own.
    """
    texts = [text for name in gone for text in _texts(tree, name)]
    if not texts:
        return
    names = list(tree)
    before = added[-1] if added else names[names.index(gone[0]) - 1] if names[0] != gone[0] else ""
    indent = " " * tree.lc.col
    first, *rest = texts if added else ["", *texts]
    lines = [line.strip() for text in rest for line in text.splitlines()]
    text = (first or "\n") + "".join(f"{indent}{line}\n" for line in lines if line)
    if before:
        _append(tree, before, text)
    else:
        own = [_unmarked(line) for text in texts for line in text.splitlines()]
        tree.yaml_set_start_comment("\n".join(own), indent=tree.lc.col)  # which marks each line


def _unmarked(line: str) -> str:
    """Return a comment without the mark that it begins with."""
    return line.strip().removeprefix("#").removeprefix(" ")


def _texts(tree: Tree, name: str | int) -> Iterator[str]:
    """Yield the comments of a field, and of all in it."""
    yield from _tokens(tree.ca.items.get(name))
    value = tree[name]
    for each in _entries(value):
        yield from _texts(value, each)


def _tokens(found: object) -> Iterator[str]:
    if isinstance(found, CommentToken):
        yield str(found.value)
    elif isinstance(found, list):
        for each in cast("list[object]", found):
            yield from _tokens(each)


def _append(tree: Tree, name: str, text: str) -> None:
    """Put a comment behind the last scalar of a field."""
    at: str | int = name
    while (entries := _entries(tree[at])) and not tree[at].fa.flow_style():
        tree, at = tree[at], entries[-1]
    slot = _AFTER_ITEM if isinstance(at, int) else _AFTER_FIELD
    kept = tree.ca.items.setdefault(at, [None, None, None, None])
    if kept[slot] is not None:
        kept[slot].value += text.removeprefix("\n")
    else:
        kept[slot] = CommentToken(text, CommentMark(0), None)


def _entries(value: object) -> Sequence[str | int]:
    """Return the names of fields, the numbers of items, or nothing for a scalar."""
    if isinstance(value, CommentedMap):
        return list(cast("Mapping[str, object]", value))
    return range(len(value)) if isinstance(value, CommentedSeq) else ()
