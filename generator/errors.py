# SPDX-License-Identifier: Apache-2.0
"""Why nothing is generated: a model says what the API server would refuse.

* GenerationError
  * SchemaError: a field's type has no structural schema
  * ColumnError: a column shows a field that does not exist
  * VersionsError: the versions of a kind do not fit together
  * RulesError: the access rules of a package can't be read
"""


class GenerationError(Exception):
    """A model or a declaration has to change before anything is written."""


class SchemaError(GenerationError):
    """A field's type can't be told to the API server; `path` is like `Pool.spec.addresses[]`."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path}: {problem}")
        self.path = path
        self.problem = problem


class ColumnError(GenerationError):
    """A printer column points at nothing."""

    def __init__(self, model: str, column: str, path: str) -> None:
        super().__init__(
            f"{model}: column {column!r} shows {path!r}, which is not in the schema: "
            "write the path with the JSON names of the fields"
        )
        self.model = model
        self.column = column
        self.path = path


class VersionsError(GenerationError):
    """A kind has no storage version, or several, or a version twice."""

    def __init__(self, kind: str, problem: str) -> None:
        super().__init__(f"{kind}: {problem}")
        self.kind = kind
        self.problem = problem


class RulesError(GenerationError):
    """A module of access rules does not exist or does not declare what it should."""

    def __init__(self, module: str, problem: str) -> None:
        super().__init__(f"{module}: {problem}")
        self.module = module
        self.problem = problem
