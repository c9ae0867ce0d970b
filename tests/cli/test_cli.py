# SPDX-License-Identifier: Apache-2.0
"""The command line, as its users type it."""

import dataclasses
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest
import yaml
from click import testing

from api import resources
from cli import main
from conversion import registry, v1alpha1
from crdkit.conversion.registry import Kind, Registry
from envtest import manifests

GROUP = "ipam.cluster.x-k8s.io"

POOLS = f"""\
apiVersion: v1
kind: ConfigMap
metadata: {{name: other, creationTimestamp: 2026-01-01T00:00:00Z}}
---
# an empty document comes next
---
apiVersion: {GROUP}/v1alpha1
kind: InClusterIPPool
metadata: {{name: blue, namespace: default}}
spec: {{subnet: 10.9.0.0/24}}
---
apiVersion: v1
kind: List
items:
- apiVersion: {GROUP}/v1alpha2
  kind: GlobalInClusterIPPool
  metadata: {{name: green}}
  spec: {{addresses: ["fd00::/64"], prefix: 64, excludedAddresses: ["fd00::5"]}}
- apiVersion: {GROUP}/v1beta2
  kind: IPAddressClaim
  metadata: {{name: claim}}
"""


def run(*arguments: str, stdin: str | bytes = "") -> testing.Result:
    result = testing.CliRunner().invoke(main.main, arguments, input=stdin)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def manifest(spec: str, version: str = "v1alpha2", kind: str = "InClusterIPPool") -> str:
    return f"apiVersion: {GROUP}/{version}\nkind: {kind}\nmetadata: {{name: blue}}\nspec: {spec}\n"


def test_help_does_not_wait_for_what_only_other_commands_need() -> None:
    program = (
        "import sys; from cli.main import main\n"
        "main(['--help'], standalone_mode=False)\n"
        "print(*{'fastapi', 'kube', 'pydantic'} & set(sys.modules))"
    )

    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )

    assert "Check manifests" in done.stdout
    assert done.stdout.splitlines()[-1] == ""


def test_convert_turns_pools_and_passes_everything_else() -> None:
    result = run("convert", "--to", "v1alpha2", stdin=POOLS)

    other, _empty, blue, several = yaml.safe_load_all(result.stdout)
    assert other["metadata"]["name"] == "other"
    assert blue["apiVersion"] == f"{GROUP}/v1alpha2"
    assert blue["spec"] == {"addresses": ["10.9.0.1-10.9.0.254"], "prefix": 24}
    assert [item["kind"] for item in several["items"]] == [
        "GlobalInClusterIPPool",
        "IPAddressClaim",
    ]
    assert result.exit_code == 0


@pytest.mark.parametrize("there", ["v1alpha1", "v1alpha2"])
def test_converting_there_and_back_again_loses_nothing(there: str) -> None:
    straight = run("convert", "--to", "v1alpha1", stdin=POOLS).stdout

    around = run("convert", "--with-annotation", "--to", there, stdin=POOLS).stdout

    back = run("convert", "--to", "v1alpha1", stdin=around).stdout
    assert list(yaml.safe_load_all(back)) == list(yaml.safe_load_all(straight))


def test_json_stays_json(tmp_path: Path) -> None:
    path = tmp_path / "pool.json"
    path.write_text(json.dumps(yaml.safe_load(manifest("{subnet: 10.0.0.0/30}", "v1alpha1"))))

    converted = json.loads(run("convert", "--to", "v1alpha2", "-f", str(path)).stdout)

    assert converted["spec"] == {"addresses": ["10.0.0.1-10.0.0.2"], "prefix": 30}


