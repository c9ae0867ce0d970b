# SPDX-License-Identifier: Apache-2.0
"""Files with manifests: YAML of one or more documents, or JSON."""

import codecs
import dataclasses
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from api import resources
from crdkit.conversion import values

from . import comments, jsontext, pool_documents, roundtrip, yamltext
from .conversions import Target
from .errors import FileError, MeaningError, SyntaxProblemError
from .inputs import STDIN
from .sources import Source

_MARK = codecs.BOM_UTF8


@dataclass(frozen=True, slots=True)
class File:
    """The documents of a file, in order."""

    path: str
    is_json: bool
    sources: tuple[Source, ...]
    has_mark: bool = False
    """Whether it begins with a byte order mark, as Windows editors write it."""


@dataclass(frozen=True, slots=True)
class Document:
    """An object, and its place in a file.

    `number` counts the documents of the file from 1, and `item` the objects of a List from 1.
    `item` is 0 if the document is not a List.
    """

    path: str
    number: int
    item: int
    obj: object

    @property
    def place(self) -> str:
        """Its place, for messages."""
        item = f", item {self.item}" if self.item else ""
        return f"{shown(self.path)}: document {self.number}{item}"

    def __str__(self) -> str:
        return f"{self.place}: {values.name_of(self.obj)}"


def shown(path: str) -> str:
    """Return the name of a file in messages."""
    return "standard input" if path == STDIN else path


def read(path: str) -> File:
    """Read a file, or standard input for `-`.

    Raises:
        FileError: it cannot be read.
        SyntaxProblemError: it is neither YAML nor JSON.
    """
    return parsed(path, _bytes(path))


def parsed(path: str, data: bytes) -> File:
    """Parse what a file has.

    Raises:
        SyntaxProblemError: it is neither YAML nor JSON.
    """
    try:
        file = _parse(path, data.decode("utf-8-sig"))
        return dataclasses.replace(file, has_mark=data.startswith(_MARK))
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


def convert(file: File, target: Target) -> File:
    """Return a file with all its pools converted.

    Guarantees:
        A document in which nothing changes stays as it is written.  One that changes keeps its
        comments, the order of its fields and how they are quoted.

    Caveats:
        ruamel.yaml drops comments inside brackets.  A document in which aliases repeat a changed
        part gets a new layout.

    Raises:
        ConversionError: a pool cannot be converted.
    """
    sources = tuple(_converted(file, source, target) for source in file.sources)
    return dataclasses.replace(file, sources=sources)


def text_of(files: Sequence[File]) -> str:
    """Return the documents of all files, one after the other."""
    only_json = all(file.is_json or not file.sources for file in files)
    parts = list[str]()
    for source in (source for file in files for source in file.sources):
        if parts:
            parts.append("" if parts[-1].endswith("\n") else "\n")
            parts.append("" if only_json else source.lead)
        parts.append(source.text)
    return "".join(parts)


def save(file: File) -> None:
    """Write a file to its path.

    Guarantees:
        The file has either its old content or the new one, whatever happens in between.

    Raises:
        FileError: it cannot be written.
    """
    data = (_MARK if file.has_mark else b"") + text_of([file]).encode()
    path = Path(file.path).resolve()  # a link stays a link
    new = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        new.write_bytes(data)
        shutil.copymode(path, new)
        new.replace(path)
    except OSError as error:
        new.unlink(missing_ok=True)
        raise FileError(file.path, error.strerror or str(error)) from error


def objects(file: File) -> Iterator[Document]:
    """Yield every object; a List yields its items, if it has a list of them."""
    full = [source.value for source in file.sources if source.value is not None]
    for number, value in enumerate(full, start=1):
        for item, obj in enumerate(pool_documents.objects_in(value), start=1):
            yield Document(file.path, number, 0 if obj is value else item, obj)


def _parse(path: str, text: str) -> File:
    try:
        if sources := tuple(jsontext.parse(text)):
            return File(path, is_json=True, sources=sources)
    except (ValueError, RecursionError):  # the usual case: YAML
        pass
    return File(path, is_json=False, sources=tuple(yamltext.parse(text)))


def _converted(file: File, source: Source, target: Target) -> Source:
    value = target.of(source.value)
    if value == source.value:
        return source
    if file.is_json:
        return Source(value, jsontext.dump(value, source.text), source.lead)
    text = roundtrip.rewrite(source.text, source.value, value)
    lead = "---\n" if text is None else source.lead
    text = yamltext.dump(value) if text is None else text
    return Source(value, text, lead, comments.missing(source.text, text))


def _bytes(path: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if path == STDIN else Path(path).read_bytes()
    except OSError as error:
        raise FileError(shown(path), error.strerror or str(error)) from error
