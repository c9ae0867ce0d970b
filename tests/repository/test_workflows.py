# SPDX-License-Identifier: Apache-2.0
"""What continuous integration runs: valid, pinned, read-only, and made of make targets."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from envtest.controlplane import binaries

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yaml"))
ACTIONLINT = binaries.Tool(
    name="actionlint",
    module="actionlint",
    package="github.com/rhysd/actionlint/cmd/actionlint",
    requirement="github.com/rhysd/actionlint",
    version_arguments=(),
    minutes=1,
)
PINNED = re.compile(r"uses: \S+@[0-9a-f]{40} # v\d+\.\d+\.\d+")


def actionlint(*files: Path) -> subprocess.CompletedProcess[str]:
    command = [str(binaries.find(ACTIONLINT)), "-shellcheck=", "-pyflakes=", *map(str, files)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def jobs(workflow: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(workflow.read_text())["jobs"]
    return found


def test_actionlint_accepts_the_workflows() -> None:
    done = actionlint(*WORKFLOWS)

    assert WORKFLOWS
    assert (done.returncode, done.stdout) == (0, "")


def test_actionlint_refuses_a_workflow_with_a_mistake(tmp_path: Path) -> None:
    wrong = tmp_path / "check.yaml"
    wrong.write_text(WORKFLOWS[0].read_text().replace("timeout-minutes", "timeout-hours", 1))

    done = actionlint(wrong)

    assert done.returncode == 1
    assert 'unexpected key "timeout-hours"' in done.stdout


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_every_action_is_pinned_by_commit_and_names_its_version(workflow: Path) -> None:
    lines = [line.strip(" -") for line in workflow.read_text().splitlines() if "uses:" in line]

    assert lines
    assert [line for line in lines if not PINNED.fullmatch(line)] == []


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_may_only_read(workflow: Path) -> None:
    assert yaml.safe_load(workflow.read_text())["permissions"] == {"contents": "read"}
    assert [name for name, job in jobs(workflow).items() if "permissions" in job] == []


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_no_job_keeps_the_token_or_runs_for_ever(workflow: Path) -> None:
    for name, job in jobs(workflow).items():
        assert job["timeout-minutes"] <= 120, name
        (checkout,) = [it for it in job["steps"] if "actions/checkout@" in it.get("uses", "")]
        assert checkout["with"]["persist-credentials"] is False, name


def test_together_they_run_what_must_pass() -> None:
    steps = [step for path in WORKFLOWS for job in jobs(path).values() for step in job["steps"]]
    run = {step["run"] for step in steps if "run" in step}
    checks = re.search(r"^check: (.*?) ##", (ROOT / "Makefile").read_text(), re.MULTILINE)

    assert checks is not None
    assert {f"make {target}" for target in checks[1].split()} < run
    assert {"make docs", "make e2e-packages", "make e2e"} < run
