# SPDX-License-Identifier: Apache-2.0
"""docs/reference/programs.md says what the programs say and do themselves."""

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click import testing

from generator import manifests, programs

BIN = Path(sys.executable).parent
PAGE = manifests.programs_page()
FLAG = re.compile(r"^\| `([^`]+)` \|", re.MULTILINE)
GOOD, BAD = "10.0.0.1", "10.0.0.300"
NO_PORTS = "--webhook-port=0 --health-probe-bind-address=0 --diagnostics-address=0"


def run(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    program, *arguments = command.split()
    return subprocess.run(
        [BIN / program, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def section(name: str) -> str:
    return PAGE.partition(f"\n## {name}\n")[2].partition("\n## ")[0]


def flags_in(printed: str) -> list[str]:
    return re.findall(r"^  (-.*?)(?:  |$)", printed, re.MULTILINE)


def flags_of(name: str) -> list[str]:
    """Return the flags in the help of a program or command, without a start of the program."""
    program, *arguments = name.split()
    main = importlib.import_module(dict(programs.MODULES)[program]).main
    return flags_in(testing.CliRunner().invoke(main, [*arguments, "--help"]).stdout)


@pytest.mark.parametrize("name", [it.name for it in programs.commands()])
def test_the_page_has_the_flags_that_help_prints_and_no_others(name: str) -> None:
    written = [flag.replace(r"\|", "|") for flag in FLAG.findall(section(name))]

    assert written
    assert written == flags_of(name)


@pytest.mark.parametrize("program", dict(programs.MODULES))
def test_each_program_prints_this_help(program: str, tmp_path: Path) -> None:
    assert flags_in(run(f"{program} --help", tmp_path).stdout) == flags_of(program)


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("ipam-in-cluster validate good.yaml", 0),
        ("ipam-in-cluster validate bad.yaml", 1),
        ("ipam-in-cluster convert --to v1alpha1 bad.yaml", 1),
        ("ipam-in-cluster webhook --cert-dir .", 1),
        ("ipam-in-cluster validate --nonsense", 2),
        ("ipam-in-cluster-manager --version", 0),
        (f"ipam-in-cluster-manager --kubeconfig good.yaml --nonsense {NO_PORTS}", 1),
        ("ipam-in-cluster-manager --kubeconfig missing", 2),
        ("ipam-in-cluster-manager --leader-elect=perhaps", 2),
    ],
)
def test_the_exit_codes_are_those_of_the_page(command: str, code: int, tmp_path: Path) -> None:
    for name, address in (("good.yaml", GOOD), ("bad.yaml", BAD)):
        (tmp_path / name).write_text(
            "apiVersion: ipam.cluster.x-k8s.io/v1alpha2\nkind: InClusterIPPool\n"
            f"metadata: {{name: blue}}\nspec: {{addresses: [{address}], prefix: 24}}\n"
        )

    done = run(command, tmp_path)

    assert done.returncode == code, done.stderr
    assert f"\n| {code} | " in section("Exit codes")
    assert "Traceback" not in done.stdout + done.stderr
