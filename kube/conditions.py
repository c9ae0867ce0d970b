# SPDX-License-Identifier: Apache-2.0
"""Conditions in the status of an object, in the form of metav1."""

from __future__ import annotations

from typing import TypeVar

from .structs import Struct, prepared


@prepared
class Condition(Struct, frozen=True):
    """A metav1.Condition.

    Lists are written back whole.  None is an absent field: not all kinds require every field.
    """

    type: str = ""
    status: str = ""
    reason: str | None = None
    message: str | None = None
    last_transition_time: str = ""
    observed_generation: int | None = None


C = TypeVar("C", bound=Condition)


def find_condition(conditions: tuple[C, ...], kind: str) -> C | None:
    """Return the condition of a type."""
    return next((condition for condition in conditions if condition.type == kind), None)


def set_conditions(conditions: tuple[C, ...], *new: C) -> tuple[C, ...]:
    """Return the conditions with each new one in place of the one of its type, or at the end."""
    by_type = {each.type: each for each in new}
    kept = tuple(by_type.pop(old.type, old) for old in conditions)
    return (*kept, *by_type.values())
