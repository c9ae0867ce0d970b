# SPDX-License-Identifier: Apache-2.0
"""`kubectl_complete-ipam`: what kubectl asks when a user presses the tab key.

kubectl 1.26 and later run it with the words after `kubectl ipam`; the last one is incomplete.  It
answers a line for each completion, and a last line with a directive for the shell.
Source: https://pkg.go.dev/github.com/spf13/cobra#ShellCompDirective
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click
from click.shell_completion import ShellComplete

from .main import COMPLETE, main

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_FILES = 0
"""Directive: the shell may complete names of files."""

_NO_FILES = 4
"""Directive: the shell must not."""


def lines(words: Sequence[str]) -> Iterator[str]:
    """Yield the completions of the last word, and the directive."""
    *before, incomplete = words or [""]
    completer = ShellComplete(main, {}, "kubectl-ipam", COMPLETE)
    found = completer.get_completions(list(before), incomplete)
    for item in found:
        if item.type == "plain":
            yield f"{item.value}\t{item.help}" if item.help else str(item.value)
    yield f":{_FILES if any(item.type in {'file', 'dir'} for item in found) else _NO_FILES}"


def run() -> None:
    """Answer kubectl."""
    click.echo("\n".join(lines(sys.argv[1:])))
