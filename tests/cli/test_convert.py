# SPDX-License-Identifier: Apache-2.0
"""`convert` changes what it must, and leaves everything else as its writer has it."""

import json
import re
import stat
from pathlib import Path
from typing import Any

import pytest
import yaml
from click import testing
from hypothesis import given
from hypothesis import strategies as st

from cli import main, manifests, roundtrip, yamltext

GROUP = "ipam.cluster.x-k8s.io"
KEPT = "cluster.x-k8s.io/conversion-data"

OLD = f"""\
# the racks
---
apiVersion: {GROUP}/v1alpha1 # old
kind: InClusterIPPool
# before metadata
metadata:
    name:   'blue'   # the name
    labels: {{ vlan: "100",   'on': "yes" }}

spec:
    # the addresses
    subnet: 10.0.0.0/24   # the rack
    # gateway of the rack
    gateway: "10.0.0.1"  # gw
    addresses:
      # one
      - 10.0.0.77   # first

      - '10.0.0.78'
    end: 10.0.0.9  # the end
    # after
# end
"""
NEW = f"""\
# the racks
---
apiVersion: {GROUP}/v1alpha2 # old
kind: InClusterIPPool
# before metadata
metadata:
    name:   'blue'   # the name
    labels: {{ vlan: "100",   'on': "yes" }}

spec:
    # the addresses
    prefix: 24 # the rack
    # gateway of the rack
    # the end
    gateway: "10.0.0.1"  # gw
    addresses:
      # one
      - 10.0.0.77   # first

      - '10.0.0.78'
      - 10.0.0.1-10.0.0.9
    # after
# end
"""
POOL = f"""\
apiVersion: {GROUP}/v1alpha1
kind: InClusterIPPool
metadata: {{name: blue}}
spec: {{subnet: 10.9.0.0/30}}
"""
HUB = f"""\
apiVersion: {GROUP}/v1alpha2
kind: GlobalInClusterIPPool
metadata:
  name: blue
spec:
  excludedAddresses:  # not these
  - 10.0.0.5 # printer
  # before prefix
  prefix: 24
  addresses:
  - 10.0.0.0/24
  allocateReservedIPAddresses: true # all
"""
PREFIXES = f"""\
apiVersion: {GROUP}/v1alpha2
kind: InClusterPrefixPool
metadata: {{name: racks}}
spec: {{prefixes: ['2001:db8::/48']}}
"""


def run(*arguments: str, stdin: str | bytes = "") -> testing.Result:
    result = testing.CliRunner().invoke(main.main, ["convert", *arguments], input=stdin)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def convert(*arguments: str, stdin: str | bytes = "", to: str = "v1alpha2") -> str:
    result = run("--to", to, *arguments, stdin=stdin)
    assert result.exit_code == 0, result.stderr
    return result.stdout


def comments_in(text: str) -> list[str]:
    return sorted(re.findall(r"# ([a-z ]+)", text))


def test_comments_order_and_quotes_stay() -> None:
    assert convert(stdin=OLD) == NEW


def test_line_ends_stay() -> None:
    result = run("--to", "v1alpha2", stdin=OLD.replace("\n", "\r\n").encode())

    assert result.stdout_bytes == NEW.replace("\n", "\r\n").encode()


@pytest.mark.parametrize("kept", ["--with-annotation", "--without-annotation"])
def test_every_comment_of_a_field_that_goes_stays(kept: str) -> None:
    converted = convert(kept, stdin=HUB, to="v1alpha1")

    assert comments_in(converted) == comments_in(HUB)
    assert list(yaml.safe_load(converted)["spec"]) == ["prefix", "addresses"]


def test_marks_inside_a_comment_stay() -> None:
    text = f"""\
apiVersion: {GROUP}/v1alpha2
kind: InClusterIPPool
metadata: {{name: blue}}
spec:
  excludedAddresses:  # holes # two
  - 10.0.0.9
  addresses: [10.0.0.0/24]
  prefix: 24
"""
    assert "# holes # two\n" in convert("--without-annotation", stdin=text, to="v1alpha1")


