# SPDX-License-Identifier: Apache-2.0
"""The program as kubectl starts it."""

import io
import sys

import pytest

from cli.kubectl import main, pools, printing


def test_a_terminal_without_blocks_gets_other_characters(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.BytesIO()
    answer = printing.Answer({}, [printing.Column("ÜBER")], [(pools.bar(0.5),)])

    def show(**_: str) -> None:
        printing.show(answer, "table")

    monkeypatch.setattr(main, "main", show)
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, "iso-8859-1"))

    main.run()
    sys.stdout.flush()

    assert written.getvalue().decode("iso-8859-1").split() == ["ÜBER", "?" * 20, "50%"]
