# SPDX-License-Identifier: Apache-2.0
"""Pictures of what commands print on a terminal, with colours."""

import fcntl
import io
import os
import pty
import re
import struct
import subprocess
import termios
from collections.abc import Mapping

from rich.console import Console
from rich.text import Text

COLUMNS, ROWS = 110, 40

_ELSEWHERE = re.compile(r"\s*(@font-face \{.*?\}|<!--.*?-->)", re.DOTALL)
"""Fonts of another server, and its name: a browser that shows the picture asks no server."""


def printed(command: str, environment: Mapping[str, str]) -> str:
    """Return what a command writes to a terminal."""
    outer, inner = pty.openpty()
    fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    kind = {"TERM": "xterm-256color", "PYTHONUTF8": "1"}
    with subprocess.Popen(
        ["sh", "-c", command], stdout=inner, stderr=inner, env={**environment, **kind}
    ) as process:
        os.close(inner)
        text = b"".join(_pieces(outer))
    os.close(outer)
    assert process.returncode == 0, text
    return text.decode().replace("\r\n", "\n")


def picture(text: str, title: str) -> str:
    """Return an SVG of a terminal."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    console.print(Text.from_ansi(text), overflow="fold")
    svg = _ELSEWHERE.sub("", console.export_svg(title=title))
    return re.sub(r"[ \t]+$", "", svg, flags=re.MULTILINE).rstrip() + "\n"


def _pieces(descriptor: int) -> list[bytes]:
    """Read to the end, which is an error of the terminal."""
    found = list[bytes]()
    while True:
        try:
            found.append(os.read(descriptor, 1 << 16))
        except OSError:
            return found