def test_a_list_keeps_the_comments_of_its_items() -> None:
    indented = OLD.partition("---\n")[2].replace("\n", "\n  ").rstrip()
    text = f"kind: List # all\napiVersion: v1\nitems:\n# one\n- {indented}\n- {indented}\n"

    converted = convert(stdin=text)

    assert comments_in(converted) == comments_in(text)
    assert [item["spec"]["prefix"] for item in yaml.safe_load(converted)["items"]] == [24, 24]


@pytest.mark.parametrize("to", ["v1alpha1", "v1alpha2"])
@pytest.mark.parametrize("kept", ["--with-annotation", "--without-annotation"])
@pytest.mark.parametrize("text", [OLD, HUB, POOL], ids=["old", "hub", "short"])
def test_what_is_written_means_what_conversion_says(text: str, kept: str, to: str) -> None:
    (written,) = yaml.safe_load_all(convert(kept, stdin=text, to=to))
    as_json = json.dumps(next(yaml.safe_load_all(text)))

    assert written == json.loads(convert(kept, stdin=as_json, to=to))


@pytest.mark.parametrize(
    "spec", ["{ addresses: [ 10.0.0.1 ],   prefix: 0x18 } # as is\n", "# nothing\n", "null\n"]
)
def test_a_pool_that_has_the_version_stays_as_it_is_written(spec: str) -> None:
    text = POOL.replace("v1alpha1", "v1alpha2").replace("{subnet: 10.9.0.0/30}\n", spec)

    assert convert(stdin=text) == text


def test_a_pool_in_json_that_has_the_version_stays_as_it_is_written() -> None:
    pool = yaml.safe_load(POOL.replace("v1alpha1", "v1alpha2"))
    text = json.dumps(pool, separators=(" ,", " :")) + "\n\n" + json.dumps(pool)

    assert convert(stdin=text) == text


def test_only_the_fields_that_change_are_laid_out_anew() -> None:
    text = POOL.replace("{name: blue}", "{ name:   blue,\n  labels: { a:   b } }   # as is")

    assert "metadata: { name:   blue,\n  labels: { a:   b } }   # as is\n" in convert(stdin=text)


def test_scalars_of_a_field_that_changes_stay_as_they_are_written() -> None:
    scalars = (
        "{a: 0o17, b: 1_0, c: ~, d: 1e3, e: 22:22, g: =, h: 017, i: !!str 5, j: 'on', y: 2026}"
    )
    rest = f"\n  x: {scalars}\n  empty:\n  text: |\n    a\n  folded: >-\n    b\n    c\n"
    text = POOL.replace("{subnet: 10.9.0.0/30}\n", f"\n  subnet: 10.9.0.0/30{rest}")

    assert convert(stdin=text).endswith(rest)


def test_an_empty_value_is_null_where_brackets_are_laid_out_anew() -> None:
    text = POOL.replace("{subnet: 10.9.0.0/30}", "{subnet: 10.9.0.0/30, x: {d: , e: 1}} # here")

    assert convert(stdin=text).endswith("x: {d: null, e: 1}} # here\n")


def test_a_change_does_not_reach_an_alias() -> None:
    spec = "{addresses: &a [10.9.0.9], x: *a, start: 10.9.0.2, end: 10.9.0.3, prefix: 24}"

    (pool,) = yaml.safe_load_all(convert(stdin=POOL.replace("{subnet: 10.9.0.0/30}", spec)))

    assert pool["spec"]["addresses"] == ["10.9.0.9", "10.9.0.2-10.9.0.3"]
    assert pool["spec"]["x"] == ["10.9.0.9"]


