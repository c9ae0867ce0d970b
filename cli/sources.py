# SPDX-License-Identifier: Apache-2.0
"""One document of a file, as it is written and as it is meant."""

from dataclasses import dataclass

DEEPEST = 100
"""Levels of nesting.  The deepest manifests, CRDs, have about 50, and Python's stack ends at 1000
calls, of which writing YAML takes 3 a level.
"""


@dataclass(frozen=True, slots=True)
class Source:
    """A document.

    `value` is what the API server would get of it, None where it is empty.
    `text` is how it is written, from where it begins to where the next one does.
    `lead` is what has to stand between another document and `text`.
    `lost` are the comments that `text` could not keep when it was converted.
    """

    value: object
    text: str
    lead: str = ""
    lost: tuple[str, ...] = ()
