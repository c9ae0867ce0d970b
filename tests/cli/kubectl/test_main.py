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


@pytest.mark.parametrize(
    ("words", "shown", "unneeded"),
    [
        (["pools", "--help"], "List the pools", {"fastapi", "pydantic", "ruamel"}),
        (["--help"], "who-has   Show the holder", {"fastapi", "rich", "aiohttp"}),
    ],
)
def test_help_does_not_wait_for_what_only_other_commands_need(
    words: list[str], shown: str, unneeded: set[str]
) -> None:
    program = (
        "import sys; from cli.kubectl.main import main\n"
        f"main({words}, standalone_mode=False)\n"
        f"print(*{unneeded} & set(sys.modules))"
    )

    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )

    assert shown in done.stdout
    assert done.stdout.splitlines()[-1] == ""


def test_a_command_seldom_collects_garbage() -> None:
    lines = (
        "import atexit, gc, sys",
        "from cli.kubectl import main",
        "seen = []",
        "gc.callbacks.append(lambda phase, info: seen.append(phase))",
        "atexit.register(lambda: print(len(seen), file=sys.stderr))",
        "sys.argv = ['kubectl-ipam', 'pools', '--help']",
        "main.run()",
    )
    command = [sys.executable, "-c", "\n".join(lines)]

    done = subprocess.run(command, check=True, capture_output=True, text=True)

    assert int(done.stderr) < 20  # by default, more than 100
