# SPDX-License-Identifier: Apache-2.0
import re
import shutil
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner

from envtest import __main__ as command_line
from envtest import errors
from envtest.controlplane import binaries, building, capi

TOOL = binaries.ETCD
ALL = (*binaries.END_TO_END, binaries.CONTROLLER_GEN, binaries.SETUP_ENVTEST)
SERIES = tuple(capi.SERIES)
GO = """#!/bin/sh
echo "go: downloading example.com/a v1" >&2
echo example.com/a >&2
while [ $# -gt 1 ]; do [ "$1" = -o ] && out=$2; shift; done
echo "built, on ${GOMAXPROCS:-all} cores" > "$out"
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
    path: Path,
    cache: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    go = install(path, "go", GO)
    monkeypatch.setenv("GOMAXPROCS", "1")  # as in parallel tests

    built = binaries.find(TOOL, cache=cache)
    go.unlink()

    assert built.read_text() == "built, on all cores\n"
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
    monkeypatch.setattr(building, "PROGRESS_SECONDS", 0.01)
    ready = cache / "go-on"
    install(path, "go", GO + f"while [ ! -e {ready} ]; do /bin/sleep 0.01; done\n")
    shown = "1 modules fetched, 1 packages built"
    printed: list[str] = []

    def say(line: str) -> None:
        printed.append(line)
        if shown in line:
            ready.touch()

    monkeypatch.setattr(building, "say", say)

    binaries.find(TOOL, cache=cache)

    assert any(shown in line for line in printed)


@pytest.mark.parametrize("series", SERIES)
def test_the_one_clusterctl_on_the_path_serves_the_series_that_it_is_of(
    path: Path, cache: Path, series: str
) -> None:
    version = binaries.CLUSTERCTL[series].version
    expected = install(path, "clusterctl", f'#!/bin/sh\n[ "$1" = version ] && echo {version}\n')
    others = [tool for key, tool in binaries.CLUSTERCTL.items() if key != series]

    assert binaries.find(binaries.CLUSTERCTL[series], cache=cache) == expected
    for other in others:
        with pytest.raises(errors.MissingToolError, match=other.name):
            binaries.find(other, cache=cache)


def test_clusterctl_is_asked_for_its_version_without_asking_the_network(
    path: Path, cache: Path
) -> None:
    tool = binaries.CLUSTERCTL[capi.NEWEST]
    script = f'[ "$CLUSTERCTL_DISABLE_VERSIONCHECK" = true ] && echo {tool.version}'
    expected = install(path, "clusterctl", f"#!/bin/sh\n{script}\n")

    assert binaries.find(tool, cache=cache) == expected


@pytest.mark.parametrize(
    "tool", [binaries.CERT_MANAGER, binaries.CAPI_MANAGER[capi.NEWEST]], ids=lambda tool: tool.name
)
def test_a_program_on_the_path_that_cannot_say_its_version_is_not_even_run(
    tmp_path: Path, path: Path, cache: Path, tool: binaries.Tool
) -> None:
    trace = tmp_path / "was-run"
    install(path, tool.name, f"#!/bin/sh\necho {tool.version} | /usr/bin/tee {trace}\n")

    with pytest.raises(errors.MissingToolError):
        binaries.find(tool, cache=cache)

    assert not trace.exists()


def test_versions_of_one_program_are_kept_side_by_side(path: Path, cache: Path) -> None:
    install(path, "go", GO)

    built = {binaries.find(tool, cache=cache) for tool in binaries.CLUSTERCTL.values()}

    assert len(built) == len(SERIES)
    assert len({program.parent for program in built}) == len(SERIES)


@pytest.mark.parametrize("file", ["go.mod", "go.sum", "main.go"])
def test_what_decides_the_program_decides_its_entry(
    tmp_path: Path, path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, file: str
) -> None:
    tool = binaries.CERT_MANAGER
    install(path, "go", GO)
    before = binaries.find(tool, cache=cache)
    module = shutil.copytree(tool.folder, tmp_path / "tools" / tool.module)
    monkeypatch.setattr(binaries, "TOOLS", tmp_path / "tools")
    assert binaries.find(tool, cache=cache) == before

    (module / file).write_text((module / file).read_text() + "// changed\n")

    assert binaries.find(tool, cache=cache).parent != before.parent
    assert before.exists()


def test_clusterctl_says_that_its_tree_was_clean() -> None:
    flags = binaries.CLUSTERCTL[capi.NEWEST].linker_flags

    assert "-X sigs.k8s.io/cluster-api/version.gitTreeState=clean" in flags


@pytest.mark.parametrize("tool", ALL, ids=lambda tool: tool.name)
def test_every_pin_is_a_release(tool: binaries.Tool) -> None:
    assert re.fullmatch(r"v\d+\.\d+\.\d+", tool.version)


def test_a_series_pins_a_release_of_its_own() -> None:
    for series in SERIES:
        for tool in (binaries.CLUSTERCTL[series], binaries.CAPI_MANAGER[series]):
            assert tool.version.startswith(f"{series}.")


@pytest.mark.parametrize("tool", ALL, ids=lambda tool: tool.name)
def test_go_mod_names_what_is_built_so_that_tidying_keeps_its_pins(tool: binaries.Tool) -> None:
    ours = tool.package == "."
    named = rf"^(?:tool |\t){re.escape(tool.package)}$"

    assert ours or re.search(named, (tool.folder / "go.mod").read_text(), re.MULTILINE)


@pytest.mark.parametrize(
    ("tool", "package"),
    [
        (binaries.KUBE_APISERVER, "k8s.io/component-base/version"),
        (binaries.KUBE_CONTROLLER_MANAGER, "k8s.io/component-base/version"),
        (binaries.CLUSTERCTL[capi.OLDEST], "sigs.k8s.io/cluster-api/version"),
        (binaries.CAPI_MANAGER[capi.NEWEST], "sigs.k8s.io/cluster-api/version"),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_a_program_is_linked_with_its_version(tool: binaries.Tool, package: str) -> None:
    major, minor, _ = tool.version.removeprefix("v").split(".")

    for stamp in (f"gitVersion={tool.version}", f"gitMajor={major}", f"gitMinor={minor}"):
        assert f"-X {package}.{stamp}" in tool.linker_flags


@pytest.mark.parametrize(
    ("arguments", "tools"),
    [
        pytest.param([], (*binaries.CONTROL_PLANE, binaries.KUBECTL), id="plain"),
        pytest.param(["--e2e"], binaries.END_TO_END, id="end to end"),
    ],
)
def test_build_finds_each_once_and_says_where_it_is(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    tools: tuple[binaries.Tool, ...],
) -> None:
    assets = tmp_path / "assets"
    expected = [f"{tool.name} {tool.version}: {install(assets, tool.name, '')}" for tool in tools]
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(assets))

    done = CliRunner().invoke(command_line.main, ["build", *arguments])

    assert done.output.splitlines() == expected
    assert len({tool.name for tool in tools}) == len(tools)
