# SPDX-License-Identifier: Apache-2.0
"""Values as YAML that people like to read, the same bytes every time."""

import re
from typing import Any

import yaml
from typing_extensions import override

_LINE = 80
"""Characters from which on a text is folded instead of standing on its key's line."""

_GO = re.compile(r"[yYnN]$|[-+]?[0-9_.][0-9a-fA-F_.xXoObB+-]*$")
"""What kubectl's reader of YAML may take for a boolean or a number, beyond what PyYAML does."""


class _Dumper(yaml.SafeDumper):
    """Keys in the order given, no anchors, long texts as blocks."""

    @override
    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(_dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    """Choose a style: literal for lines, folded for a long line, quoted for what can't be seen."""
    style = None
    if text != text.strip() or not text.replace("\n", "").isprintable():
        style = '"'
    elif "\n" in text:
        style = "|"
    elif len(text) > _LINE:
        style = ">"
    return yaml.ScalarNode("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)
_Dumper.add_implicit_resolver(  # pyright: ignore[reportUnknownMemberType] - quotes such a text
    "tag:yaml.org,2002:go", _GO, list("yYnN+-._0123456789")
)


def dump(value: object, indent: int = 0) -> str:
    """Write a value in block style, each line but the first indented by `indent` spaces.

    Guarantees:
        `yaml.safe_load` of the result, at any indentation, is `value`; so is what kubectl reads.
    """
    text = yaml.dump(value, Dumper=_Dumper, sort_keys=False, width=100, allow_unicode=True)
    first, *rest = text.removesuffix("...\n").removesuffix("\n").split("\n")
    lines = [" " * indent + line if line else "" for line in rest]
    return "\n".join([first, *lines])