def test_a_comment_that_gets_lost_is_named() -> None:
    annotated = POOL.replace("{name: blue}", "{annotations: {rack: &s 10.9.0.0/30}} # name")
    aliased = annotated.replace("subnet: 10.9.0.0/30", "subnet: *s")
    inside = POOL.replace("/30}", "/30, # here\n  gateway: 10.9.0.1}")

    result = run("--to", "v1alpha2", stdin=f"{aliased}---\n{inside}")

    assert [pool["spec"]["prefix"] for pool in yaml.safe_load_all(result.stdout)] == [30, 30]
    assert result.stderr == "".join(
        f"standard input: document {number}: warning: loses the comment '{comment}': "
        "it is inside brackets, or aliases are near it\n"
        for number, comment in ((1, "# name"), (2, "# here"))
    )


_NAMES = st.sampled_from(["a", "b", "c d", "5", "on", "x/y"])
_TEXTS = st.sampled_from(["x", "5", "on", "a: b", "# c", " d ", "", "e\nf", "10.0.0.1", "~"])
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 99) | _TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES, inner, max_size=3),
    max_leaves=8,
)
_OBJECTS = st.dictionaries(_NAMES, _VALUES, min_size=1, max_size=4)


@given(_OBJECTS, _OBJECTS, st.booleans())
def test_any_change_of_a_document_can_be_written(
    old: dict[str, Any],
    new: dict[str, Any],
    flow: bool,  # noqa: FBT001 - drawn by Hypothesis
) -> None:
    text = f"# head\n{yaml.safe_dump(old, default_flow_style=flow)}# tail\n"

    written = roundtrip.rewrite(text, old, new)

    assert written is not None
    assert [source.value for source in yamltext.parse(written)] == [new]
    assert written.startswith("# head\n")
    assert written.endswith("\n# tail\n")


@pytest.mark.parametrize(
    ("arguments", "to", "kept"),
    [
        ([], "v1alpha2", False),
        (["--with-annotation"], "v1alpha2", True),
        (["--without-annotation"], "v1alpha2", False),
        ([], "v1alpha1", True),
        (["--with-annotation"], "v1alpha1", True),
        (["--without-annotation"], "v1alpha1", False),
    ],
)
def test_the_annotation_goes_where_a_pool_comes_to_the_hub_version(
    arguments: list[str], to: str, *, kept: bool
) -> None:
    text = POOL if to == "v1alpha2" else HUB

    assert (KEPT in convert(*arguments, stdin=text, to=to)) == kept


def test_an_old_annotation_is_used_and_then_dropped() -> None:
    old = convert(stdin=HUB, to="v1alpha1")

    converted = convert(stdin=old)

    assert "annotations" not in converted
    assert yaml.safe_load(converted) == yaml.safe_load(HUB)


def test_what_is_lost_without_the_annotation_is_said() -> None:
    result = run("--to", "v1alpha1", "--without-annotation", stdin=HUB)

    assert result.exit_code == 0
    lost = [line.partition("spec.")[2].partition(":")[0] for line in result.stderr.splitlines()]
    assert lost == ["excludedAddresses", "allocateReservedIPAddresses"]
    assert (
        "would be lost, since v1alpha1 cannot say it; --with-annotation keeps it" in result.stderr
    )


def test_nothing_is_lost_unasked() -> None:
    overlay = POOL.replace("{subnet: 10.9.0.0/30}", "{start: 10.9.0.2, gateway: 10.9.0.1}")

    result = run("--to", "v1alpha2", stdin=overlay)

    assert (result.exit_code, result.stdout) == (1, "")
    assert "spec.start: would be lost" in result.stderr
    assert KEPT in convert("--with-annotation", stdin=overlay)


def test_a_kind_without_the_version_passes_with_a_warning() -> None:
    listed = f"apiVersion: {GROUP}/v1alpha2\nkind: InClusterPrefixPoolList\nitems:\n- spec: {{}}\n"
    text = f"{PREFIXES}---\n{listed}"

    result = run("--to", "v1alpha1", stdin=text)

    assert (result.exit_code, result.stdout) == (0, text)
    warning = "warning: stays as it is: InClusterPrefixPool has no version v1alpha1"
    assert [warning in line for line in result.stderr.splitlines()] == [True, True]


