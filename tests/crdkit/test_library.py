# SPDX-License-Identifier: Apache-2.0
"""crdkit without the rest of the repository: its wheel, its dependencies, and its README."""

import http.client
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from http import HTTPStatus
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

README = Path("crdkit", "README.md")
OURS = ("api", "conversion", "generator", "ipam", "kube", "webhook")
V1, V2 = "apps.example.com/v1", "apps.example.com/v2"


def needed(names: Iterable[str]) -> dict[str, metadata.Distribution]:
    """Return distributions and all that they depend on, as installed here."""
    found, waiting = dict[str, metadata.Distribution](), list(names)
    while waiting:
        requirement = Requirement(waiting.pop())
        wanted = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        name = canonicalize_name(requirement.name)
        if wanted and name not in found:
            found[name] = metadata.distribution(name)
            waiting += found[name].requires or []
    return found


def wheel_in(folder: Path) -> Path:
    """Build the wheel from a copy of nothing but the library."""
    tree = folder / "crdkit"
    shutil.copytree("crdkit", tree, ignore=shutil.ignore_patterns("__pycache__"))
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder / "dist"]
    subprocess.run(build, cwd=tree, check=True, capture_output=True)
    (wheel,) = (folder / "dist").iterdir()
    return wheel


def link(distribution: metadata.Distribution, site: Path) -> None:
    """Install a distribution, by links to the files that are installed here."""
    tops = {file.parts[0] for file in distribution.files or ()} - {"..", "__pycache__"}
    for top in tops:
        (site / top).symlink_to(Path(str(distribution.locate_file(top))))


@pytest.fixture(scope="module")
def bin_(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the programs of an environment with crdkit, what it declares, and an ASGI server."""
    wheel, venv = wheel_in(tmp_path_factory.mktemp("wheel")), tmp_path_factory.mktemp("venv")
    uv = [sys.executable, "-m", "uv"]
    create = [*uv, "venv", "--offline", "--python", sys.executable, venv, "--clear"]
    subprocess.run(create, check=True, capture_output=True)
    install = [*uv, "pip", "install", "--offline", "--no-deps", "--python", venv / "bin/python"]
    subprocess.run([*install, wheel], check=True, capture_output=True)
    (site,) = venv.glob("lib/python*/site-packages")
    (own,) = metadata.distributions(name="crdkit", path=[str(site)])
    for distribution in needed([*(own.requires or ()), "uvicorn"]).values():
        link(distribution, site)
    return venv / "bin"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the files of the README."""
    folder = tmp_path_factory.mktemp("project")
    for name, text in re.findall(
        r"```python\n# (\w+\.py)\n(.*?)```", README.read_text(), re.DOTALL
    ):
        (folder / name).write_text(text)
    return folder


def run(bin_: Path, project: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    command = [bin_ / words[0], *words[1:]]
    return subprocess.run(command, cwd=project, check=False, capture_output=True, text=True)


@pytest.fixture(scope="module")
def address(bin_: Path, project: Path) -> Iterator[str]:
    """Return host and port of the README's application."""
    command = [bin_ / "python", "-m", "uvicorn", "service:APP", "--port", "0"]
    server = subprocess.Popen(command, cwd=project, stderr=subprocess.PIPE, text=True)
    assert server.stderr is not None
    started = (re.search(r"running on http://(\S+)", line) for line in server.stderr)
    yield next(found[1] for found in started if found)
    server.terminate()
    server.communicate()


def send(address: str, method: str, path: str, body: str = "") -> tuple[int, bytes]:
    """Return the status and the body of the answer to a request."""
    connection = http.client.HTTPConnection(address)
    try:
        connection.request(method, path, body, {"content-type": "application/json"})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def converted(address: str, api_version: str, *objects: dict[str, Any]) -> list[dict[str, Any]]:
    """Return objects in another version."""
    request = {"uid": "u", "desiredAPIVersion": api_version, "objects": objects}
    review = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "ConversionReview",
        "request": request,
    }
    status, answer = send(address, "POST", "/convert", json.dumps(review))
    assert status == HTTPStatus.OK
    response = json.loads(answer)["response"]
    assert (response["uid"], response["result"]) == ("u", {"status": "Success"})
    found: list[dict[str, Any]] = response["convertedObjects"]
    return found


def web_app(api_version: str, **spec: object) -> dict[str, Any]:
    metadata = {"name": "shop", "namespace": "default"}
    return {"apiVersion": api_version, "kind": "WebApp", "metadata": metadata, "spec": spec}


def test_nothing_of_the_repository_is_there(bin_: Path, project: Path) -> None:
    for name in OURS:
        done = run(bin_, project, "python", "-c", f"import {name}")
        assert f"No module named '{name}'" in done.stderr


def test_it_is_typed(bin_: Path, project: Path) -> None:
    program = "from importlib import resources; print(resources.files('crdkit') / 'py.typed')"

    done = run(bin_, project, "python", "-c", program)

    assert Path(done.stdout.strip()).is_file()


def test_it_generates_the_definition(bin_: Path, project: Path) -> None:
    done = run(bin_, project, "crdkit", "webapps", "--out", "crds", "--reference", "api.md")

    assert (done.returncode, done.stderr) == (0, "generated 2 files, 2 of them changed\n")
    text = (project / "crds" / "apps.example.com_webapps.yaml").read_text()
    assert text.startswith("# Generated by `crdkit webapps`; do not edit.\n")
    spec = yaml.safe_load(text)["spec"]
    assert [(it["name"], it["storage"]) for it in spec["versions"]] == [("v1", False), ("v2", True)]
    assert spec["conversion"]["webhook"]["clientConfig"]["service"]["path"] == "/convert"
    assert "## WebApp" in (project / "api.md").read_text()
    again = run(bin_, project, "crdkit", "webapps", "--check", "--reference", "api.md")
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")


def test_it_says_what_the_api_server_would_refuse(bin_: Path, project: Path) -> None:
    done = run(bin_, project, "crdkit", "json")

    assert done.returncode == 1
    assert done.stderr.startswith("Error: json: has no kind: ")


@pytest.mark.parametrize(
    ("written", "other", "spec"),
    [
        (web_app(V1, image="a", hostname="x"), V2, {"image": "a", "hosts": ["x"]}),
        (web_app(V1, image="a"), V2, {"image": "a"}),
        (web_app(V1, image="a", hostname=""), V2, {"image": "a"}),
        (web_app(V2, image="a", hosts=["x"]), V1, {"image": "a", "hostname": "x"}),
        (web_app(V2, image="a", hosts=["x", "y"]), V1, {"image": "a"}),
        (web_app(V2, image="a", hosts=[]), V1, {"image": "a"}),
    ],
)
def test_it_converts_there_and_back_and_loses_nothing(
    address: str, written: dict[str, Any], other: str, spec: dict[str, Any]
) -> None:
    (there,) = converted(address, other, written)
    (back,) = converted(address, written["apiVersion"], there)

    assert (there["apiVersion"], there["spec"]) == (other, spec)
    assert back == written


def test_an_old_client_drops_no_host(address: str) -> None:
    stored = web_app(V2, image="a", hosts=["x", "y"])

    (old,) = converted(address, V1, stored)
    old["spec"]["image"] = "b"
    (new,) = converted(address, V2, old)

    assert new == web_app(V2, image="b", hosts=["x", "y"])


@pytest.mark.parametrize(("method", "path"), [("GET", "/convert"), ("POST", "/other")])
def test_other_requests_are_refused(address: str, method: str, path: str) -> None:
    assert send(address, method, path) == (404, b"POST a review to /convert\n")
