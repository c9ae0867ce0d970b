# SPDX-License-Identifier: Apache-2.0
"""Puts generated files where they belong, or shows what that would change."""

import os
from collections.abc import Iterator, Mapping
from difflib import unified_diff
from pathlib import Path

from .errors import OutputError


def write(files: Mapping[Path, str]) -> int:
    """Write the files that differ from what is there, each in one step; return how many did.

    Guarantees:
        A file that is up to date isn't touched, so that make does not take it for a new one; and
        nobody ever reads half a file.

    Raises:
        OutputError: a file can't be read or written.
    """
    stale = [path for path, text in files.items() if _present(path) != text.encode()]
    for path in stale:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _replace(path, files[path].encode())
        except OSError as error:
            raise OutputError(path, "written", error) from error
    return len(stale)


def differences(files: Mapping[Path, str]) -> Iterator[str]:
    """Yield a unified diff for each file that `write` would write.

    Raises:
        OutputError: a file can't be read.
    """
    for path, wanted in files.items():
        present = _present(path) or b""
        if present != wanted.encode():
            lines = present.decode(errors="replace").splitlines(keepends=True)
            names = f"{path} (present)", f"{path} (generated)"
            yield "".join(unified_diff(lines, wanted.splitlines(keepends=True), *names))


def _present(path: Path) -> bytes | None:
    """Return what is in a file; None if there is none."""
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise OutputError(path, "read", error) from error


def _replace(path: Path, content: bytes) -> None:
    fresh = path.with_name(f".{path.name}.{os.getpid()}")  # beside it: a rename is within one disk
    try:
        fresh.write_bytes(content)
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)
