# SPDX-License-Identifier: Apache-2.0
"""Changes of a YAML document that leave everything else as its writer has it.

ruamel.yaml keeps comments, key order and quoting, but lays a text out anew.  So it gets only those
top-level fields of a document that change; the others are copied as they are written.
"""

import io
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

import yaml
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.nodes import ScalarNode, SequenceNode
from ruamel.yaml.resolver import VersionedResolver
from ruamel.yaml.scalarstring import DoubleQuotedScalarString, PlainScalarString
from ruamel.yaml.tag import Tag
from typing_extensions import override

from conversion import values

from . import comments, scalars, yamltext

_TAGS = {
    name: Tag(suffix=f"tag:yaml.org,2002:{name}") for name in ("map", "merge", "null", "seq", "str")
}

Tree = Any  # of ruamel.yaml: a CommentedMap, a CommentedSeq or a text as it is written


def rewrite(text: str, old: object, new: object) -> str | None:
    """Return the text of a document with another value.

    Guarantees:
        The text has the value `new`.  A top-level field that does not change is copied.

    Args:
        text: A document as it is written, its marks and comments included.
        old: The value that the text has.
        new: The value that it shall have.

    Returns:
        None if it cannot be written so, above all because an alias repeats what changes.
    """
    try:
        written = _rewritten(text.replace("\r\n", "\n"), old, new)
        (source,) = yamltext.parse(written)
    except Exception:  # noqa: BLE001 - ruamel.yaml has no one error; the caller has another way
        return None
    if source.value != new:
        return None
    return written.replace("\n", "\r\n") if "\r\n" in text else written


def _rewritten(text: str, old: object, new: object) -> str:
    root = yamltext.compose(text)
    indents = _indents(root)
    if isinstance(root, yaml.MappingNode) and not root.flow_style and root.start_mark.column == 0:
        assert values.is_object(old)
        assert values.is_object(new)
        return _by_fields(text, root, old, new, indents)
    begin, end = root.start_mark.index, _line_end(text, root)
    return text[:begin] + _edited(text[begin:end], old, new, indents) + text[end:]


def _by_fields(
    text: str,
    root: yaml.MappingNode,
    old: values.JsonObject,
    new: values.JsonObject,
    indents: tuple[int, int],
) -> str:
    """Write a block mapping, each of its fields by itself."""
    parts, at = list[str](), 0
    for key, value in root.value:
        name, begin, end = str(key.value), key.start_mark.index, _line_end(text, value)
        parts.append(text[at:begin])
        at = end
        if name not in new:
            continue
        same = old[name] == new[name]
        field = text[begin:end]
        parts.append(
            field if same else _edited(field, {name: old[name]}, {name: new[name]}, indents)
        )
    for name in new.keys() - old.keys():
        parts += ["" if parts[-1].endswith("\n") else "\n", yamltext.dump({name: new[name]})]
    return "".join(parts) + text[at:]


def _edited(text: str, old: object, new: object, indents: tuple[int, int]) -> str:
    editor: Tree = YAML()  # its own annotations are partial
    editor.Resolver = _Resolver
    editor.preserve_quotes = True
    editor.width = sys.maxsize
    mapping, offset = indents
    editor.indent(mapping=mapping, sequence=offset + 2, offset=offset)
    tree: Tree = editor.load(text)
    _change(tree, old, new)
    written = io.StringIO()
    editor.dump(tree, written)
    return written.getvalue() if text.endswith("\n") else written.getvalue().removesuffix("\n")


class _Resolver(VersionedResolver):
    """Takes every scalar as the text that it is written as, so that it is written so again."""

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
    """Change fields in place; those that are new come where the first one goes, or at the end."""
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


def _indents(root: yaml.Node) -> tuple[int, int]:
    """Return by how much a document indents fields, and the dashes of lists: as it does first."""
    fields, dashes = 2, 0
    found = list(_nested(root))
    fields = next((by for kind, by in found if kind is yaml.MappingNode), fields)
    return fields, next((by for kind, by in found if kind is yaml.SequenceNode), dashes)


def _nested(node: yaml.Node) -> Iterator[tuple[type[yaml.Node], int]]:
    """Yield for each block in a field by how much it is indented."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if isinstance(value, yaml.CollectionNode) and not value.flow_style:
                yield type(value), value.start_mark.column - key.start_mark.column
            yield from _nested(value)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _nested(item)


def _line_end(text: str, node: yaml.Node) -> int:
    """Return where the last line of a node ends; the mark of a block is behind the comments."""
    at = _last_scalar(node).end_mark.index
    return at if text[at - 1 : at] == "\n" else text.find("\n", at) + 1 or len(text)


def _last_scalar(node: yaml.Node) -> yaml.Node:
    """Return the last scalar in a node, or the last collection on one line."""
    if not isinstance(node, yaml.CollectionNode) or node.flow_style or not node.value:
        return node
    children: list[yaml.Node] = (
        [*node.value[-1]] if isinstance(node, yaml.MappingNode) else node.value
    )
    return _last_scalar(children[-1])
