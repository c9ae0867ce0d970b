# SPDX-License-Identifier: Apache-2.0
"""The errors that end a command, each with a text of one line.

* CliError
  * FileError: a file cannot be read
    * SyntaxProblemError: a file is neither YAML nor JSON
  * NotInstalledError: a cluster does not serve a kind
  * NotServedError: a cluster does not serve a version of a CRD
  * MeaningError: a text is JSON by its grammar, but ambiguous
"""


class CliError(Exception):
    """A command cannot continue; its user gets the text."""


class FileError(CliError):
    """A file cannot be read."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path}: {problem}")
        self.path = path
        self.problem = problem


class SyntaxProblemError(FileError):
    """A file is neither YAML nor JSON.

    `about_pools` says whether it mentions our API group.
    """

    def __init__(self, path: str, problem: str, *, about_pools: bool) -> None:
        super().__init__(path, problem)
        self.about_pools = about_pools


class NotInstalledError(CliError):
    """A cluster does not serve a kind that the command reads."""

    def __init__(self, what: str, remedy: str) -> None:
        self.what = what
        self.remedy = remedy
        super().__init__(f"the cluster does not serve {what}: {remedy}")


class NotServedError(CliError):
    """A cluster does not serve the version of a CRD that this release uses."""

    def __init__(self, crd: str, version: str) -> None:
        self.cause = f"does not serve {version}"
        self.remedy = "use ipam-in-cluster of the release that runs in the cluster"
        super().__init__(f"CustomResourceDefinition {crd} {self.cause}: {self.remedy}")


class MeaningError(CliError):
    """A text looks like JSON, but has a key twice, or a number that only Python accepts."""