def test_a_version_that_no_kind_has_is_no_version_to_convert_from() -> None:
    result = run("--to", "v1alpha1", stdin=PREFIXES.replace("v1alpha2", "v1"))

    assert result.exit_code == 1


def test_unknown_fields_are_warned_of_and_stay() -> None:
    result = run("--to", "v1alpha2", stdin=POOL.replace("{subnet", "{subnets: x, subnet"))

    assert result.exit_code == 0
    assert "warning: spec.subnets: unknown field, did you mean subnet?" in result.stderr
    assert yaml.safe_load(result.stdout)["spec"]["subnets"] == "x"


@pytest.mark.parametrize(("indent", "end"), [(None, ""), (2, "\n"), (4, "\n\n"), ("\t", "\n")])
def test_json_keeps_its_indentation(indent: int | str | None, end: str) -> None:
    pool = yaml.safe_load(POOL)
    expected = pool | {
        "apiVersion": f"{GROUP}/v1alpha2",
        "spec": {"addresses": ["10.9.0.1-10.9.0.2"], "prefix": 30},
    }

    converted = convert(stdin=json.dumps(pool, indent=indent) + end)

    assert converted == json.dumps(expected, indent=indent) + end


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "below" / "deeper").mkdir(parents=True)
    for name in ("b.yaml", "a.yml", "c.json", "d.txt", "below/e.yaml", "below/deeper/f.yaml"):
        text = POOL.replace("blue", Path(name).stem)
        as_json = name.endswith("json")
        (tmp_path / name).write_text(json.dumps(yaml.safe_load(text)) if as_json else text)
    return tmp_path


def names_in(text: str) -> str:
    return "".join(each["metadata"]["name"] for each in yaml.safe_load_all(text))


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["-f", "."], "abc"),
        (["."], "abc"),
        (["-R", "-f", "."], "abcfe"),
        (["-f", "*.y*ml"], "ab"),
        (["-f", "b.yaml", "-f", "d.txt"], "bd"),
        (["-f", "*/e.*"], "e"),
        (["-R", "bel*"], "ef"),
        (["-f", "below"], "e"),
    ],
)
@pytest.mark.parametrize("command", [["convert", "--to", "v1alpha2"], ["validate"]])
def test_files_are_named_as_for_kubectl(
    tree: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: list[str],
    arguments: list[str],
    names: str,
) -> None:
    monkeypatch.chdir(tree)
    for path in tree.rglob("*.*"):
        path.write_text(path.read_text().replace("/30", "/3o"))

    result = testing.CliRunner().invoke(main.main, [*command, *arguments])

    found = re.findall(r"InClusterIPPool (\w):", result.stderr)
    assert sorted(found) == sorted(names)


def test_a_folder_is_read_in_order(tree: Path) -> None:
    assert names_in(convert("-R", str(tree))) == "abcef"


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("nothing.yaml", "nothing.yaml: No such file or directory"),
        ("nothing*", "nothing*: no file matches"),
        (
            "empty",
            "empty: has no .json, .yaml or .yml file; -R also reads the folders below it",
        ),
    ],
)
def test_a_name_without_a_file_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, line: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()

    result = run("--to", "v1alpha2", name)

    assert (result.exit_code, result.stderr) == (1, f"{line}\n")


def test_a_file_may_have_the_name_of_a_pattern(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "[a].yaml").write_text(POOL)

    assert names_in(convert("[a].yaml")) == "blue"


@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_files_are_changed_in_place(tmp_path: Path, mark: str) -> None:
    path, link = tmp_path / "pool.yaml", tmp_path / "link.yaml"
    path.write_text(mark + OLD)
    path.chmod(0o640)
    link.symlink_to(path)

    assert convert("-i", "-f", str(link)) == ""

    assert path.read_text() == mark + NEW
    assert link.is_symlink()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert sorted(tmp_path.iterdir()) == [link, path]


