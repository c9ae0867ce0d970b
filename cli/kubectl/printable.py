# SPDX-License-Identifier: Apache-2.0
"""Replace characters that control a terminal.

Whoever may create a claim may write them into the name of its pool, in versions of Cluster API that
do not check it.
"""

_PICTURES = {
    **{code: 0x2400 + code for code in range(0x20) if chr(code) not in "\t\n"},
    0x7F: ord("␡"),
    **dict.fromkeys(range(0x80, 0xA0), ord("�")),
}
"""What is written for each."""


def printable(text: str) -> str:
    """Return a text without characters that control a terminal."""
    return text.translate(_PICTURES)