@pytest.mark.parametrize("command", [("convert", "--to", "v1alpha2"), ("validate",)])
@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            manifest("{subnet: 10.0.0/24}", "v1alpha1"),
            "InClusterIPPool blue: spec.subnet: '10.0.0/24': is not a CIDR such as 10.0.0.0/24",
        ),
        (
            manifest("{start: 10.0.0.9, end: 10.0.0.1, prefix: 24}", "v1alpha1"),
            "spec.end: '10.0.0.1': is below start 10.0.0.9",
        ),
        (
            manifest("{addresses: [10.0.0.1, 'fd00::1'], prefix: 24}"),
            "spec.addresses[1]: 'fd00::1': is IPv6, but this pool is IPv4: one pool has one IP",
        ),
        (
            manifest("{addresses: [10.0.0.1], prefix: 33}"),
            "spec.prefix: 33: must be between 0 and 32 for IPv4",
        ),
        (
            manifest("{addresses: [10.0.0.1], prefix: '24'}"),
            "spec.prefix: '24': must be an integer",
        ),
        (
            manifest("{}", kind="InClusterIPPol"),
            "kind: 'InClusterIPPol': unknown kind, did you mean InClusterIPPool?",
        ),
        (
            manifest("{}", kind="inclusterippool"),
            "kind: 'inclusterippool': unknown kind, did you mean InClusterIPPool?",
        ),
        (
            f"apiVersion: {GROUP}/v1alpha2\nkind: [a]\nmetadata: {{name: blue}}",
            "kind: must be a string, not ['a']",
        ),
        (manifest("{}", version="v1"), "InClusterIPPool of ipam.cluster.x-k8s.io/v1 is unknown"),
        ("kind: InClusterIPPool", "InClusterIPPool (without a name): apiVersion: is required"),
        (f"# {GROUP}\na: [", "standard input: line 2, column 5: expected the node content"),
        (f"a: {GROUP}: c", "standard input: line 1, column 25: mapping values are not allowed"),
        (f"# {GROUP}\na: &a [*a]", "line 2, column 4: an alias to what it stands in"),
        (f"a: !!python/none {GROUP}", "line 1, column 4: could not determine a constructor"),
        (f"? [{GROUP}]\n: 1", "line 1, column 3: a key that JSON could not say"),
        (f"null: {GROUP}", "line 1, column 1: a key that JSON could not say"),
        (f"{GROUP}: .inf", "line 1, column 24: .inf is no number that JSON could say"),
        (f'{GROUP}: "\\ud800"', "line 1, column 24: an escape that is half a character"),
        (f"{GROUP}: !!int a", "line 1, column 24: 'a' is no int"),
        (f"{GROUP}: {'[' * 200}{']' * 200}", "more than 100 levels of nesting"),
        (f"{GROUP}: {'[' * 1000}", "is nested too deeply"),
        (f'["{GROUP}", {"[" * 200}{"]" * 200}]', "more than 100 levels of nesting"),
        (b"\xff" + GROUP.encode(), "standard input: is not UTF-8: invalid start byte at byte 0"),
    ],
)
def test_bad_input_gets_one_clear_line(
    command: tuple[str, ...], text: str | bytes, line: str
) -> None:
    result = run(*command, stdin=text)

    assert result.exit_code == 1
    assert result.stdout == ""
    assert line in result.stderr
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("5", "document 1: 5: is not an object with apiVersion and kind"),
        ("repos: []", "document 1: object (without a name): apiVersion: is required"),
    ],
)
def test_other_yaml_is_not_converted_but_passes_validation(text: str, line: str) -> None:
    refused = run("convert", "--to", "v1alpha2", stdin=text)
    passed = run("validate", stdin=text)

    assert (refused.exit_code, passed.exit_code) == (1, 0)
    assert line in refused.stderr
    assert all("warning: " in each for each in passed.stderr.splitlines())


def test_every_problem_of_every_document_is_reported() -> None:
    bad = f"{manifest('{addresses: [x, z], prefix: 24}')}---\n"

    lines = run("validate", stdin=bad + bad).stderr.splitlines()

    assert [line.split(": InC")[0] for line in lines] == [
        "standard input: document 1",
        "standard input: document 1",
        "standard input: document 2",
        "standard input: document 2",
    ]


def test_a_misspelled_field_is_found_before_it_is_dropped() -> None:
    spec = "{addresses: [10.0.0.1-10.0.0.9], prefix: 24, excludeAddresses: [10.0.0.3]}"

    result = run("validate", stdin=manifest(spec))

    assert result.exit_code == 1
    assert "spec.excludeAddresses: unknown field, did you mean excludedAddresses?" in result.stderr


def test_warnings_alone_are_no_failure() -> None:
    spec = "{addresses: [10.0.0.1, 10.0.0.1], prefix: 24}"

    result = run("validate", stdin=manifest(spec))

    assert result.exit_code == 0
    assert "warning: spec.addresses[1]: '10.0.0.1': overlaps" in result.stderr


