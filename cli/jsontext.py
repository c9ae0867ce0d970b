# SPDX-License-Identifier: Apache-2.0
"""JSON: one document, or several in a row, as kubectl reads them."""

import json
import math
import re
from collections.abc import Iterator
from typing import cast

from crdkit.conversion import values

from . import scalars
from .errors import MeaningError
from .sources import DEEPEST, Source

_INDENT = re.compile(r"\n([ \t]+)")
_SPACE = re.compile(r"[ \t\r\n]*")


def parse(text: str) -> Iterator[Source]:
    """Yield the documents of a text.

    Raises:
        ValueError: the text is not JSON.
        MeaningError: it has a key twice, or a number that only Python accepts.
        RecursionError: it is nested too deeply.
    """
    decoder = _Decoder()
    found, begin, end = list[Source](), 0, _after_space(text, 0)
    while end < len(text):
        value, end = decoder.raw_decode(text, end)
        end = _after_space(text, end)
        found.append(Source(_plain(value), text[begin:end], "---\n"))
        begin = end
    if decoder.problems:  # reported only now, when all of it is JSON
        raise MeaningError(decoder.problems[0])
    yield from found


def dump(value: object, like: str) -> str:
    """Write one document, indented and ended as the text `like` is."""
    indented = _INDENT.search(like)
    indent = indented[1] if indented else None
    end = like[len(like.rstrip()) :]
    return json.dumps(value, indent=indent, ensure_ascii=False) + end


class _Decoder(json.JSONDecoder):
    """Collects the errors of a text that Python would accept."""

    def __init__(self) -> None:
        self.problems = list[str]()
        super().__init__(
            object_pairs_hook=self._object,
            parse_constant=self._no_number,
            parse_float=self._number,
            parse_int=self._number,
        )

    def _object(self, pairs: list[tuple[str, object]]) -> dict[str, object]:
        built = dict[str, object]()
        for name, value in pairs:
            if name in built:
                self.problems.append(f"duplicate key {name!r}")
            built[name] = value
        return built

    def _number(self, text: str) -> float:
        number = float(text)
        if not math.isfinite(number):
            return self._no_number(text)
        return scalars.settled(number) if not text.lstrip("-").isdigit() else int(text)

    def _no_number(self, text: str) -> float:
        self.problems.append(f"{text[:10]} is no number of JSON")
        return math.nan


def _plain(value: object, depth: int = 0) -> object:
    """Return a value as Go reads it: half a surrogate pair becomes U+FFFD."""
    if depth > DEEPEST:
        raise MeaningError(f"more than {DEEPEST} levels of nesting")
    if isinstance(value, str):
        return _whole(value)
    if isinstance(value, list):
        return [_plain(item, depth + 1) for item in cast("list[object]", value)]
    if values.is_object(value):
        return {_whole(name): _plain(item, depth + 1) for name, item in value.items()}
    return value


def _whole(text: str) -> str:
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _after_space(text: str, begin: int) -> int:
    space = _SPACE.match(text, begin)
    return space.end() if space else begin
