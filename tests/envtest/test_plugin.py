# SPDX-License-Identifier: Apache-2.0
"""What the plugin does besides its fixtures: logs of failed tests, and parallel processes."""

import os
from pathlib import Path

import pytest

from envtest import plugin


def test_the_sizes_of_all_logs_are_known_but_of_those_that_are_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plugin, "_FOLDERS", [tmp_path, tmp_path / "gone"])
    pod = tmp_path / "pods" / "web"
    (pod / "container").mkdir(parents=True)
    (pod / "container" / "its-own.log").write_text("of the image")
    (pod / "web.log").write_text("ours")
    (pod / "gone.log").symlink_to(pod / "nowhere")

    assert plugin._sizes() == {pod / "web.log": len("ours")}


@pytest.mark.parametrize(
    ("chosen", "processes"),
    [("", 9), ("control_plane", 9), ("not control_plane and not builds", 20)],
)
def test_there_are_more_processes_than_cores(
    pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch, chosen: str, processes: int
) -> None:
    def cores(_: int) -> set[int]:
        return {*range(8)}

    monkeypatch.setattr(os, "sched_getaffinity", cores)
    monkeypatch.setattr(pytestconfig.option, "markexpr", chosen)

    found = pytestconfig.hook.pytest_xdist_auto_num_workers(config=pytestconfig)

    assert found == processes


def test_programs_of_go_take_less_cpu_time_for_memory_unless_the_user_says_how(
    pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert os.environ["GOGC"]
    monkeypatch.setenv("GOGC", "50")

    plugin.pytest_configure(pytestconfig)

    assert os.environ["GOGC"] == "50"
