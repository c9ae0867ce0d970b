# SPDX-License-Identifier: Apache-2.0
"""The file that `kubectl ipam map --export` writes, and the command that applies manifests."""

import io
import shlex
from pathlib import Path

import pytest

from cli import inputs
from cli.kubectl import options
from cli.kubectl.map import command


def _latin(*_: object) -> str:
    return "iso-8859-1"  # the encoding of the locale


def test_the_command_that_applies_manifests_is_for_the_same_cluster(tmp_path: Path) -> None:
    (tmp_path / "my pools.yaml").write_text("{}")
    target = options.Target("config", "factory", "machines")

    found = command._manifest(inputs.Names([str(tmp_path)], recursive=True), target)

    assert found.apply == (
        "kubectl apply --kubeconfig config --context factory --namespace machines "
        f"-f {shlex.quote(str(tmp_path))} -R"
    )


def test_the_file_is_in_the_encoding_that_it_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "map.html"
    monkeypatch.setattr(io, "text_encoding", _latin)

    command._write(path, "░")

    assert path.read_bytes() == "░".encode()
