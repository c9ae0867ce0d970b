# SPDX-License-Identifier: Apache-2.0
"""Change the tree that ruamel.yaml makes of a text, and write it as text again."""

import io
import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, cast

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.nodes import ScalarNode, SequenceNode
from ruamel.yaml.resolver import VersionedResolver
from ruamel.yaml.scalarstring import DoubleQuotedScalarString, PlainScalarString
from ruamel.yaml.tag import Tag
from typing_extensions import override

from crdkit.conversion import values

from . import comments, scalars

_TAGS = {
    name: Tag(suffix=f"tag:yaml.org,2002:{name}") for name in ("map", "merge", "null", "seq", "str")
}

Tree = Any  # of ruamel.yaml: a CommentedMap, a CommentedSeq or a text as it is written


class Indents(NamedTuple):
    """By how many columns a document indents."""

    fields: int
    """A field below the field that it is in."""

    dashes: int
    """The dash of a list below the field that it is in."""


def edit(text: str, old: object, new: object, indents: Indents) -> str:
    """Return a text with another value, laid out by ruamel.yaml.

    Raises:
        Exception: of any kind, because ruamel.yaml has no common error.
    """
    editor: Tree = YAML()  # its own annotations are partial
    editor.Resolver = _Resolver
    editor.preserve_quotes = True
    editor.width = sys.maxsize
    dashes = indents.dashes
    editor.indent(mapping=indents.fields, sequence=dashes + len("- "), offset=dashes)
    tree: Tree = editor.load(text)
    _change(tree, old, new)
    written = io.StringIO()
    editor.dump(tree, written)
    return written.getvalue() if text.endswith("\n") else written.getvalue().removesuffix("\n")


class _Resolver(VersionedResolver):
    """Reads every scalar as its text, so that it is written unchanged."""

    @override
    def resolve(self, kind: object, value: object, implicit: Sequence[bool]) -> Tag:
        if kind is ScalarNode:
            special = {"": "null", "<<": "merge"} if implicit[0] else {}
            return _TAGS[special.get(str(value), "str")]
        return _TAGS["seq" if kind is SequenceNode else "map"]


def _change(tree: Tree, old: object, new: object) -> None:
    """Make the tree of `old` that of `new`, by as few changes as possible."""
    if _are_maps(old, new):
        _change_map(tree, cast("values.JsonObject", old), cast("values.JsonObject", new))
    else:
        _change_list(tree, cast("list[object]", old), cast("list[object]", new))


def _change_map(tree: Tree, old: Mapping[str, object], new: Mapping[str, object]) -> None:
    """Change fields in place; new fields replace the first removed one, or come last."""
    for name in old.keys() & new.keys():
        if old[name] != new[name]:
            _change_item(tree, name, old[name], new[name])
    gone = [name for name in tree if name not in new]
    place = list(tree).index(gone[0]) if gone else len(tree)
    added = [name for name in new if name not in old]
    for number, name in enumerate(added):
        tree.insert(place + number, _tree(name), _tree(new[name]))
    comments.move(tree, gone, added)
    for name in gone:
        del tree[name]


def _change_list(tree: Tree, old: Sequence[object], new: Sequence[object]) -> None:
    for at, (before, after) in enumerate(zip(old, new, strict=False)):
        if before != after:
            _change_item(tree, at, before, after)
    del tree[len(new) :]
    tree.extend(map(_tree, new[len(old) :]))


def _change_item(tree: Tree, at: str | int, old: object, new: object) -> None:
    if _are_maps(old, new) or _are_lists(old, new):
        _change(tree[at], old, new)
    else:
        tree[at] = _tree(new)


def _are_maps(*all_of: object) -> bool:
    return all(isinstance(each, dict) for each in all_of)


def _are_lists(*all_of: object) -> bool:
    return all(isinstance(each, list) for each in all_of)


def _tree(value: object) -> Tree:
    """Return the tree of a new value."""
    if values.is_object(value):
        return CommentedMap((_tree(name), _tree(each)) for name, each in value.items())
    if isinstance(value, list):
        return CommentedSeq(map(_tree, cast("list[object]", value)))
    if isinstance(value, str):
        quoted = scalars.needs_quotes(value)
        return DoubleQuotedScalarString(value) if quoted else PlainScalarString(value)
    return PlainScalarString(json.dumps(value))
