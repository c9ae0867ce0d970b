# SPDX-License-Identifier: Apache-2.0
"""Files that others replace while the process runs, as the kubelet does with tokens and CAs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from .errors import CredentialsError

if TYPE_CHECKING:
    from pathlib import Path

log = structlog.get_logger(__name__)

_Stamp = tuple[int, int, int]
"""What changes when a file does: inode, time of change in ns, and size."""


class File:
    """The content of a file, read again whenever its stamp changes.

    Flow:
        Each `read` looks at the stamp, which costs one system call and involves no clock.

    Guarantees:
        While the file is missing or empty, the last content stays; that is logged once.
    """

    def __init__(self, path: Path, known: bytes = b"") -> None:
        """Remember where the file is; `known` stands in for it until it can be read."""
        self._path = path
        self._content = known
        self._stamp: _Stamp | None = None
        self._problem = ""

    def read(self) -> bytes:
        """Return the present content.

        Raises:
            CredentialsError: the file has never had any.
        """
        try:
            self._refresh()
            self._problem = ""
        except (OSError, ValueError) as error:
            self._keep(f"{self._path}: {error}")
        return self._content

    def forget(self) -> None:
        """Read the file next time, whatever its stamp is."""
        self._stamp = None

    def _refresh(self) -> None:
        stat = self._path.stat()  # before the content: what changes in between is seen next time
        stamp = (stat.st_ino, stat.st_mtime_ns, stat.st_size)
        if stamp == self._stamp:
            return
        content = self._path.read_bytes()
        if not content.strip():
            raise ValueError("the file is empty")
        self._content, self._stamp = content, stamp

    def _keep(self, problem: str) -> None:
        if not self._content:
            raise CredentialsError(problem)
        if problem != self._problem:
            self._problem = problem
            log.warning("the last content of a credentials file stays in use", error=problem)
