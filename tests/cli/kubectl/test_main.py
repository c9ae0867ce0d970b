# SPDX-License-Identifier: Apache-2.0
"""The program as kubectl starts it."""

import io
import subprocess
import sys

import pytest
from click import testing

from cli.kubectl import errors, main, pools, printing


@pytest.mark.parametrize(
    "words", [["reserve", "blue", "10.0.0.7", "--name", "printer"], ["release", "printer", "--yes"]]
)
def test_no_claim_is_written_in_a_namespace_that_nobody_chose(words: list[str]) -> None:
    result = testing.CliRunner().invoke(main.main, [*words, "-A", "--kubeconfig", "none"])

    assert result.exit_code == errors.USAGE
    assert "a claim is in one namespace" in result.stderr


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


def test_a_command_with_a_cluster_does_not_wait_for_what_only_others_need() -> None:
    program = (
        "import sys; from cli.kubectl.main import main\n"
        "main(['pools', '--help'], standalone_mode=False)\n"
        "print(*{'fastapi', 'pydantic', 'ruamel'} & set(sys.modules))"
    )

    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )

    assert "List the pools" in done.stdout
    assert done.stdout.splitlines()[-1] == ""
