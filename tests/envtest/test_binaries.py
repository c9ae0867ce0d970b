# SPDX-License-Identifier: Apache-2.0
import stat
from pathlib import Path

import pytest

from envtest import binaries, errors

TOOL = binaries.ETCD
GO = """#!/bin/sh
echo "go: downloading example.com/a v1" >&2
echo example.com/a >&2
while [ $# -gt 1 ]; do [ "$1" = -o ] && out=$2; shift; done
echo built > "$out"
"""
BROKEN_GO = """#!/bin/sh
echo "example.com/a: undefined: b" >&2
exit 2
"""


@pytest.fixture(autouse=True)
def nothing_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}")
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "bin"


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def install(folder: Path, name: str, script: str) -> Path:
    folder.mkdir(exist_ok=True)
    program = folder / name
    program.write_text(script)
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return program


def test_assets_come_first(
    tmp_path: Path, path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(path, "etcd", f"#!/bin/sh\necho {TOOL.version}\n")
    expected = install(tmp_path / "assets", "etcd", "")
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(expected.parent))

    assert binaries.find(TOOL, cache=cache) == expected


def test_a_program_on_the_path_serves_in_the_pinned_version(path: Path, cache: Path) -> None:
    version = TOOL.version.removeprefix("v")
    expected = install(path, "etcd", f"#!/bin/sh\necho etcd Version: {version}\n")

    assert binaries.find(TOOL, cache=cache) == expected


@pytest.mark.parametrize("version", ["1.2.3", f"1{TOOL.version[1:]}", f"{TOOL.version}-rc.1"])
def test_a_program_on_the_path_in_another_version_does_not(
    path: Path, cache: Path, version: str
) -> None:
    install(path, "etcd", f"#!/bin/sh\necho etcd Version: {version}\n")

    with pytest.raises(errors.MissingToolError):
        binaries.find(TOOL, cache=cache)


def test_without_go_the_error_says_what_to_do(cache: Path) -> None:
    with pytest.raises(
        errors.MissingToolError, match=r"etcd is not .* install Go 1\.26"
    ) as missing:
        binaries.find(TOOL, cache=cache)

    assert missing.value.tool == "etcd"


def test_what_go_builds_is_kept(
    path: Path, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    go = install(path, "go", GO)

    built = binaries.find(TOOL, cache=cache)
    go.unlink()

    assert built.read_text() == "built\n"
    assert binaries.find(TOOL, cache=cache) == built
    assert f"building etcd {TOOL.version}" in capsys.readouterr().err


def test_a_failed_build_leaves_nothing_and_quotes_the_compiler(path: Path, cache: Path) -> None:
    install(path, "go", BROKEN_GO)

    with pytest.raises(errors.BuildError, match="undefined: b") as failed:
        binaries.find(TOOL, cache=cache)

    assert failed.value.status == 2
    assert [file.name for file in cache.rglob("*") if file.is_file()] == ["etcd.lock"]


def test_a_long_build_shows_that_it_lives(
    path: Path,
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(binaries, "PROGRESS_SECONDS", 0.01)
    ready = cache / "go-on"
    install(path, "go", GO + f"while [ ! -e {ready} ]; do /bin/sleep 0.01; done\n")
    shown = "1 modules fetched, 1 packages built"
    printed: list[str] = []

    def say(line: str) -> None:
        printed.append(line)
        if shown in line:
            ready.touch()

    monkeypatch.setattr(binaries, "_say", say)

    binaries.find(TOOL, cache=cache)

    assert any(shown in line for line in printed)


def test_every_pin_is_a_version() -> None:
    for tool in (*binaries.CONTROL_PLANE, binaries.KUBECTL, binaries.CONTROLLER_GEN):
        assert tool.version.startswith("v")


def test_kubernetes_programs_are_linked_with_their_version() -> None:
    flags = binaries.KUBE_APISERVER.linker_flags

    assert f"gitVersion={binaries.KUBE_APISERVER.version}" in flags
    assert "gitMajor=1" in flags
