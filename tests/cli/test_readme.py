# SPDX-License-Identifier: Apache-2.0
"""What the README tells its readers to write and to run works as it stands there."""

import os
import re
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def block(kind: str) -> str:
    (found,) = [text for language, text in BLOCK.findall(README) if language == kind]
    assert isinstance(found, str)
    return found


def test_the_commands_accept_the_manifests(tmp_path: Path) -> None:
    (tmp_path / "pools").mkdir()
    for name in ("pools/all.yaml", "pools.yaml", "now.yaml"):
        (tmp_path / name).write_text(block("yaml"))
    programs = f"{Path(sys.executable).parent}:{os.environ['PATH']}"

    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block("bash")],
        cwd=tmp_path,
        env=os.environ | {"PATH": programs},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert "error" not in done.stderr
    converted = yaml.safe_load_all((tmp_path / "pools/all.yaml").read_text())
    versions = [it["apiVersion"].rpartition("/")[2] for it in converted]
    assert versions == ["v1alpha2"] * 3 + ["v1beta2"]


def test_the_table_of_releases_names_every_series_that_is_tested() -> None:
    tested = {path.name.removeprefix("v") for path in (ROOT / "hack/tools/clusterapi").iterdir()}
    rows = re.findall(r"^\| (1\.\d+) \| v1beta\d \| 2\.\d \| (\d\S+):", README, re.MULTILINE)

    for series, release in rows:
        assert release.startswith(f"{series}.")
    assert tested
    assert tested <= {series for series, _ in rows}


def test_the_picture_comes_before_the_first_section() -> None:
    assert README.index("```mermaid") < README.index("\n## ")
