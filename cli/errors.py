# SPDX-License-Identifier: Apache-2.0
"""What ends a command early, each in one line.

* CliError
  * FileError: it cannot be read at all
    * SyntaxProblemError: it is neither YAML nor JSON
  * MeaningError: it has JSON's grammar, but not one meaning
"""


class CliError(Exception):
    """A command cannot go on; the text is all that its user gets."""


class FileError(CliError):
    """A file cannot be read."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path}: {problem}")
        self.path = path
        self.problem = problem


class SyntaxProblemError(FileError):
    """A file is not what manifests are written in.

    `about_pools` tells whether our API group is mentioned in it nevertheless.
    """

    def __init__(self, path: str, problem: str, *, about_pools: bool) -> None:
        super().__init__(path, problem)
        self.about_pools = about_pools


class MeaningError(CliError):
    """A text reads like JSON, but holds a key twice, or what only Python takes for a number."""
