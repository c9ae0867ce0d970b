# SPDX-License-Identifier: Apache-2.0
"""The files of a command: the arguments that commands share, named as in kubectl."""

import functools
import glob
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import click

from .errors import FileError

STDIN = "-"

_SUFFIXES = (".json", ".yaml", ".yml")
"""The files that count in a folder, as for kubectl."""

PATH = click.Path(allow_dash=True)
"""A file, a folder, a pattern or `-`.  The type makes shells complete it."""


@dataclass(frozen=True, slots=True)
class Names:
    """The paths that the user named."""

    paths: Sequence[str]
    recursive: bool

    @property
    def has_stdin(self) -> bool:
        """Whether standard input is among them."""
        return STDIN in self.paths

    def of(self, paths: Sequence[str]) -> "Names":
        """Return other names, to be read in the same way."""
        return Names(paths, self.recursive)

    def files(self, path: str) -> Iterator[str]:
        """Yield the files of one named path.

        Raises:
            FileError: there is no such file.
        """
        if path == STDIN or not (os.path.isdir(path) or _is_pattern(path)):  # noqa: PTH112 - a text
            yield path
        elif os.path.isdir(path):  # noqa: PTH112 - a path stays as it was named
            yield from self._in_folder(path)
        else:
            found = sorted(glob.glob(path))  # noqa: PTH207 - a path stays as it was named
            if not found:
                raise FileError(path, "no file matches")
            for each in found:
                yield from self._in_folder(each) if Path(each).is_dir() else (each,)

    def _in_folder(self, folder: str) -> Iterator[str]:
        found = list(self._walk(folder))
        yield from found
        if not found:
            below = "" if self.recursive else "; -R also reads the folders below it"
            raise FileError(folder, f"has no {_listed(_SUFFIXES)} file{below}")

    def _walk(self, top: str) -> Iterator[str]:
        for folder, below, names in os.walk(top, onerror=_refuse):
            below[:] = sorted(below) if self.recursive else []
            yield from (
                str(Path(folder, name)) for name in sorted(names) if name.endswith(_SUFFIXES)
            )


def _filename(more: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    return click.option(
        "-f",
        "--filename",
        "paths",
        multiple=True,
        type=PATH,
        metavar="FILE",
        help=(
            "File, folder or pattern such as 'pools/*.yaml', in YAML or JSON; - for standard input"
            f"{more}.  May be repeated."
        ),
    )


_RECURSIVE = click.option(
    "-R", "--recursive", is_flag=True, help="Also read the folders below a named folder."
)


def file_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the files after -f as the argument `names`; there may be none."""

    @_filename("")
    @_RECURSIVE
    @functools.wraps(command)
    def wrapped(
        paths: Sequence[str],
        recursive: bool,  # noqa: FBT001 - click passes it by name
        **others: Any,  # noqa: ANN401 - the command's own options
    ) -> None:
        command(names=Names(paths, recursive), **others)

    return wrapped


def file_arguments(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command its files as the argument `names`: after -f, or without it as hooks do."""

    @_filename(" (the default)")
    @_RECURSIVE
    @click.argument("more_paths", nargs=-1, type=PATH, metavar="[FILE]...")
    @functools.wraps(command)
    def wrapped(
        paths: Sequence[str],
        more_paths: Sequence[str],
        recursive: bool,  # noqa: FBT001 - click passes it by name
        **others: Any,  # noqa: ANN401 - the command's own options
    ) -> None:
        if paths and more_paths:
            raise click.UsageError("name files with -f or without it, not both")
        command(names=Names(paths or more_paths or (STDIN,), recursive), **others)

    return wrapped


def _is_pattern(path: str) -> bool:
    """Whether a path is a pattern; a file of that very name has precedence."""
    return glob.has_magic(path) and not os.path.lexists(path)


def _listed(words: Sequence[str]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}"


def _refuse(error: OSError) -> NoReturn:
    raise FileError(str(error.filename), error.strerror or str(error)) from error
