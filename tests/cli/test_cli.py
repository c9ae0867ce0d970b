# SPDX-License-Identifier: Apache-2.0
"""The command line, as its users type it."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from click import testing

from cli import main

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


def test_convert_turns_pools_and_passes_everything_else() -> None:
    result = run("convert", "--to", "v1alpha2", stdin=POOLS)

    other, blue, several = yaml.safe_load_all(result.stdout)
    assert other["metadata"]["creationTimestamp"] == "2026-01-01T00:00:00Z"
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

    around = run("convert", "--to", there, stdin=POOLS).stdout

    assert run("convert", "--to", "v1alpha1", stdin=around).stdout == straight


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
            "spec.end: '10.0.0.9-10.0.0.1': is a range whose first address is above its last",
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
        (manifest("{}", kind="InClusterIpPool"), "InClusterIpPool of ipam.cluster.x-k8s.io/v1al"),
        (manifest("{}", version="v1"), "InClusterIPPool of ipam.cluster.x-k8s.io/v1 is unknown"),
        ("kind: InClusterIPPool", "InClusterIPPool (without a name): apiVersion: is required"),
        ("a: [", "standard input: line 1, column 5: expected the node content"),
        ("a: b: c", "standard input: line 1, column 5: mapping values are not allowed here"),
        ("a: &a [*a]", "standard input: is no YAML that JSON could say: Circular reference"),
        ("a: !!python/none", "standard input: line 1, column 4: could not determine a constr"),
        (b"\xff", "standard input: is not UTF-8: invalid start byte at byte 0"),
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


def test_every_problem_of_every_document_is_told() -> None:
    bad = manifest("{addresses: [x, y], prefix: 24}")

    lines = run("validate", stdin=f"{bad}---\n{bad}").stderr.splitlines()

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


def test_a_prefix_pool_has_no_old_version() -> None:
    spec = "{prefixes: ['2001:db8::/48']}"

    result = run("convert", "--to", "v1alpha1", stdin=manifest(spec, kind="InClusterPrefixPool"))

    assert result.exit_code == 1
    assert "InClusterPrefixPool blue: InClusterPrefixPool of ipam" in result.stderr


def test_a_missing_file_is_told_by_its_name(tmp_path: Path) -> None:
    result = run("validate", "-f", str(tmp_path / "nothing.yaml"))

    assert result.exit_code == 1
    assert result.stderr.endswith("nothing.yaml: No such file or directory\n")


def test_the_version_says_commit_and_date() -> None:
    assert run("--version").stdout.startswith("ipam-in-cluster 2.")


def test_the_webhook_does_not_start_without_a_certificate(tmp_path: Path) -> None:
    result = run("webhook", "--cert-dir", str(tmp_path))

    assert result.exit_code == 1
    assert "tls.crt with key " in result.stderr


def test_the_webhook_serves_until_it_is_told_to_stop(certificate: Path) -> None:
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


def test_what_does_not_change_is_not_judged(tmp_path: Path) -> None:
    bad = manifest("{addresses: [10.0.0.300], prefix: 24}")

    assert changed(tmp_path, bad, bad).exit_code == 0
    assert changed(tmp_path, bad.replace("blue", "red"), bad).exit_code == 1
    assert changed(tmp_path, bad.replace("blue}", "blue, namespace: a}"), bad).exit_code == 0


def test_pools_that_share_addresses_are_told_of_each_other() -> None:
    spec = "{addresses: [10.0.0.1], prefix: 24}"
    both = f"{manifest(spec)}---\n{manifest(spec).replace('blue', 'red')}"

    lines = run("validate", stdin=both).stderr.splitlines()

    text = "warning: spec.addresses: 10.0.0.1 is also in InClusterIPPool"
    assert [f"{text} {name}: " in line for name, line in zip(("red", "blue"), lines, strict=True)]


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
