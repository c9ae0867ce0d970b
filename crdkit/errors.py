# SPDX-License-Identifier: Apache-2.0
"""Why nothing is generated: a model says what the API server would refuse.

* GenerationError
  * SchemaError: a structural schema cannot express a field, or the API server would refuse it
    * CostError: a rule of a field costs more than the API server's budget
  * PathError: a column, a selectable field or the scale subresource points at nothing that fits
  * VersionsError: the versions of a kind do not fit together
  * NamesError: a kind is called what the API server refuses
  * ModelsError: a package of models can't be read
  * OutputError: a generated file can't be written, or compared with what is there
"""

from pathlib import Path


class GenerationError(Exception):
    """A model or a declaration has to change before anything is written."""


class SchemaError(GenerationError):
    """The API server cannot take a field's type; `path` is such as `Pool.spec.addresses[]`."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path}: {problem}")
        self.path = path
        self.problem = problem


class CostError(SchemaError):
    """A rule could take the API server too long."""


class PathError(GenerationError):
    """A path leads to no field, or to an unsuitable one; `what` is the owner of the path."""

    def __init__(self, model: str, what: str, path: str, problem: str) -> None:
        super().__init__(f"{model}: {what} shows {path!r}, which {problem}")
        self.model = model
        self.what = what
        self.path = path
        self.problem = problem


class VersionsError(GenerationError):
    """A kind has no storage version, or several, or a version twice."""

    def __init__(self, kind: str, problem: str) -> None:
        super().__init__(f"{kind}: {problem}")
        self.kind = kind
        self.problem = problem


class NamesError(GenerationError):
    """The API server refuses a name or a text of a kind."""

    def __init__(self, kind: str, what: str, value: str, problem: str) -> None:
        super().__init__(f"{kind}: {what} {value!r} {problem}")
        self.kind = kind
        self.what = what
        self.value = value
        self.problem = problem


class ModelsError(GenerationError):
    """A package or module of models does not exist, or has no kind in it."""

    def __init__(self, module: str, problem: str) -> None:
        super().__init__(f"{module}: {problem}")
        self.module = module
        self.problem = problem


class OutputError(GenerationError):
    """A file can't be written or compared, or is not one of ours to replace."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"{path}: {problem}")
        self.path = path
        self.problem = problem
