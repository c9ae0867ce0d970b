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
        ("5", "document 1: 5: is not an object with apiVersion and kind"),
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
