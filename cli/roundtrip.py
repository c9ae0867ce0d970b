# SPDX-License-Identifier: Apache-2.0
"""Change a YAML document, and keep the rest of its text.

ruamel.yaml keeps comments, key order and quotes, but changes the layout.  So it gets only the
top-level fields that change; the text of the others is copied.
"""

from collections.abc import Iterator

import yaml

from crdkit.conversion import values

from . import trees, yamltext

_USUAL = trees.Indents(fields=2, dashes=0)
"""How kubectl and most people write."""


def rewrite(text: str, old: object, new: object) -> str | None:
    """Return the text of a document with another value.

    Guarantees:
        The text has the value `new`.  A top-level field that does not change is copied.

    Args:
        text: A document as it is written, its marks and comments included.
        old: The value of the text.
        new: The new value.

    Returns:
        None if that is impossible, for example because an alias repeats a changed part.
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
    return text[:begin] + trees.edit(text[begin:end], old, new, indents) + text[end:]


def _by_fields(
    text: str,
    root: yaml.MappingNode,
    old: values.JsonObject,
    new: values.JsonObject,
    indents: trees.Indents,
) -> str:
    """Write a block mapping, each of its fields by itself."""
    parts, at = list[str](), 0
    for key, value in root.value:
        name, begin, end = str(key.value), key.start_mark.index, _line_end(text, value)
        parts.append(text[at:begin])
        at = end
        if name not in new:
            continue
        field, before, after = text[begin:end], {name: old[name]}, {name: new[name]}
        parts.append(field if before == after else trees.edit(field, before, after, indents))
    for name in (name for name in new if name not in old):
        parts += ["" if parts[-1].endswith("\n") else "\n", yamltext.dump({name: new[name]})]
    return "".join(parts) + text[at:]


def _indents(root: yaml.Node) -> trees.Indents:
    """Return by how much a document indents fields, and the dashes of lists: as it does first."""
    found = list(_nested(root))
    fields = next((by for kind, by in found if kind is yaml.MappingNode), _USUAL.fields)
    dashes = next((by for kind, by in found if kind is yaml.SequenceNode), _USUAL.dashes)
    return trees.Indents(fields, dashes)


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
