# SPDX-License-Identifier: Apache-2.0
"""Released programs are fetched from an index, verified, and else built; here it is on loopback."""

import hashlib
import io
import os
import platform
import stat
import subprocess
import tarfile
import threading
from collections.abc import Generator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self

import pytest
import yaml
from click.testing import CliRunner, Result

from envtest import __main__ as command_line
from envtest import pki, ports
from envtest.controlplane import binaries, released

MINOR = binaries.KUBE_APISERVER.minor
NEWEST = f"v{MINOR}.12"
ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
NAMES = [tool.name for tool in binaries.RELEASED]
GO = """#!/bin/sh
while [ $# -gt 1 ]; do [ "$1" = -o ] && out=$2; shift; done
echo built > "$out"
"""


class Index:
    """Serves archives of programs that print their version, and an index of them."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.status = 200
        self.versions = [f"v{MINOR}.3", NEWEST, "v1.2.3", "v9.0.0"]
        self.wrong_hash = False
        self.silent = threading.Event()
        self.silent.set()
        index = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                index.asked.append(self.path)
                index.silent.wait(30)
                self.send_response(index.status)
                self.end_headers()
                self.wfile.write(index.content(self.path))

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name
                pass

        self._server = ThreadingHTTPServer((pki.LOOPBACK, 0), Handler)
        self.url = f"http://{pki.LOOPBACK}:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.silent.set()
        self._server.shutdown()
        self._server.server_close()

    def content(self, path: str) -> bytes:
        if path != "/index.yaml":
            return archive(path.removeprefix("/"))
        releases = {version: self._release(version) for version in self.versions}
        return yaml.safe_dump({"releases": releases}).encode()

    def _release(self, version: str) -> dict[str, dict[str, str]]:
        digest = "0" * 128 if self.wrong_hash else hashlib.sha512(archive(version)).hexdigest()
        entry = {"hash": digest, "selfLink": f"{self.url}/{version}"}
        return {f"envtest-{version}-linux-{ARCHITECTURE}.tar.gz": entry}


def archive(version: str) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz", format=tarfile.PAX_FORMAT) as tar:
        for name in NAMES:
            script = f"#!/bin/sh\necho {name} {version}\n".encode()
            entry = tarfile.TarInfo(f"controller-tools/envtest/{name}")
            entry.size, entry.mode = len(script), 0o755
            tar.addfile(entry, io.BytesIO(script))
    packed.seek(4)  # the time in the head of gzip
    packed.write(bytes(4))
    return packed.getvalue()


@pytest.fixture(autouse=True)
def nothing_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only setup-envtest is on this machine, and a Go that builds in no time."""
    setup_envtest = binaries.find(binaries.SETUP_ENVTEST)
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    (bin_folder / "go").write_text(GO)
    (bin_folder / "go").chmod(stat.S_IRWXU)
    monkeypatch.setenv("PATH", str(bin_folder))
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(setup_envtest.parent))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def index() -> Generator[Index]:
    with Index() as served:
        yield served


def build(url: str) -> Result:
    """Run what `make tools` runs."""
    done = CliRunner().invoke(command_line.main, ["build"], env={released.INDEX: url})
    assert done.exit_code == 0, done.output
    return done


def fallback(done: Result) -> str:
    """Return why nothing was fetched; assert that all programs were built."""
    lines = done.stderr.splitlines()
    assert [line.split()[2] for line in lines if ": building " in line] == NAMES
    assert not binaries.released_folder(binaries.cache_folder()).exists()
    prefix = "envtest: no released programs, so Go builds them: "
    (reason,) = [line for line in lines if line.startswith(prefix)]
    return reason.removeprefix(prefix)


def test_the_newest_release_of_the_pinned_minor_version_is_fetched(index: Index) -> None:
    done = build(f"{index.url}/index.yaml")

    assert done.stderr == f"envtest: fetching etcd, kube-apiserver and kubectl {MINOR} (once)\n"
    for tool in binaries.RELEASED:
        program = binaries.find(tool)
        assert f": {program}\n" in done.stdout
        printed = subprocess.run(["/bin/sh", program], capture_output=True, text=True, check=True)
        assert printed.stdout == f"{tool.name} {NEWEST}\n"
        assert os.access(program, os.X_OK)


def test_what_was_fetched_is_kept(index: Index) -> None:
    build(f"{index.url}/index.yaml")
    asked = list(index.asked)

    assert build(f"{index.url}/index.yaml").stderr == ""
    assert index.asked == asked
    assert list(binaries.cache_folder().glob(".*")) == []


def test_what_is_on_the_machine_comes_first(
    index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in NAMES:
        (tmp_path / name).touch()
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path))

    build(f"{index.url}/index.yaml")

    assert index.asked == []


def test_an_archive_with_another_hash_is_not_used(index: Index) -> None:
    index.wrong_hash = True

    assert "checksum mismatch" in fallback(build(f"{index.url}/index.yaml"))


@pytest.mark.parametrize("status", [403, 404, 503])
def test_an_index_that_refuses_leaves_the_work_to_go(index: Index, status: int) -> None:
    index.status = status

    assert f'unable to get index -- got status "{status} ' in fallback(build(index.url))


def test_an_index_without_the_minor_version_leaves_the_work_to_go(index: Index) -> None:
    index.versions = ["v1.2.3"]

    reason = fallback(build(f"{index.url}/index.yaml"))

    assert reason == f"the index has no Kubernetes {MINOR} for this machine"


def test_an_index_that_is_silent_is_not_waited_for(
    index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(released, "LIST_SECONDS", 0.2)
    index.silent.clear()

    assert "setup-envtest list: not within 0.2 s" in fallback(build(index.url))


def test_without_a_network_go_builds_at_once() -> None:
    url = f"http://{pki.LOOPBACK}:{ports.free_port()}"

    assert "connection refused" in fallback(build(url))


def test_without_the_modules_of_setup_envtest_go_builds_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KUBEBUILDER_ASSETS")
    go = tmp_path / "bin" / "go"
    refused = 'case "$*" in *"mod download"*) echo "dial tcp: no route" >&2; exit 1;; esac'
    go.write_text(GO.replace("\n", f"\n{refused}\n", 1))

    reason = fallback(build(""))

    assert reason == "go mod download failed with status 1: dial tcp: no route"


def test_none_is_no_index() -> None:
    done = build(released.NO_INDEX)

    assert "no released programs" not in done.stderr
    assert f"building etcd {binaries.ETCD.version}" in done.stderr
