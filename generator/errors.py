# SPDX-License-Identifier: Apache-2.0
"""Why our manifests are not generated, besides what `crdkit.errors` says of models.

* crdkit.errors.GenerationError
  * RulesError: the access rules of a package can't be read
  * PlaceError: our own manifests would go into a folder of another project
"""

from crdkit.errors import GenerationError


class RulesError(GenerationError):
    """A module of access rules does not exist or does not declare what it should."""

    def __init__(self, module: str, problem: str) -> None:
        super().__init__(f"{module}: {problem}")
        self.module = module
        self.problem = problem


class PlaceError(GenerationError):
    """The manifests of this project are asked for in a folder of another one."""
