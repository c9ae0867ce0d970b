# SPDX-License-Identifier: Apache-2.0
"""`ipam-in-cluster versions` where it cannot look; tests/apiserver has where it can."""

import json
from pathlib import Path
from typing import Any

import pytest
from click import testing

from cli import main
from envtest import pki, ports


def run(*arguments: str) -> testing.Result:
    result = testing.CliRunner().invoke(main.main, ["versions", *arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def kubeconfig(folder: Path, **cluster: Any) -> Path:
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "a", "cluster": cluster}],
        "users": [{"name": "a", "user": {"token": "x"}}],
        "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}],
        "current-context": "a",
    }
    path = folder / "config"
    path.write_text(json.dumps(config))
    return path


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Be at home in a folder without a kubeconfig, and in no pod."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_without_a_kubeconfig_one_line_says_how_to_name_one() -> None:
    result = run()

    assert result.exit_code == 1
    [line] = result.stderr.splitlines()
    assert line.endswith("pass --kubeconfig FILE, set KUBECONFIG, or run in a pod")
    assert result.stdout == ""


def test_a_kubeconfig_that_is_not_there_is_named(tmp_path: Path) -> None:
    result = run("--kubeconfig", str(tmp_path / "nowhere"))

    assert result.exit_code == 1
    [line] = result.stderr.splitlines()
    assert line.startswith(f"kubeconfig {tmp_path}/nowhere: there is no such file")


def test_a_cluster_that_does_not_answer_is_reported_in_one_line(tmp_path: Path) -> None:
    port = ports.free_port()
    path = kubeconfig(tmp_path, server=f"http://{pki.LOOPBACK}:{port}")

    result = run("--kubeconfig", str(path))

    assert result.exit_code == 1
    [line] = result.stderr.splitlines()
    assert line.startswith("the API server cannot be reached: ")
    assert f"no connection to {pki.LOOPBACK}:{port}" in line
    assert line.endswith("; check --kubeconfig and the network")
    assert "object at" not in line


def test_the_kubeconfig_of_kubectl_is_the_default(home: Path) -> None:
    (home / ".kube").mkdir()
    port = ports.free_port()
    kubeconfig(home / ".kube", server=f"http://{pki.LOOPBACK}:{port}")

    result = run()

    assert f"no connection to {pki.LOOPBACK}:{port}" in result.stderr


def test_missing_credentials_are_reported_in_one_line(tmp_path: Path) -> None:
    path = kubeconfig(tmp_path, server="https://127.0.0.1:1")
    config = json.loads(path.read_text())
    config["users"][0]["user"] = {"tokenFile": str(tmp_path / "token")}
    path.write_text(json.dumps(config))

    result = run("--kubeconfig", str(path))

    assert result.exit_code == 1
    [line] = result.stderr.splitlines()
    assert str(tmp_path / "token") in line


def test_a_home_that_cannot_be_searched_has_no_kubeconfig(monkeypatch: pytest.MonkeyPatch) -> None:
    def closed(_: Path) -> bool:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "is_file", closed)

    assert run().stderr.endswith("pass --kubeconfig FILE, set KUBECONFIG, or run in a pod\n")


def test_a_server_with_an_invalid_name_is_reported_in_one_line(tmp_path: Path) -> None:
    path = kubeconfig(tmp_path, server="http://a..b")

    [line] = run("--kubeconfig", str(path)).stderr.splitlines()

    assert line.startswith("the API server cannot be reached: ")