def test_files_without_a_change_are_not_written(tmp_path: Path) -> None:
    path = tmp_path / "pool.yaml"
    path.write_text(NEW)
    before = path.stat()

    convert("-i", str(path))

    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_no_file_is_changed_if_one_is_wrong(tmp_path: Path) -> None:
    good, bad = tmp_path / "a.yaml", tmp_path / "b.yaml"
    good.write_text(POOL)
    bad.write_text(POOL.replace("/30", "/33"))

    result = run("-i", "--to", "v1alpha2", str(tmp_path))

    assert result.exit_code == 1
    assert good.read_text() == POOL


def test_other_files_of_a_folder_are_only_warned_of_in_place(tmp_path: Path) -> None:
    texts = {"values.yaml": "replicas: 3\n", "template.yaml": "{{- if .x }}\na: b\n"}
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "pool.yaml").write_text(POOL)

    result = run("-i", "--to", "v1alpha2", str(tmp_path))

    assert result.exit_code == 0
    assert all("warning: " in line for line in result.stderr.splitlines())
    assert {name: (tmp_path / name).read_text() for name in texts} == texts
    assert "v1alpha2" in (tmp_path / "pool.yaml").read_text()


def test_a_folder_that_may_not_be_written_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pool.yaml").write_text(POOL)

    def full(_path: Path, _data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    result = run("-i", "--to", "v1alpha2", str(tmp_path / "pool.yaml"))

    assert result.exit_code == 1
    assert result.stderr == f"{tmp_path / 'pool.yaml'}: No space left on device\n"
    assert (tmp_path / "pool.yaml").read_text() == POOL


@pytest.mark.parametrize("arguments", [["-i"], ["-i", "-f", "-"]])
def test_standard_input_cannot_be_changed_in_place(arguments: list[str]) -> None:
    result = run("--to", "v1alpha2", *arguments, stdin=POOL)

    assert result.exit_code == 2
    assert "--in-place changes files: name them" in result.stderr


EMPTY = [
    "",
    "\n",
    "   ",
    "# comment",
    "# comment\n",
    f"# apiVersion: {GROUP}/v1alpha1\n# kind: InClusterIPPool\n",
    "---",
    "---\n",
    "--- # comment\n",
    "---\n---\n",
    "---\n# comment\n---\n# comment\n",
    "---\n...\n",
    "%YAML 1.1\n---\n",
    "null\n",
    "--- ~\n",
    "# a\n\n  # b\n",
]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("text", EMPTY)
def test_a_file_without_an_object_is_fine(tmp_path: Path, text: str, mark: str, end: str) -> None:
    path = tmp_path / "empty.yaml"
    data = (mark + text.replace("\n", end)).encode()
    path.write_bytes(data)

    checked = testing.CliRunner().invoke(main.main, ["validate", str(path)])
    printed = run("--to", "v1alpha2", stdin=data)
    run("--to", "v1alpha2", "-i", str(path))

    assert (checked.exit_code, checked.output) == (0, "")
    assert (printed.exit_code, printed.stderr) == (0, "")
    assert printed.stdout_bytes == data.removeprefix(mark.encode())
    assert path.read_bytes() == data


@pytest.mark.parametrize("text", EMPTY)
def test_a_file_without_an_object_may_stand_between_others(tmp_path: Path, text: str) -> None:
    for name, content in (("a.yaml", POOL), ("b.yaml", text), ("c.yaml", POOL)):
        (tmp_path / name).write_text(content)

    kinds = [each["kind"] for each in yaml.safe_load_all(convert(str(tmp_path))) if each]

    assert kinds == ["InClusterIPPool"] * 2
    assert list(manifests.objects(manifests.read(str(tmp_path / "b.yaml")))) == []
