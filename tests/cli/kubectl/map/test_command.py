# SPDX-License-Identifier: Apache-2.0
"""The file that `kubectl ipam map --export` writes."""

import io
from pathlib import Path

import pytest

from cli.kubectl.map import command


def _latin(*_: object) -> str:
    return "iso-8859-1"  # the encoding of the locale


def test_the_file_is_in_the_encoding_that_it_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "map.html"
    monkeypatch.setattr(io, "text_encoding", _latin)

    command._write(path, "░")

    assert path.read_bytes() == "░".encode()
