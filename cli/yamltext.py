# SPDX-License-Identifier: Apache-2.0
"""Read YAML as kubectl does, and write it so that all YAML readers agree on it."""

import math
import sys
from collections.abc import Iterator

import yaml
from typing_extensions import override
from yaml.constructor import ConstructorError

from . import scalars
from .sources import DEEPEST, Source

_PLAIN = "?"  # YAML's own name for the tag of an unquoted scalar
_CORE = "tag:yaml.org,2002:"
_STRINGS = frozenset((f"{_CORE}str", f"{_CORE}timestamp"))
_TYPES: dict[str, tuple[type, ...]] = {
    f"{_CORE}bool": (bool,),
    f"{_CORE}float": (int, float),
    f"{_CORE}int": (int,),
    f"{_CORE}null": (type(None),),
}

_MOST_REPEATED = 100_000
"""The most nodes that aliases may repeat, in some seconds.  A small file can repeat billions."""


def parse(text: str) -> Iterator[Source]:
    """Yield the documents of a text, empty ones too; at least one if there is any text.

    Raises:
        yaml.YAMLError: the text is not YAML, or has no equivalent in JSON.
        RecursionError: it is nested too deeply.
    """
    values, begins, leads = list[object](), list[int](), list[str]()
    loader, builder = _Loader(text), _Builder()
    while loader.check_node():
        start: object = loader.current_event
        assert isinstance(start, yaml.DocumentStartEvent), start
        begins.append(start.start_mark.index if begins and start.start_mark else 0)
        leads.append(_lead(start))
        node = loader.get_node()
        values.append(None if node is None else builder.build(node))
    if text and not begins:  # nothing but comments, for example
        yield Source(None, text, "---\n")
    ends = [*begins[1:], len(text)][: len(begins)]
    for value, begin, end, lead in zip(values, begins, ends, leads, strict=True):
        yield Source(value, text[begin:end], lead)


def compose(text: str) -> yaml.Node:
    """Return the node of a text that has one document.

    Raises:
        yaml.YAMLError: it has none, or several.
    """
    node = _Loader(text).get_single_node()
    if node is None:
        raise yaml.YAMLError("no document")
    return node


def dump(value: object) -> str:
    """Write one document.

    Guarantees:
        YAML 1.1, YAML 1.2 and go-yaml read the same from it.  No anchors.
    """
    return yaml.dump(value, None, _Dumper, sort_keys=False, allow_unicode=True, width=sys.maxsize)


def _lead(start: yaml.DocumentStartEvent) -> str:
    if not start.explicit:
        return "---\n"
    return "...\n" if start.version or start.tags else ""  # directives stand before the ---


class _Loader(yaml.SafeLoader):
    """Leaves the value of an unquoted scalar to the builder."""

    @override
    def resolve(
        self, kind: type[yaml.Node], value: object, implicit: tuple[bool, bool] | bool
    ) -> str:
        if isinstance(implicit, tuple):
            return _PLAIN if implicit[0] else f"{_CORE}str"
        return f"{_CORE}map" if kind is yaml.MappingNode else f"{_CORE}seq"


class _Dumper(yaml.SafeDumper):
    """Quotes every string that any YAML reader would read as another value."""

    @override
    def ignore_aliases(self, data: object) -> bool:
        return True


def _write_string(_dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = '"' if scalars.needs_quotes(text) else None
    return yaml.ScalarNode(f"{_CORE}str", text, style=style)


_Dumper.add_representer(str, _write_string)


class _Builder:
    """Makes JSON values of the nodes of one file."""

    def __init__(self) -> None:
        self._built = set[yaml.Node]()
        self._open = list[yaml.Node]()
        self._repeated = 0

    def build(self, node: yaml.Node) -> object:
        """Return the value of a node.

        Raises:
            ConstructorError: it has no equivalent in JSON, or is too large.
        """
        self._guard(node)
        self._open.append(node)
        try:
            if isinstance(node, yaml.MappingNode):
                return self._mapping(node)
            if isinstance(node, yaml.SequenceNode):
                _check_tag(node, f"{_CORE}seq")
                return [self.build(item) for item in node.value]
            return _scalar(node)
        finally:
            self._open.pop()

    def _guard(self, node: yaml.Node) -> None:
        """Refuse a node that would take too much time or stack."""
        if node in self._open:
            raise _error(node, "an alias to what it stands in")
        if len(self._open) > DEEPEST:
            raise _error(node, f"more than {DEEPEST} levels of nesting")
        self._repeated += node in self._built
        self._built.add(node)
        if self._repeated > _MOST_REPEATED:
            raise _error(node, "excessive aliasing")

    def _mapping(self, node: yaml.MappingNode) -> dict[str, object]:
        """Return an object; its own fields override merged ones."""
        _check_tag(node, f"{_CORE}map")
        built, own = dict[str, object](), set[str]()
        for key, value in node.value:
            if (key.tag, key.value) == (_PLAIN, "<<"):
                for merged in self._merged(value):
                    built |= merged
                continue
            name = _name(key, self.build(key))
            if name in own:
                raise _error(key, f"duplicate key {name!r}")
            own.add(name)
            built[name] = self.build(value)
        return built

    def _merged(self, node: yaml.Node) -> Iterator[dict[str, object]]:
        """Yield the objects of `<<`, so that the first of a list overrides the others."""
        nodes = node.value if isinstance(node, yaml.SequenceNode) else [node]
        for each in reversed(nodes):
            if not isinstance(each, yaml.MappingNode):
                raise _error(each, "<< needs an object, or a list of them")
            self._guard(each)
            yield self._mapping(each)


def _scalar(node: yaml.Node) -> scalars.Scalar:
    text = str(node.value)
    if node.tag in _STRINGS:
        if any("\ud800" <= letter <= "\udfff" for letter in text):
            raise _error(node, "an escape that is half a character")
        return text
    if node.tag != _PLAIN and node.tag not in _TYPES:
        raise _error(node, f"could not determine a constructor for the tag {node.tag!r}")
    value = scalars.resolve(text)
    if node.tag != _PLAIN and not isinstance(value, _TYPES[node.tag]):
        raise _error(node, f"{text!r} is no {node.tag.removeprefix(_CORE)}")
    if isinstance(value, float) and not math.isfinite(value):
        raise _error(node, f"{text} is no number that JSON could say")
    return value


def _name(node: yaml.Node, key: object) -> str:
    """Return the name of a key in JSON."""
    if isinstance(key, bool):
        return "true" if key else "false"
    if isinstance(key, (str, int, float)):
        return str(key)
    raise _error(node, "a key that JSON could not say")


def _check_tag(node: yaml.Node, expected: str) -> None:
    if node.tag != expected:
        raise _error(node, f"could not determine a constructor for the tag {node.tag!r}")


def _error(node: yaml.Node, problem: str) -> ConstructorError:
    return ConstructorError(None, None, problem, node.start_mark)
