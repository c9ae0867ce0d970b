# SPDX-License-Identifier: Apache-2.0
"""One document of a file, as text and as a value."""

from dataclasses import dataclass

DEEPEST = 100
"""Levels of nesting.  The deepest manifests, CRDs, have about 50, and Python's stack ends at 1000
calls, of which writing YAML takes 3 a level.
"""


@dataclass(frozen=True, slots=True)
class Source:
    """A document.

    `value` is the value that the API server would get; None if the document is empty.
    `text` is its text, up to the start of the next document.
    `lead` is the text that separates it from a document before it.
    `lost` has the comments that `text` lost when it was converted.
    """

    value: object
    text: str
    lead: str = ""
    lost: tuple[str, ...] = ()
