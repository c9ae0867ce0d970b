# SPDX-License-Identifier: Apache-2.0
"""Replace characters that control a terminal.

A user who may create a claim can write them into the name of its pool, because some versions of
Cluster API do not check that name.
"""

_PICTURES = {
    **{code: 0x2400 + code for code in range(0x20) if chr(code) not in "\t\n"},
    0x7F: ord("␡"),
    **dict.fromkeys(range(0x80, 0xA0), ord("�")),
}
"""The replacement of each character."""


def printable(text: str) -> str:
    """Return a text without characters that control a terminal."""
    return text.translate(_PICTURES)
