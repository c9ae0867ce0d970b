# SPDX-License-Identifier: Apache-2.0
"""Files with credentials: each change is seen, and a bad moment is outlived."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from kube.errors import CredentialsError
from kube.files import File

HOUR = 3600


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text("old")
    return path


def test_a_file_that_was_replaced_is_read_again(path: Path) -> None:
    file = File(path)
    assert file.read() == b"old"

    fresh = path.with_name("fresh")
    fresh.write_text("new")
    os.utime(fresh, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))  # only the inode tells
    fresh.replace(path)

    assert file.read() == b"new"


def test_a_file_that_was_written_over_is_read_again_though_the_clock_was_set_back(
    path: Path,
) -> None:
    file = File(path)
    file.read()
    before = path.stat().st_mtime

    path.write_text("new")
    os.utime(path, (before - HOUR, before - HOUR))

    assert file.read() == b"new"


def test_a_swap_of_the_folder_is_seen_as_the_kubelet_does_it(tmp_path: Path) -> None:
    for name in ("..old", "..new"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "token").write_text(name)
    (tmp_path / "..data").symlink_to("..old")
    (tmp_path / "token").symlink_to("..data/token")
    file = File(tmp_path / "token")
    assert file.read() == b"..old"

    (tmp_path / "..next").symlink_to("..new")
    (tmp_path / "..next").replace(tmp_path / "..data")

    assert file.read() == b"..new"


def test_an_unchanged_file_is_not_read_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = File(path)
    file.read()

    def read_bytes(_: Path) -> bytes:
        pytest.fail("it was read")

    monkeypatch.setattr(Path, "read_bytes", read_bytes)

    assert file.read() == b"old"


def empty(path: Path) -> None:
    path.write_text(" \n")


@pytest.mark.parametrize("damage", [Path.unlink, empty])
def test_the_last_content_stays_while_a_file_is_missing_or_empty(
    path: Path, damage: Callable[[Path], None]
) -> None:
    file = File(path)
    file.read()

    damage(path)
    assert file.read() == b"old"

    path.write_text("new")
    assert file.read() == b"new"


def test_a_file_without_content_is_an_error_that_names_it_until_there_is_some(path: Path) -> None:
    path.write_text("")
    file = File(path)

    for _ in range(2):
        with pytest.raises(CredentialsError, match=r"token: the file is empty"):
            file.read()

    path.write_text("new")
    assert file.read() == b"new"
