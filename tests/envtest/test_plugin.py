# SPDX-License-Identifier: Apache-2.0
"""A failed test shows the ends of logs, wherever they are, and whatever goes away meanwhile."""

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
