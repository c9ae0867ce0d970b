# SPDX-License-Identifier: Apache-2.0
"""What ends a command early, each in one line.

* CliError
  * FileError: it cannot be read at all
  * SyntaxProblemError: it is neither YAML nor JSON
"""


class CliError(Exception):
    """A command cannot go on; the text is all that its user gets."""


class FileError(CliError):
    """A file cannot be read."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path}: {problem}")
        self.path = path


class SyntaxProblemError(CliError):
    """A file is not what manifests are written in."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path}: {problem}")
        self.path = path
