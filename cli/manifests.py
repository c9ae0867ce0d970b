# SPDX-License-Identifier: Apache-2.0
"""Files with manifests: YAML of one or more documents, or JSON."""

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import yaml

from conversion import registry, values

from .errors import FileError, SyntaxProblemError

STDIN = "-"


@dataclass(frozen=True, slots=True)
class File:
    """The documents of a file, in order; empty ones are left out."""

    path: str
    is_json: bool
    documents: tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """An object, and where it stands; `number` counts the documents of its file from 1."""

    path: str
    number: int
    obj: object

    def __str__(self) -> str:
        return f"{shown(self.path)}: document {self.number}: {registry.name_of(self.obj)}"


class _Loader(yaml.SafeLoader):
    """YAML as Kubernetes reads it: a timestamp is a string."""


_Loader.yaml_implicit_resolvers = {
    first: [rule for rule in rules if rule[0] != "tag:yaml.org,2002:timestamp"]
    for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def shown(path: str) -> str:
    """Return what messages call a file."""
    return "standard input" if path == STDIN else path


def read(path: str) -> File:
    """Read a file, or standard input for `-`.

    Raises:
        FileError: it cannot be read.
        SyntaxProblemError: it is neither YAML nor JSON.
    """
    text = _text(path)
    try:
        return File(path, is_json=True, documents=(json.loads(text),))
    except (ValueError, RecursionError):
        pass  # the usual case: YAML
    try:
        documents = tuple(_plain(value) for value in yaml.load_all(text, _Loader))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise SyntaxProblemError(shown(path), f"{where}{error.problem}") from error
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        problem = str(error).splitlines()[0]
        raise SyntaxProblemError(
            shown(path), f"is no YAML that JSON could say: {problem}"
        ) from error
    return File(path, is_json=False, documents=tuple(d for d in documents if d is not None))


def write(file: File, documents: Sequence[object]) -> str:
    """Return documents in the notation of the file that they come from."""
    if file.is_json:
        return "".join(json.dumps(each, indent=2, ensure_ascii=False) + "\n" for each in documents)
    return yaml.safe_dump_all(documents, sort_keys=False, allow_unicode=True)


def objects(file: File) -> Iterator[Document]:
    """Yield every object; a List yields its items."""
    for number, document in enumerate(file.documents, start=1):
        for obj in items(document):
            yield Document(file.path, number, obj)


def replaced(document: object, change: Callable[[object], object]) -> object:
    """Return a document with each object in it changed."""
    if values.is_object(document) and document.get("kind") == "List":
        return document | {"items": [change(item) for item in items(document)]}
    return change(document)


def items(document: object) -> list[object]:
    """Return the items of a List, and any other object by itself."""
    if values.is_object(document) and document.get("kind") == "List":
        inner = document.get("items")
        return cast("list[object]", inner) if isinstance(inner, list) else []
    return [document]


def _text(path: str) -> str:
    try:
        data = sys.stdin.buffer.read() if path == STDIN else Path(path).read_bytes()
    except OSError as error:
        raise FileError(shown(path), error.strerror or str(error)) from error
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise FileError(
            shown(path), f"is not UTF-8: {error.reason} at byte {error.start}"
        ) from error


def _plain(value: object) -> object:
    """Turn what YAML can say into what JSON can say, as the API server gets it."""
    plain: object = json.loads(json.dumps(value, allow_nan=False))
    return plain
