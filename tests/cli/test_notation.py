# SPDX-License-Identifier: Apache-2.0
"""Manifests are read as kubectl reads them, and nobody reads anything else from what is written."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
import yaml
from click import testing
from hypothesis import example, given
from hypothesis import strategies as st

from cli import main, scalars, yamltext

GROUP = "ipam.cluster.x-k8s.io"
POOL = f"""\
apiVersion: {GROUP}/v1alpha1
kind: InClusterIPPool
metadata: {{name: blue}}
spec: {{subnet: 10.9.0.0/30}}
"""
FOREIGN = """\
# what a person wrote
apiVersion: v1   # stays
kind: ConfigMap
metadata: {name: 'n', created: 2026-01-01}
data: {a: 22:22, b: 2001:10:0:0:0:0:0:1, c: "1e3", d: =, e: 0o17, f: *x, g: &x y}
""".replace("f: *x, g: &x y", "f: &x y, g: *x")


def run(*arguments: str, stdin: str | bytes = "") -> testing.Result:
    result = testing.CliRunner().invoke(main.main, arguments, input=stdin)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def convert(*arguments: str, stdin: str | bytes = "") -> str:
    result = run("convert", "--to", "v1alpha2", *arguments, stdin=stdin)
    assert result.exit_code == 0, result.stderr
    return result.stdout


def with_annotations(text: str) -> str:
    return POOL.replace("{name: blue}", f"{{name: blue, annotations: {text}}}")


def annotations_of(text: str) -> Any:
    """Return what kubectl would find there."""
    (source,) = yamltext.parse(text)
    value: Any = source.value
    return value["metadata"]["annotations"]


@pytest.mark.parametrize("before", ["", "# first\n---\n", "%YAML 1.1\n---\n"])
def test_a_document_without_a_pool_stays_as_it_is_written(before: str) -> None:
    assert convert(stdin=before + FOREIGN) == before + FOREIGN


def test_a_document_beside_a_pool_stays_as_it_is_written() -> None:
    converted = convert(stdin=f"{FOREIGN}---\n{POOL}--- # second\n{FOREIGN}")

    assert converted.startswith(f"{FOREIGN}---\napiVersion: {GROUP}/v1alpha2\n")
    assert converted.endswith(f"--- # second\n{FOREIGN}")


def test_documents_of_several_files_stay_apart(tmp_path: Path) -> None:
    files = {
        "a.yaml": FOREIGN.removesuffix("\n"),
        "b.yaml": POOL,
        "c.json": json.dumps(yaml.safe_load(POOL)),
        "d.yaml": f"%YAML 1.1\n---\n{FOREIGN}",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)

    converted = convert(*(part for name in files for part in ("-f", str(tmp_path / name))))

    kinds = [document["kind"] for document in yaml.load_all(converted, yaml.BaseLoader)]
    assert kinds == ["ConfigMap", "InClusterIPPool", "InClusterIPPool", "ConfigMap"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("22:22", "22:22"),
        ("2001:10:0:0:0:0:0:1", "2001:10:0:0:0:0:0:1"),
        ("2026-01-01", "2026-01-01"),
        ("=", "="),
        ("<<", "<<"),
        ("1_0", 10),
        ("017", 15),
        ("0o17", 15),
        ("0x1F", 31),
        ("0b11", 3),
        ("0b-11", -3),
        ("08", 8),
        ("1e3", 1000),
        ("24.0", 24),
        (".5", 0.5),
        ("._5", "._5"),
        ("1e400", "1e400"),
        ("99999999999999999999", 10**20),
        ("9" * 5000, "9" * 5000),
        ("y", True),
        ("Off", False),
        ("~", None),
        ("", None),
        ("nULL", "nULL"),
        ("NaN", "NaN"),
        ("1.2.3.4", "1.2.3.4"),
    ],
)
def test_scalars_mean_what_they_mean_to_kubectl(text: str, value: object) -> None:
    found = scalars.resolve(text)

    assert (found, type(found)) == (value, type(value))
    assert [source.value for source in yamltext.parse(f"a: {text}\n")] == [{"a": value}]


@pytest.mark.parametrize(
    "text", ["1234e56", "1e3", "0o17", "08", "y", "n", "22:22", "=", "2026-01-01", "1_0", ".inf"]
)
def test_a_quoted_string_of_a_pool_is_quoted_again(text: str) -> None:
    converted = convert(stdin=with_annotations(f"{{'{text}': '{text}'}}"))

    assert annotations_of(converted)[text] == text
    assert yaml.safe_load(converted)["metadata"]["annotations"][text] == text
    assert f"'{text}': '{text}'" in converted


@example("a\x85b")
@example("\u2028")
@given(st.text() | st.from_regex(r"[-+.0-9eExob_:yYnN~=]{1,8}", fullmatch=True))
def test_what_is_written_reads_the_same_in_every_yaml(text: str) -> None:
    written = yamltext.dump({"key": [text]})

    assert [source.value for source in yamltext.parse(written)] == [{"key": [text]}]
    assert yaml.safe_load(written) == {"key": [text]}


@pytest.mark.parametrize(
    ("key", "name"), [("5", "5"), ("on", "true"), ("no", "false"), ("22:22", "22:22")]
)
def test_a_key_that_is_no_string_gets_the_name_that_it_has_in_json(key: str, name: str) -> None:
    assert name in annotations_of(convert(stdin=with_annotations(f"{{{key}: x}}")))


def test_what_is_merged_gives_way_to_what_follows() -> None:
    text = "a: &a {x: 1, y!: 1}\nb: {<<: [*a, {x: 3, z: 3}], y!: 2}\n"

    (source,) = yamltext.parse(text)

    assert source.value == {"a": {"x": 1, "y!": 1}, "b": {"x": 1, "y!": 2, "z": 3}}


def test_a_merge_needs_objects() -> None:
    assert "<< needs an object, or a list of them" in run("validate", stdin="<<: 5").stderr


@pytest.mark.parametrize("prefix", ["24.0", "2.4e1"])
def test_an_integral_number_is_an_integer(prefix: str) -> None:
    spec = f'{{"addresses": ["10.0.0.1"], "prefix": {prefix}}}'
    pool = POOL.replace("{subnet: 10.9.0.0/30}", spec)
    as_json = json.dumps(yaml.safe_load(pool)).replace('"2.4e1"', prefix)

    assert run("validate", stdin=pool).output == ""
    assert run("validate", stdin=as_json).output == ""
    assert '"prefix": 24}' in convert(stdin=as_json)


@pytest.mark.parametrize(
    ("text", "where"),
    [
        (f"{POOL}x: {{a: 1,\n  b: 2, a: 3}}", "line 6, column 9: duplicate key 'a'"),
        (f"{POOL}kind: Other", "line 5, column 1: duplicate key 'kind'"),
        (f"{POOL}5: a\n'5': b", "line 6, column 1: duplicate key '5'"),
        (f'{{"x": "{GROUP}", "a": {{"b": 1, "b": 2}}}}', "standard input: duplicate key 'b'"),
    ],
)
@pytest.mark.parametrize("command", [("convert", "--to", "v1alpha2"), ("validate",)])
def test_a_key_that_stands_twice_is_refused(
    command: tuple[str, ...], text: str, where: str
) -> None:
    result = run(*command, stdin=text)

    assert result.exit_code == 1
    assert where in result.stderr


def test_aliases_that_multiply_are_refused_at_once() -> None:
    lines = (f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 30))
    bomb = "a0: &a0 [x]\n" + "".join(lines)

    result = run("convert", "--to", "v1alpha2", stdin=bomb)

    assert result.exit_code == 1
    assert "excessive aliasing" in result.stderr


def test_a_pool_with_aliases_is_written_without_them() -> None:
    pool = with_annotations("{a: &a x, b: *a}").replace("{subnet: 10.9.0.0/30}", "{subnet: *a}")

    written = convert(stdin=pool.replace("&a x", "&a 10.9.0.0/30"))

    assert "*" not in written
    assert annotations_of(written)["b"] == "10.9.0.0/30"


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e400", "9" * 400])
def test_what_only_python_takes_for_a_number_is_no_json(number: str) -> None:
    text = f'{{"apiVersion": "{GROUP}/v1alpha2", "kind": "InClusterIPPool", "x": {number}}}'

    for command in (("convert", "--to", "v1alpha2"), ("validate",)):
        result = run(*command, stdin=text)
        assert result.exit_code == 1
        assert f"{number[:10]} is no number of JSON" in result.stderr


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("between", ["", "\n"])
def test_several_documents_of_json_stay_json(mark: str, between: str) -> None:
    pool = json.dumps(yaml.safe_load(POOL))
    foreign = '{"apiVersion": "v1",   "kind": "ConfigMap", "big": 1e3}'

    converted = convert(stdin=mark + foreign + between + pool)

    first, rest = converted.split("\n", 1)
    assert first == foreign
    assert json.loads(rest)["spec"] == {"addresses": ["10.9.0.1-10.9.0.2"], "prefix": 30}


@pytest.mark.parametrize("bad", [r"\ud800", r"\ude00\ud83d"])
def test_half_a_character_becomes_what_go_makes_of_it(bad: str) -> None:
    pool = yaml.safe_load(with_annotations("{a: BAD}"))

    converted = convert(stdin=json.dumps(pool).replace("BAD", f"{bad}\U0001f600"))

    found = json.loads(converted)["metadata"]["annotations"]["a"]
    assert found == "\ufffd" * bad.count("u") + "\U0001f600"


def test_a_name_never_breaks_its_line() -> None:
    pool = POOL.replace("blue", '"a\\nb"').replace("10.9.0.0/30", "x")

    lines = run("validate", stdin=pool).stderr.splitlines()

    places = [line.partition(": InClusterIPPool ")[2] for line in lines]
    assert [place.split(":")[:2] for place in places] == [
        [r"a\nb", " metadata.name"],
        [r"a\nb", " spec.subnet"],
    ]


def test_numbers_that_json_lacks_differ_from_strings() -> None:
    found = scalars.resolve(".nan")

    assert isinstance(found, float)
    assert math.isnan(found)
