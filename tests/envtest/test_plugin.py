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
    [("", 10), ("control_plane", 10), ("not control_plane and not builds and not browser", 20)],
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


@pytest.mark.parametrize(("worker", "cores"), [("gw0", "1"), ("", None)])
def test_go_programs_use_one_core_in_parallel_tests(
    pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch, worker: str, cores: str | None
) -> None:
    for name in ("GOGC", "GOMAXPROCS", "PYTEST_XDIST_WORKER"):
        monkeypatch.delenv(name, raising=False)
    if worker:
        monkeypatch.setenv("PYTEST_XDIST_WORKER", worker)

    plugin.pytest_configure(pytestconfig)

    assert os.environ.pop("GOGC") == "400"
    assert os.environ.pop("GOMAXPROCS", None) == cores


def test_the_users_settings_of_go_programs_are_kept(
    pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOGC", "50")
    monkeypatch.setenv("GOMAXPROCS", "8")

    plugin.pytest_configure(pytestconfig)

    assert (os.environ["GOGC"], os.environ["GOMAXPROCS"]) == ("50", "8")
