# SPDX-License-Identifier: Apache-2.0
"""What the page about the command line tells its readers to run works as it stands there."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click import testing

from cli import main

PAGE = Path("docs/how-to/command-line.md").resolve()
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMPLETION = "## Complete commands with the tab key"

ASK: dict[str, str] = {
    "bash": """
COMP_WORDS=(ipam-in-cluster conv) COMP_CWORD=1
_ipam_in_cluster_completion ipam-in-cluster
echo "${COMPREPLY[@]}"
complete -p ipam-in-cluster
""",
    "zsh": """
[[ $_comps[ipam-in-cluster] == _ipam_in_cluster_completion ]] || exit 1
compadd() { : } ; _describe() { print -r -- ${(P)3} ${(P)2} }
words=(ipam-in-cluster conv) CURRENT=2
_ipam_in_cluster_completion
""",
    "fish": 'complete --do-complete "ipam-in-cluster conv"\n',
}
"""How each shell is asked what `ipam-in-cluster conv` may become, as by the tab key."""

BEFORE = {"bash": "", "zsh": "autoload -U compinit && compinit -u -D\n", "fish": ""}


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    programs = Path(sys.executable).parent
    home = {"HOME": str(tmp_path), "ZDOTDIR": str(tmp_path), "TERM": "dumb"}
    return os.environ | home | {"PATH": f"{programs}:{os.environ['PATH']}"}


def run(
    shell: str, commands: str, folder: Path, environment: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [shell, "-c", commands],
        cwd=folder,
        env=environment,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done


def test_the_page_does_what_it_shows(tmp_path: Path, environment: dict[str, str]) -> None:
    text = PAGE.read_text().partition(COMPLETION)[0]
    blocks: list[tuple[str, str]] = BLOCK.findall(text)
    ((_, manifest),) = [block for block in blocks if block[0] == "yaml"]
    (tmp_path / "pools.yaml").write_text(manifest)
    commands = [block for kind, block in blocks if kind == "bash"]

    checked, changed, converted = (
        run("bash", f"set -euo pipefail\n{each}", tmp_path, environment) for each in commands
    )

    assert (checked.stdout, checked.stderr) == ("", "")
    assert "warning: takes addresses out of the pool" in changed.stderr
    *_, (_, shown) = [block for block in blocks if block[0] == "console"]
    assert converted.stdout == f"# pools.yaml\n{shown}"


def test_all_spellings_of_files_are_the_same(tmp_path: Path, environment: dict[str, str]) -> None:
    (tmp_path / "pools").mkdir()
    (tmp_path / "pools" / "bad.yaml").write_text(
        "apiVersion: ipam.cluster.x-k8s.io/v1alpha2\nkind: InClusterIPPool\nspec: {}\n"
    )
    (_, commands), *_ = BLOCK.findall(PAGE.read_text())

    said = [
        run("bash", f"! {each}", tmp_path, environment).stderr for each in commands.splitlines()
    ]

    assert len(said) == 3
    assert len(set(said)) == 1
    assert "spec.prefix: is required" in said[0]


@pytest.mark.parametrize("shell", ASK)
def test_shells_complete_commands(shell: str, tmp_path: Path, environment: dict[str, str]) -> None:
    (line,) = completion_lines(shell)
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")

    done = run(shell, f"{BEFORE[shell]}{line}{ASK[shell]}", tmp_path, environment)

    assert "convert" in done.stdout
    assert "validate" not in done.stdout


@pytest.mark.parametrize("shell", ASK)
def test_the_page_names_the_script_of_each_shell(shell: str) -> None:
    (line,) = completion_lines(shell)
    variable = re.findall(r"(\w+)=(\w+) ipam-in-cluster", line)

    printed = completion(dict(variable))

    assert "_ipam_in_cluster_completion" in printed
    assert f"{shell}_complete" in printed


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("convert --to ", ["plain,v1alpha1", "plain,v1alpha2"]),
        ("convert -f ", ["file,"]),
        ("convert ", ["file,"]),
        ("validate ", ["file,"]),
        ("validate --old ", ["file,"]),
        ("convert --in", ["plain,--in-place"]),
    ],
)
def test_options_versions_and_files_are_completed(words: str, found: list[str]) -> None:
    line = f"ipam-in-cluster {words}"
    asked = {
        "_IPAM_IN_CLUSTER_COMPLETE": "bash_complete",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(line.split(" ")) - 1),
    }

    assert completion(asked).splitlines() == found


def completion(asked: dict[str, str]) -> str:
    """Return what the program prints when a shell asks by variables, without a start of it."""
    return testing.CliRunner().invoke(main.main, prog_name="ipam-in-cluster", env=asked).stdout


def completion_lines(shell: str) -> list[str]:
    """Return the lines that the page gives to the users of a shell."""
    section = PAGE.read_text().partition(COMPLETION)[2]
    return [block for kind, block in BLOCK.findall(section) if kind == shell]
