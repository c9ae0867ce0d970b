# SPDX-License-Identifier: Apache-2.0
"""Models of other projects: the example of the documentation, on a real API server."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

import generator.__main__ as command
from envtest import errors, install
from envtest.client import Client, Resource
from envtest.provider import Provider
from envtest.tenants import Tenant

Json = dict[str, Any]

HERE = Path(__file__).parent / "example"
HOW_TO = Path(__file__).parent.parent.parent / "docs" / "how-to" / "generate-your-own-crds.md"

POOL: Json = {
    "apiVersion": "batch.example.com/v1",
    "kind": "WorkerPool",
    "metadata": {"name": "blue"},
    "spec": {
        "source": {"topic": {"name": "jobs"}},
        "replicas": 3,
        "limits": [{"jobClass": "heavy", "workers": 1}],
    },
}


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Run the generator on a module beside this file; the CRDs go to `tmp_path`."""
    monkeypatch.setattr(sys, "path", [str(HERE), *sys.path])

    def generate(models: str, *options: str) -> Result:
        return CliRunner().invoke(
            command.main, ["--models", models, "--out", str(tmp_path), *options]
        )

    return generate


def test_the_documentation_shows_the_very_file() -> None:
    assert f"```python\n{(HERE / 'workers.py').read_text()}```\n" in HOW_TO.read_text()


@pytest.mark.parametrize("models", ["workers", "everything"])
def test_only_crds_are_written_and_the_time_is_told(run: Any, tmp_path: Path, models: str) -> None:
    result = run(models)

    assert result.exit_code == 0, result.output
    assert [path.suffix for path in tmp_path.rglob("*")] == [".yaml"]
    assert result.stdout == ""
    assert result.stderr.startswith("generated 1 files in ")
    assert result.stderr.endswith(" s of imports\n")
    again = run(models, "--check")
    assert (again.output, again.exit_code) == ("", 0)


def test_everything_that_can_be_said_is_said(run: Any, tmp_path: Path) -> None:
    run("everything")

    name = "everything.example.com_everythings.yaml"
    assert (tmp_path / name).read_text() == (HERE / "everything.yaml").read_text()


@pytest.mark.parametrize(
    ("models", "message"),
    [
        (
            "./workers.py",
            (
                "./workers.py: is no name of a module: write it as Python imports it, such as "
                "`workers` for workers.py"
            ),
        ),
        (
            "",
            (
                "'': is no name of a module: write it as Python imports it, such as `workers` for "
                "workers.py"
            ),
        ),
        ("nowhere", "nowhere: can't be imported: No module named 'nowhere'"),
        (
            "json",
            "json: has no kind: derive one from api.model.Object, with a resource and a version",
        ),
    ],
)
def test_a_package_without_models_is_refused(
    run: Any, tmp_path: Path, models: str, message: str
) -> None:
    result = run(models)

    assert (result.output, result.exit_code) == (f"Error: {message}\n", 1)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("1 +", "SyntaxError: invalid syntax (broken.py, line 1)"),
        ("from json import nothing", "ImportError: cannot import name 'nothing' from 'json'"),
        ("import nowhere", "No module named 'nowhere'"),
        (
            (
                "from api import markers, model\n"
                "class Spec(model.Model):\n"
                "    rules = (markers.CEL('true', 'is bad'))"
            ),
            "TypeError: the rules of Spec are no tuple: write (CEL(...),) with a comma at the end",
        ),
        (
            "from api import model\nclass Spec(model.Model):\n    x: object()",
            "PydanticSchemaGenerationError: Unable to generate pydantic-core schema for",
        ),
    ],
)
def test_a_module_that_fails_is_named_with_the_cause(
    run: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    text: str,
    cause: str,
) -> None:
    package = f"package_{abs(hash(text))}"
    (tmp_path / package).mkdir()
    (tmp_path / package / "__init__.py").write_text("")
    (tmp_path / package / "broken.py").write_text(text)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])

    result = run(package)

    wanted = f"Error: {package}.broken: can't be imported: {cause}"
    assert result.output.startswith(wanted), result.output
    assert result.exit_code == 1


