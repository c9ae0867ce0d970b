# SPDX-License-Identifier: Apache-2.0
"""The committed manifests are what the models say: the golden test of all generated files."""

import errno
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

import generator.__main__ as command
from api import kinds
from generator import errors, manifests, output, rbac

ROOT = Path(__file__).parent.parent.parent
CONFIG = ROOT / "config"
ROLES = rbac.load(rbac.MODULES), rbac.load(rbac.SELF_SIGNED_MODULES)
FILES = manifests.render(kinds.KINDS, *ROLES) | {
    Path("schemas") / path: text for path, text in manifests.schema_files(kinds.KINDS).items()
}
MANIFESTS = [path for path in FILES if path.suffix == ".yaml"]


def run(*arguments: object) -> Result:
    return CliRunner().invoke(command.main, [str(argument) for argument in arguments])


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, the current one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def present(folder: Path) -> dict[Path, bytes]:
    return {
        path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def test_the_committed_files_are_up_to_date(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)

    result = run("--check")

    assert (result.output, result.exit_code) == ("", 0)


@pytest.mark.parametrize("folder", [Path("crd", "bases"), Path("schemas")], ids=str)
def test_nothing_but_generated_files_is_in_a_folder_of_them(folder: Path) -> None:
    files = {folder / path for path in present(CONFIG / folder)}

    assert files == {path for path in FILES if folder in path.parents}


def test_every_generated_file_is_part_of_what_kustomize_builds() -> None:
    named = [
        (file.parent / name).resolve()
        for file in CONFIG.rglob("kustomization.yaml")
        for entry in yaml.safe_load(file.read_text()).items()
        for name in names_in(entry)
    ]

    assert {path for path in MANIFESTS if CONFIG / path not in named} == set()


def names_in(entry: tuple[str, Any]) -> list[str]:
    """Return the files that one entry of a kustomization names."""
    match entry:
        case "resources", names:
            return list(names)
        case "patches", patches:
            return [patch["path"] for patch in patches if "path" in patch]
        case _:
            return []


def test_the_crds_alone_are_the_same_files() -> None:
    crds = manifests.crd_files(kinds.KINDS)

    assert crds == {path: text for path, text in FILES.items() if path.parts[0] == "crd"}
    assert len(crds) == len({kind.resource.name for kind in kinds.KINDS})


def test_what_is_written_is_what_is_checked(elsewhere: Path) -> None:
    assert run().exit_code == 0
    assert run("--check").exit_code == 0

    page = manifests.reference_page(kinds.KINDS).encode()
    files = {Path("config") / path: text.encode() for path, text in FILES.items()}
    assert present(elsewhere) == files | {Path("docs", "reference", "api.md"): page}


def test_nothing_is_written_outside_of_the_folder_asked_for(elsewhere: Path) -> None:
    assert run("--out", "a/b").exit_code == 0
    assert run("--check", "--out", "a/b").exit_code == 0

    assert present(elsewhere).keys() == {Path("a", "b") / path for path in FILES}


@pytest.mark.parametrize(
    ("option", "place", "file"),
    [("--reference", "docs/page.md", "docs/page.md"), ("--schemas", "other", "other/all.json")],
)
def test_reference_and_schemas_go_where_they_are_asked_for(
    elsewhere: Path, option: str, place: str, file: str
) -> None:
    everything = ("--out", "here", option, place)
    assert run(*everything).exit_code == 0
    assert run("--check", *everything).exit_code == 0

    (elsewhere / file).write_text("stale")
    result = run("--check", *everything)
    assert result.exit_code == 1
    assert f"--- {file} (present)" in result.output


def test_only_files_that_change_are_written(elsewhere: Path) -> None:
    run()
    role, others = elsewhere / "config" / "rbac" / "role.yaml", set(present(elsewhere))
    role.write_text("stale")
    before = {path: (elsewhere / path).stat() for path in others}

    result = run()

    assert f"generated {len(others)} files, 1 of them changed, in " in result.stderr
    rewritten = {
        path
        for path, stat in before.items()
        if (stat.st_ino, stat.st_mtime_ns)
        != ((elsewhere / path).stat().st_ino, (elsewhere / path).stat().st_mtime_ns)
    }
    assert rewritten == {Path("config", "rbac", "role.yaml")}
    assert set(present(elsewhere)) == others


def test_a_file_is_whole_or_as_it_was(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (elsewhere / "x.yaml").write_text("old")

    def full(_path: Path, _content: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(errors.OutputError, match=r"^x.yaml: can't be written: No space left on"):
        output.write({Path("x.yaml"): "new"})

    assert present(elsewhere) == {Path("x.yaml"): b"old"}


@pytest.mark.parametrize("options", [(), ("--check",)])
def test_a_file_that_cannot_be_read_is_named(elsewhere: Path, options: tuple[str, ...]) -> None:
    (elsewhere / "rbac" / "role.yaml").mkdir(parents=True)

    result = run("--out", ".", *options)

    assert result.exit_code == 1
    assert result.output == "Error: rbac/role.yaml: can't be read: Is a directory\n"


@pytest.mark.parametrize("stale", [b"\xff\n", b"a\r\n"], ids=["binary", "line-ends"])
def test_any_other_bytes_are_a_difference(elsewhere: Path, stale: bytes) -> None:
    (elsewhere / "x.yaml").write_bytes(stale)
    files = {Path("x.yaml"): "a\n"}

    assert len(list(output.differences(files))) == 1
    assert output.write(files) == 1
    assert list(output.differences(files)) == []
    assert output.write(files) == 0


def test_check_shows_the_difference_and_writes_nothing(tmp_path: Path) -> None:
    out = tmp_path / "config"
    run("--out", out)
    file = out / "rbac" / "role.yaml"
    stale = file.read_text().replace("kind: ClusterRole", "kind: Role")
    file.write_text(stale)

    result = run("--check", "--out", out)

    assert result.exit_code == 1
    assert f"--- {file} (present)\n+++ {file} (generated)\n" in result.output
    assert "-kind: Role\n+kind: ClusterRole\n" in result.output
    assert file.read_text() == stale


def test_check_shows_a_missing_file(tmp_path: Path) -> None:
    result = run("--check", "--out", tmp_path / "config")

    assert result.exit_code == 1
    assert "+kind: CustomResourceDefinition\n" in result.output


def test_a_refusal_is_one_line_and_nothing_is_written(tmp_path: Path) -> None:
    result = run("--out", tmp_path, "--rules", "nowhere")

    assert result.exit_code == 1
    assert result.output == "Error: nowhere: can't be imported: No module named 'nowhere'\n"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("path", FILES, ids=str)
def test_every_file_says_that_it_is_generated_and_ends_with_one_newline(path: Path) -> None:
    text = FILES[path]

    assert "Generated by `make generate`; do not edit." in text[:200]
    assert text.endswith("\n")
    assert not text.endswith("\n\n")
    assert [line for line in text.splitlines() if line != line.rstrip()] == []


@pytest.mark.parametrize("path", MANIFESTS, ids=str)
def test_every_manifest_is_one_or_more_whole_documents(path: Path) -> None:
    text = FILES[path]

    assert text.startswith("# Generated by `make generate`; do not edit.\n---\n")
    assert all(document["kind"] for document in yaml.safe_load_all(text))


def crd(plural: str) -> dict[str, Any]:
    path = Path("crd", "bases", f"ipam.cluster.x-k8s.io_{plural}.yaml")
    spec: dict[str, Any] = yaml.safe_load(FILES[path])["spec"]
    return spec


@pytest.mark.parametrize("plural", ["inclusterippools", "globalinclusterippools"])
def test_the_old_columns_show_fields_that_exist(plural: str) -> None:
    old, hub = crd(plural)["versions"]

    columns = {column["name"]: column["jsonPath"] for column in old["additionalPrinterColumns"]}
    assert list(columns) == ["Subnet", "First", "Last", "Addresses", "Total", "Free", "Used"]
    assert (columns["First"], columns["Last"]) == (".spec.start", ".spec.end")
    names = [column["name"] for column in hub["additionalPrinterColumns"]]
    assert names == ["Addresses", "Total", "Free", "Used"]


@pytest.mark.parametrize("plural", ["inclusterippools", "globalinclusterippools"])
def test_the_old_version_is_served_with_a_warning_and_converted(plural: str) -> None:
    old, hub = crd(plural)["versions"]

    assert (old["served"], old["storage"], old["deprecated"]) == (True, False, True)
    assert "is deprecated; use ipam.cluster.x-k8s.io/v1alpha2" in old["deprecationWarning"]
    assert (hub["served"], hub["storage"], hub.get("deprecated")) == (True, True, None)
    assert crd(plural)["conversion"] == {
        "strategy": "Webhook",
        "webhook": {
            "clientConfig": {
                "service": {"name": "webhook-service", "namespace": "system", "path": "/convert"}
            },
            "conversionReviewVersions": ["v1"],
        },
    }


@pytest.mark.parametrize("plural", ["inclusterprefixpools", "globalinclusterprefixpools"])
def test_a_kind_with_one_version_has_no_conversion(plural: str) -> None:
    assert "conversion" not in crd(plural)


def test_every_kind_is_admitted_in_its_hub_version() -> None:
    documents = yaml.safe_load_all(FILES[Path("webhook", "manifests.yaml")])
    operations = {
        document["kind"]: {
            (rule["resources"][0], *rule["operations"], *rule["apiVersions"])
            for webhook in document["webhooks"]
            for rule in webhook["rules"]
        }
        for document in documents
    }
    plurals = {kind.resource.plural for kind in kinds.KINDS}

    assert operations == {
        "MutatingWebhookConfiguration": {
            (plural, "CREATE", "UPDATE", "v1alpha2") for plural in plurals
        },
        "ValidatingWebhookConfiguration": {
            (plural, "CREATE", "UPDATE", "DELETE", "v1alpha2") for plural in plurals
        },
    }
