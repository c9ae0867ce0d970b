# SPDX-License-Identifier: Apache-2.0
"""Files with manifests: YAML of one or more documents, or JSON."""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from api import resources
from conversion import registry, values

from . import jsontext, pools, yamltext
from .errors import FileError, MeaningError, SyntaxProblemError
from .sources import Source

STDIN = "-"


@dataclass(frozen=True, slots=True)
class File:
    """The documents of a file, in order."""

    path: str
    is_json: bool
    sources: tuple[Source, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """An object, and where it stands.

    `number` counts the documents of its file from 1, `item` the objects of a List; 0: it is none.
    """

    path: str
    number: int
    item: int
    obj: object

    @property
    def place(self) -> str:
        """Where it stands, as messages say it."""
        item = f", item {self.item}" if self.item else ""
        return f"{shown(self.path)}: document {self.number}{item}"

    def __str__(self) -> str:
        return f"{self.place}: {registry.name_of(self.obj)}"


def shown(path: str) -> str:
    """Return what messages call a file."""
    return "standard input" if path == STDIN else path


def read(path: str) -> File:
    """Read a file, or standard input for `-`.

    Raises:
        FileError: it cannot be read.
        SyntaxProblemError: it is neither YAML nor JSON.
    """
    data = _bytes(path)
    try:
        return _parse(path, data.decode("utf-8-sig"))  # Windows editors begin with a mark
    except UnicodeDecodeError as error:
        problem = f"is not UTF-8: {error.reason} at byte {error.start}"
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        problem = f"{where}{error.problem}"
    except RecursionError:
        problem = "is nested too deeply"
    except (yaml.YAMLError, MeaningError, ValueError) as error:
        problem = str(error).splitlines()[0]
    about_pools = resources.GROUP.encode() in data
    raise SyntaxProblemError(shown(path), problem, about_pools=about_pools)


def write(files: Sequence[File], version: str) -> str:
    """Return all documents, with the pools among them in `version`, such as `<group>/v1alpha2`.

    Guarantees:
        A document without a pool comes out as it is written, comments included; the others in the
        notation of their file.

    Raises:
        ConversionError: a pool cannot be said in that version.
    """
    text = ""
    only_json = all(file.is_json for file in files)
    for file in files:
        for source in file.sources:
            written = _written(file, source, version)
            if text:
                text += "" if text.endswith("\n") else "\n"
                text += "" if only_json else written.lead
            text += written.text
    return text


def objects(file: File) -> Iterator[Document]:
    """Yield every object; a List yields its items, unless it has none to yield."""
    full = [source.value for source in file.sources if source.value is not None]
    for number, value in enumerate(full, start=1):
        for item, obj in enumerate(pools.objects_in(value), start=1):
            yield Document(file.path, number, 0 if obj is value else item, obj)


def _parse(path: str, text: str) -> File:
    try:
        return File(path, is_json=True, sources=tuple(jsontext.parse(text)))
    except (ValueError, RecursionError):  # the usual case: YAML
        return File(path, is_json=False, sources=tuple(yamltext.parse(text)))


def _written(file: File, source: Source, version: str) -> Source:
    """Return a document as it is to be written."""
    if not any(map(pools.meant_kind, pools.objects_in(source.value))):
        return source

    def convert(obj: values.JsonObject) -> object:
        return registry.convert(obj, version)

    value = pools.replaced(source.value, convert, version)
    dump = jsontext.dump if file.is_json else yamltext.dump
    return Source(value, dump(value), "---\n")


def _bytes(path: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if path == STDIN else Path(path).read_bytes()
    except OSError as error:
        raise FileError(shown(path), error.strerror or str(error)) from error
