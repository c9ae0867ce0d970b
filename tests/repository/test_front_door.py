# SPDX-License-Identifier: Apache-2.0
"""The files that a contributor meets first agree with the rest of the repository."""

import configparser
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from envtest.controlplane import install

ROOT = Path(__file__).parents[2]
PAGES = sorted(ROOT.glob("*.md"))
NAMING_TARGETS = (
    *PAGES,
    ROOT / ".pre-commit-config.yaml",
    ROOT / ".devcontainer/devcontainer.json",
    *sorted((ROOT / ".github").rglob("*.*")),
)
NAMED_TARGETS = re.compile(r"(?:`|\"|run: |entry: |^\s*)make ([a-z0-9 -]+)", re.MULTILINE)
TILT_KEYS = {"label", "kustomize_folder", "version", "resource_deps"}
"""Of the keys that Cluster API's Tiltfile and tilt-prepare read, those that ours uses."""


def text_of(name: str) -> str:
    return (ROOT / name).read_text()


def data_of(name: str) -> Any:
    return yaml.safe_load(text_of(name))


def slug(heading: str) -> str:
    """Return the anchor of a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def anchors(page: Path) -> set[str]:
    return {slug(it) for it in re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)}


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]+))?\)", page.read_text())

    for path, anchor in links:
        target = ROOT / path if path else page
        assert target.exists(), path
        assert not anchor or anchor in anchors(target), f"{path}#{anchor}"


@pytest.mark.parametrize("path", NAMING_TARGETS, ids=lambda path: path.name)
def test_make_targets_that_a_file_names_exist(path: Path) -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):", text_of("Makefile"), re.MULTILINE))
    named = NAMED_TARGETS.findall(path.read_text())

    assert {target for words in named for target in words.split()} <= targets


def test_every_text_file_follows_the_editorconfig() -> None:
    settings = configparser.ConfigParser()
    settings.read_string("[top]\n" + text_of(".editorconfig"))
    rules = settings["*"]
    assert (rules["charset"], rules["end_of_line"]) == ("utf-8", "lf")
    assert rules.getboolean("insert_final_newline")
    assert rules.getboolean("trim_trailing_whitespace")
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, check=True)

    for name in listed.stdout.decode().splitlines():
        if name.endswith(".png"):
            continue
        content = (ROOT / name).read_bytes() if (ROOT / name).is_file() else b""
        content.decode()
        assert not re.search(rb"[ \t\r]$", content, re.MULTILINE), name
        assert content.endswith(b"\n") or not content, name


def test_a_release_moves_the_fragments_into_the_changelog(tmp_path: Path) -> None:
    for name in ("Makefile", "pyproject.toml", "CHANGELOG.md"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / ".venv").symlink_to(ROOT / ".venv")
    fragments = tmp_path / "changelog.d"
    fragments.mkdir()
    shutil.copy(ROOT / "changelog.d" / "README.md", fragments)
    (fragments / "+door.added.md").write_text("A front door.\n")
    for command in (["git", "init", "--quiet"], ["git", "add", "changelog.d"]):
        subprocess.run(command, cwd=tmp_path, check=True)

    make = ["make", "--old-file=.venv/.installed", "changelog", "VERSION=v2.0.7 and v2.1.7"]
    subprocess.run(make, cwd=tmp_path, check=True, capture_output=True)

    before, after = text_of("CHANGELOG.md"), (tmp_path / "CHANGELOG.md").read_text()
    assert after.startswith(before)
    section = r"^## v2\.0\.7 and v2\.1\.7 \(.*\)\n\n### Added\n\n- A front door\.$"
    assert re.search(section, after, re.MULTILINE)
    assert [path.name for path in fragments.iterdir()] == ["README.md"]


def test_the_release_page_names_the_contracts_of_the_series() -> None:
    rows = dict(re.findall(r"^\| (2\.\d) \| (\w+) \|", text_of("RELEASE.md"), re.MULTILINE))
    series = data_of("metadata.yaml")["releaseSeries"]

    assert rows == {f"2.{it['minor']}": it["contract"] for it in series if it["major"] == 2}


def test_who_owns_this_is_said_by_aliases_that_exist() -> None:
    owners = data_of("OWNERS")

    assert {*owners["approvers"], *owners["reviewers"]} == {*data_of("OWNERS_ALIASES")["aliases"]}


def test_tilt_installs_what_clusterctl_installs() -> None:
    provider = data_of("tilt-provider.yaml")
    config = provider["config"]

    assert provider.keys() == {"name", "config"}
    assert config.keys() == TILT_KEYS
    assert (ROOT / config["kustomize_folder"]) == ROOT / "config/default"
    (namespace,) = [it for it in install.DEFAULT.objects() if it["kind"] == "Namespace"]
    assert namespace["metadata"]["labels"]["cluster.x-k8s.io/provider"] == provider["name"]


def test_the_image_that_tilt_needs_is_the_one_in_the_manifests() -> None:
    (deployment,) = [it for it in install.DEFAULT.objects() if it["kind"] == "Deployment"]
    (container,) = deployment["spec"]["template"]["spec"]["containers"]

    assert f"-t {container['image']} " in text_of("tilt-provider.yaml")


def test_the_development_container_has_a_go_that_builds_the_tools() -> None:
    json.loads(text_of(".devcontainer/devcontainer.json"))
    found = re.search(
        r"^FROM golang:(\d+)\.(\d+)", text_of(".devcontainer/Dockerfile"), re.MULTILINE
    )
    assert found is not None

    for path in ROOT.glob("hack/tools/**/go.mod"):
        needed = re.search(r"^go (\d+)\.(\d+)", path.read_text(), re.MULTILINE)
        assert needed is not None
        assert (int(needed[1]), int(needed[2])) <= (int(found[1]), int(found[2])), path


def test_dependabot_looks_where_dependencies_are() -> None:
    updates = {it["package-ecosystem"]: it for it in data_of(".github/dependabot.yml")["updates"]}

    assert set(updates) == {"docker", "github-actions", "gomod", "pip"}
    assert updates["gomod"]["directories"] == ["/hack/tools/**"]
    assert (ROOT / updates["docker"]["directory"].strip("/") / "Dockerfile").is_file()
