# SPDX-License-Identifier: Apache-2.0
"""What can go wrong while an object changes version.

* ConversionError
  * FieldTypeError
  * UnknownKindError
  * MissingPairError

A value that merely makes no sense (a subnet that isn't one) is not here: conversion is total, and
admission refuses such values when they are written.
"""

_QUOTED_CHARACTERS = 100  # enough to recognise a value, short enough for one line


class ConversionError(ValueError):
    """An object cannot be converted to the other version.

    The text goes into `response.result.message`, where the user of kubectl reads it.
    """


class FieldTypeError(ConversionError):
    """A field does not have the JSON type of its schema; `field` is such as `spec.prefix`."""

    def __init__(self, field: str, value: object, needed: str) -> None:
        super().__init__(f"{field}: must be {needed}, not {quoted(value)}")
        self.field = field
        self.value = value
        self.needed = needed


class UnknownKindError(ConversionError):
    """This kind is not known in this version."""

    def __init__(self, api_version: object, kind: object, known: str) -> None:
        super().__init__(f"{kind} of {api_version} is unknown here; known are: {known}")
        self.api_version = api_version
        self.kind = kind


class MissingPairError(ConversionError):
    """A served version has no `Pair`: the program is incomplete and must not start."""

    def __init__(self, kind: str, version: str) -> None:
        super().__init__(f"{kind} {version} is served, but conversion has no pair for it")
        self.kind = kind
        self.version = version


def quoted(value: object) -> str:
    """Return a bad value as an error shows it to a person."""
    text = repr(value)
    return text if len(text) <= _QUOTED_CHARACTERS else text[:_QUOTED_CHARACTERS] + "…"
