# SPDX-License-Identifier: Apache-2.0
"""The errors of address arithmetic.

* NotationError (a ValueError)
* ExhaustedError
"""

from .texts import quoted


class NotationError(ValueError):
    """A text is not an address, a range or a network."""

    def __init__(self, value: str, problem: str) -> None:
        super().__init__(f"{quoted(value)} {problem}")
        self.value = value
        self.problem = problem


class ExhaustedError(Exception):
    """The allocator has no free address."""