def test_a_package_is_read_with_all_modules_in_it(
    run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "source" / "deep" / "er"
    package.mkdir(parents=True)
    for folder in (package, package.parent):
        (folder / "__init__.py").write_text("")
    text = (HERE / "workers.py").read_text().replace("batch.example.com", "deep.example.com")
    (package / "types.py").write_text(text)
    monkeypatch.setattr(sys, "path", [str(tmp_path / "source"), *sys.path])

    assert run("deep").exit_code == 0
    assert [path.name for path in tmp_path.glob("*.yaml")] == ["deep.example.com_workerpools.yaml"]


@pytest.fixture
def pools(run: Any, tmp_path: Path, tenant: Tenant) -> Resource:
    """The door to worker pools, after the generated CRD was installed."""
    assert run("workers").exit_code == 0
    (path,) = tmp_path.iterdir()
    admin = tenant.provider.admin
    install.crds(admin, [yaml.safe_load(path.read_text())])
    return admin.resource("batch.example.com/v1", "workerpools", tenant.namespace)


def test_the_example_works_on_a_real_api_server(pools: Resource) -> None:
    pools.create(POOL)

    scale = pools.client.request("GET", f"{pools.path}/blue/scale").body
    assert (scale["kind"], scale["spec"]) == ("Scale", {"replicas": 3})
    scale["spec"]["replicas"] = 5
    pools.client.request("PUT", f"{pools.path}/blue/scale", scale)
    assert pools.get("blue")["spec"]["replicas"] == 5

    pools.merge("blue", {"status": {"replicas": 2, "selector": "pool=blue"}}, subresource="status")
    status = pools.client.request("GET", f"{pools.path}/blue/scale").body["status"]
    assert status == {"replicas": 2, "selector": "pool=blue"}

    assert [item["metadata"]["name"] for item in pools.list(fieldSelector=SELECTOR)] == ["blue"]
    assert pools.list(fieldSelector=SELECTOR.replace("jobs", "others")) == []


SELECTOR = "spec.source.topic.name=jobs"


def test_a_list_is_merged_by_its_key(pools: Resource) -> None:
    light = {"jobClass": "light", "workers": 9}
    pools.apply(POOL, manager="a")
    other = {**POOL, "spec": {"source": POOL["spec"]["source"], "limits": [light]}}
    merged = pools.apply(other, manager="b")

    assert merged["spec"]["limits"] == [{"jobClass": "heavy", "workers": 1}, light]


@pytest.mark.parametrize(
    ("spec", "causes"),
    [
        (
            {"source": {"topic": {"name": "a"}, "bucket": {"url": "s3://b"}}},
            [("spec.source", "Invalid value: needs either a topic or a bucket")],
        ),
        ({"source": {}}, [("spec.source", "Invalid value: needs either a topic or a bucket")]),
        (
            {**POOL["spec"], "limits": [{"jobClass": "a", "workers": 1}] * 2},
            [("spec.limits[1]", 'Duplicate value: {"jobClass":"a"}')],
        ),
    ],
)
def test_what_the_example_refuses_is_refused_by_the_api_server(
    pools: Resource, spec: Json, causes: list[tuple[str, str]]
) -> None:
    with pytest.raises(errors.RefusedError) as refusal:
        pools.create({**POOL, "metadata": {"name": "bad"}, "spec": spec})

    assert refusal.value.causes == causes


def test_the_source_never_changes(pools: Resource) -> None:
    pools.create({**POOL, "metadata": {"name": "fixed"}})

    with pytest.raises(errors.RefusedError) as refusal:
        pools.merge("fixed", {"spec": {"source": {"topic": {"name": "others"}}}})

    assert refusal.value.causes == [("spec.source", "Invalid value: is immutable")]


def test_the_api_server_takes_everything_without_a_warning(shared_provider: Provider) -> None:
    document = yaml.safe_load((HERE / "everything.yaml").read_text())
    admin: Client = shared_provider.admin
    crds = admin.resource("apiextensions.k8s.io/v1", "customresourcedefinitions")

    answer = admin.request("POST", crds.path, json.dumps(document), query={"dryRun": "All"})
    assert answer.warnings == ()

    install.crds(admin, [document])
    found = install.conditions(admin, document["metadata"]["name"])
    assert "NonStructuralSchema" not in found
    everythings = admin.resource("everything.example.com/v1", "everythings")
    created = everythings.create(EVERYTHING)
    assert created["spec"]["texts"]["mustBeSaid"] is None
    assert created["spec"]["objects"]["open"] == {"known": True, "more": {"kept": 1}}
    assert created["spec"]["lists"]["ports"] == [{"name": "http", "number": 80}]
    with pytest.raises(errors.RefusedError) as refusal:
        everythings.create({**EVERYTHING, "metadata": {"name": "a-b"}})
    assert refusal.value.causes[0][0] == "metadata.name"
    everythings.delete("all")
    crds.delete(document["metadata"]["name"])


EVERYTHING: Json = {
    "apiVersion": "everything.example.com/v1",
    "kind": "Everything",
    "metadata": {"name": "all"},
    "spec": {
        "numbers": {"share": 5, "memory": "1.5Gi"},
        "texts": {"mustBeSaid": None, "at": "2026-01-02T03:04:05Z"},
        "lists": {},
        "maps": {},
        "objects": {
            "open": {"more": {"kept": 1}},
            "embedded": {"apiVersion": "v1", "kind": "Pod", "spec": {"x": 1}},
        },
        "ruled": {"port": {"number": 1}},
    },
}