def test_a_good_manifest_gets_no_word() -> None:
    result = run("validate", stdin=POOLS)

    assert (result.exit_code, result.output) == (0, "")


def test_convert_takes_what_is_only_incomplete() -> None:
    result = run("convert", "--to", "v1alpha1", stdin=manifest("{gateway: 10.0.0.1}"))

    assert result.exit_code == 0


def test_a_missing_file_is_reported_by_its_name(tmp_path: Path) -> None:
    result = run("validate", "-f", str(tmp_path / "nothing.yaml"))

    assert result.exit_code == 1
    assert result.stderr.endswith("nothing.yaml: No such file or directory\n")


def test_the_version_says_commit_and_date() -> None:
    assert run("--version").stdout.startswith("ipam-in-cluster 2.")


def test_the_webhook_does_not_start_without_a_certificate(tmp_path: Path) -> None:
    result = run("webhook", "--cert-dir", str(tmp_path))

    assert result.exit_code == 1
    assert "tls.crt with key " in result.stderr


def test_the_webhook_serves_until_it_is_stopped(certificate: Path) -> None:
    program = "from cli.main import main; main()"
    arguments = ["webhook", "--host", "127.0.0.1", "--port", "0", "--cert-dir", str(certificate)]
    process = subprocess.Popen(
        [sys.executable, "-c", program, *arguments], stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None

    try:
        assert process.stderr.readline().startswith("conversion answers on port ")
    finally:
        process.send_signal(signal.SIGTERM)
        rest = process.communicate()[1]

    assert (process.returncode, rest) == (0, "")


def changed(tmp_path: Path, old: str, new: str) -> testing.Result:
    path = tmp_path / "old.yaml"
    path.write_text(old)
    return run("validate", "--old", str(path), stdin=new)


@pytest.mark.parametrize("namespace", ["", ", namespace: default"])
def test_a_change_is_held_to_what_may_not_change(tmp_path: Path, namespace: str) -> None:
    old = manifest("{prefixes: ['fd00::/48']}", kind="InClusterPrefixPool")
    new = old.replace("']", "'], allocationPrefixLength: 60").replace("blue", f"blue{namespace}")

    result = changed(tmp_path, old, new)

    assert result.exit_code == 1
    assert "spec.allocationPrefixLength: 60: is immutable" in result.stderr


def test_a_change_that_takes_addresses_out_is_warned_about(tmp_path: Path) -> None:
    old = manifest("{addresses: [10.0.0.1-10.0.0.9], prefix: 24}")

    result = changed(tmp_path, old, old.replace("0.9", "0.8"))

    assert result.exit_code == 0
    assert "warning: takes addresses out of the pool" in result.stderr
    assert changed(tmp_path, old, old.replace("0.9", "0.10")).stderr == ""


def test_unchanged_pools_are_not_checked(tmp_path: Path) -> None:
    bad = manifest("{addresses: [10.0.0.300], prefix: 24}")

    assert changed(tmp_path, bad, bad).exit_code == 0
    assert changed(tmp_path, bad.replace("blue", "red"), bad).exit_code == 1
    assert changed(tmp_path, bad.replace("blue}", "blue, namespace: a}"), bad).exit_code == 0


def test_pools_that_share_addresses_get_warnings_of_each_other() -> None:
    spec = "{addresses: [10.0.0.1], prefix: 24}"
    both = f"{manifest(spec)}---\n{manifest(spec).replace('blue', 'red')}"

    lines = run("validate", stdin=both).stderr.splitlines()

    text = "warning: spec.addresses: 10.0.0.1 is also in InClusterIPPool"
    assert [f"{text} {name}: " in line for name, line in zip(("red", "blue"), lines, strict=True)]


def test_no_more_is_printed_about_a_pool_than_admission_answers() -> None:
    alike = "---\n".join(
        manifest("{addresses: [10.0.0.1], prefix: 24}").replace("blue", f"p{n:02}")
        for n in range(15)
    )
    repeated = manifest(f"{{addresses: {['10.0.0.1'] * 30}, prefix: 24}}")
    bad = manifest(f"{{addresses: {['10.0.0.300'] * 60}, prefix: 24}}")

    lines = [run("validate", stdin=text).stderr.splitlines() for text in (alike, repeated, bad)]

    assert [len(each) for each in lines] == [15 * 11, 11, 51]
    ends = ["warning: ... and 4 more", "warning: ... and 19 more", "blue: ... and 10 more"]
    assert all(each[-1].endswith(end) for each, end in zip(lines, ends, strict=True))


@pytest.mark.parametrize("old", [False, True], ids=["new", "changed"])
@pytest.mark.parametrize("alike", [False, True], ids=["apart", "alike"])
def test_thousands_of_pools_in_a_file_are_validated_in_bounded_time(
    tmp_path: Path, *, old: bool, alike: bool
) -> None:
    path = tmp_path / "v1alpha1.json"
    path.write_text("".join(json.dumps(numbered(n, alike=alike)) for n in range(3000)))
    present = ["--old", str(path)] if old else []

    begin = time.process_time()
    result = run("validate", *present, str(path))

    assert time.process_time() - begin < SECONDS
    assert result.exit_code == 0
    assert bool(result.stderr) == (alike and not old)


SECONDS = 10.0  # of CPU; it takes 2, and a comparison of each with each over 20


def numbered(number: int, *, alike: bool) -> dict[str, object]:
    block = "10.0.0.0/24" if alike else f"10.{number // 250}.{number % 250}.0/24"
    return manifests.pool(f"p{number}", {"addresses": [block], "prefix": 24})


def test_the_present_manifests_must_be_readable(tmp_path: Path) -> None:
    result = changed(tmp_path, "5", manifest("{addresses: [10.0.0.1], prefix: 24}"))

    assert result.exit_code == 1
    assert "old.yaml: document 1: 5: is not an object" in result.stderr


def test_files_may_be_named_without_a_flag_as_hooks_do(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text(manifest("{addresses: [10.0.0.1], prefix: 24}"))
    bad.write_text(manifest("{addresses: [10.0.0.300], prefix: 24}"))

    assert run("validate", str(good)).exit_code == 0
    assert run("validate", str(good), str(bad)).exit_code == 1
    both = run("validate", "-f", str(good), str(bad))
    assert both.exit_code == 2
    assert "not both" in both.stderr


def test_the_hook_is_the_command(tmp_path: Path) -> None:
    (hook,) = yaml.safe_load(Path(".pre-commit-hooks.yaml").read_text())
    path = tmp_path / "bad.yaml"
    path.write_text(manifest("{addresses: [10.0.0.300], prefix: 24}"))
    program, *arguments = hook["entry"].split()
    command = Path(sys.executable).with_name(program)

    done = subprocess.run([command, *arguments, path], check=False, capture_output=True, text=True)

    assert done.returncode == 1
    assert "10.0.0.300" in done.stderr


def test_the_hook_shows_warnings_too() -> None:
    (hook,) = yaml.safe_load(Path(".pre-commit-hooks.yaml").read_text())

    assert hook["verbose"] is True


@pytest.mark.parametrize(
    "text", ["{{- if .Values.x }}\na: b\n", "a: 1\na: 2", b"\xff\xfe", "[NaN]"]
)
def test_what_is_no_yaml_and_not_about_pools_is_only_warned_about(text: str | bytes) -> None:
    result = run("validate", stdin=text)

    assert result.exit_code == 0
    assert result.stderr.startswith("standard input: warning: ")
    assert run("convert", "--to", "v1alpha2", stdin=text).exit_code == 1


def test_a_file_that_cannot_be_read_hides_no_finding_in_others(tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text(manifest("{addresses: [10.0.0.300], prefix: 24}"))

    result = run("validate", str(tmp_path / "nothing.yaml"), str(bad))

    assert result.exit_code == 1
    assert "nothing.yaml: No such file or directory" in result.stderr
    assert "10.0.0.300" in result.stderr


def test_the_present_manifests_must_be_yaml(tmp_path: Path) -> None:
    assert changed(tmp_path, "a: [", manifest("{addresses: [10.0.0.1], prefix: 24}")).exit_code == 1


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("spec:", "specs:", "specs: unknown field, did you mean spec?"),
        (
            "{name: blue}",
            "{name: blue, lables: {}}",
            "metadata.lables: unknown field, did you mean labels?",
        ),
        ("spec:", "status: {conditionss: []}\nspec:", ""),
        ("{name: blue}", "{name: blue, selfLink: x, uid: y!, generation: 1}", ""),
    ],
)
def test_unknown_fields_are_found_everywhere_but_in_status(old: str, new: str, line: str) -> None:
    good = manifest("{addresses: [10.0.0.1], prefix: 24}")

    result = run("validate", stdin=good.replace(old, new))

    assert line in result.stderr
    assert bool(line) == (result.exit_code == 1) == bool(result.stderr)


def nameless(spec: str = "{addresses: [10.0.0.1], prefix: 24}", metadata: str = "") -> str:
    return manifest(spec).replace("{name: blue}", metadata or "{generateName: blue-}")


@pytest.mark.parametrize("metadata", ["{}", "{namespace: a}", "null", "{name: ''}"])
def test_a_pool_has_a_name(metadata: str) -> None:
    result = run("validate", stdin=nameless(metadata=metadata))

    assert result.exit_code == 1
    assert "metadata.name: is required, or generateName" in result.stderr
    assert run("validate", stdin=nameless()).output == ""


def test_pools_without_a_name_are_never_one_pool(tmp_path: Path) -> None:
    bad = nameless("{addresses: [10.0.0.300], prefix: 24}")

    assert changed(tmp_path, bad, bad).exit_code == 1


def test_pools_without_a_name_get_warnings_of_each_other(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_text(nameless())
    indented = nameless().replace("\n", "\n  ").rstrip()
    several = f"apiVersion: v1\nkind: List\nitems:\n- {indented}\n- {indented}\n"

    in_file = run("validate", stdin=f"{nameless()}---\n{nameless()}").stderr
    in_files = run("validate", str(tmp_path / "a"), str(tmp_path / "b")).stderr
    in_list = run("validate", stdin=several).stderr

    for told in (in_file, in_files, in_list):
        assert told.count("warning: spec.addresses: 10.0.0.1 is also in InClusterIPPool") == 2


@pytest.mark.parametrize("part", ["metadata: 5", "spec: 5"])
def test_parts_of_a_wrong_type_are_reported_by_their_field(part: str) -> None:
    text = f"apiVersion: {GROUP}/v1alpha2\nkind: InClusterIPPool\n{part}\n"

    result = run("validate", stdin=text)

    assert result.exit_code == 1
    assert "must be an object" in result.stderr


@pytest.mark.parametrize("spec", ["{addresses: ['']}", "{addresses: ['', 10.0.0.1], prefix: 24}"])
def test_convert_refuses_an_empty_entry(spec: str) -> None:
    result = run("convert", "--to", "v1alpha1", stdin=manifest(spec))

    assert result.exit_code == 1
    assert "spec.addresses[0]: ''" in result.stderr


@pytest.mark.parametrize(
    "spec",
    ["{}", "{addresses: []}", "{addresses: null}", "{addresses: [10.0.0.1]}", "{gateway: ''}"],
)
def test_convert_leaves_what_is_missing_to_an_overlay(spec: str) -> None:
    assert run("convert", "--to", "v1alpha1", stdin=manifest(spec)).exit_code == 0


def test_a_new_version_can_be_converted_to(monkeypatch: pytest.MonkeyPatch) -> None:
    (to,) = [option for option in main.convert.params if option.name == "to"]
    assert isinstance(to.type, click.Choice)
    assert list(to.type.choices) == main.versions() == ["v1alpha1", "v1alpha2"]

    resource = dataclasses.replace(resources.IN_CLUSTER_IP_POOL, hub="v1beta1")
    kinds = {**registry.REGISTRY.kinds, "InClusterIPPool": Kind(resource, {"v1alpha2": v1alpha1})}
    monkeypatch.setattr(registry, "REGISTRY", Registry(kinds.values()))

    assert main.versions() == ["v1alpha1", "v1alpha2", "v1beta1"]


def test_the_webhook_does_not_start_with_a_version_that_it_cannot_convert(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare = Registry([Kind(resources.IN_CLUSTER_IP_POOL)])
    monkeypatch.setattr(registry, "REGISTRY", bare)

    result = run("webhook", "--port", "0", "--cert-dir", str(certificate))

    assert result.exit_code == 1
    line = "InClusterIPPool v1alpha1 is served, but conversion has no pair for it\n"
    assert result.stderr == line
