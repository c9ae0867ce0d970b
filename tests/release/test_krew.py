# SPDX-License-Identifier: Apache-2.0
"""`kubectl ipam` as krew installs it: by the real krew, for users without a Python."""

import functools
import http.server
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import threading
import urllib.request
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import pytest
from servers import kubeconfig

from envtest.controlplane import binaries, tenants
from envtest.ports import free_port
from hack.krew import archive, licences, platforms
from hack.krew.errors import KrewError

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "how-to" / "kubectl-ipam.md"
BLOCK = re.compile(r"^```bash\n(.*?)^```$", re.MULTILINE | re.DOTALL)
VERSION = "v2.1.0"
OTHERS = [name for name in platforms.PLATFORMS if name != platforms.current()]
SHELL = ("bash", "ln", "rm")
"""What the commands of the page run, besides kubectl."""


def _tool(name: str) -> binaries.Tool:
    return binaries.Tool(
        name=name,
        module="krew",
        package=f"sigs.k8s.io/krew/cmd/{name}",
        requirement="sigs.k8s.io/krew",
        version_arguments=(),
        minutes=1,
    )


KREW, VALIDATE = _tool("krew"), _tool("validate-krew-manifest")

pytestmark = pytest.mark.skipif(
    not all(map(shutil.which, archive.BINUTILS)) and "CI" not in os.environ,
    reason="there are no binutils: make e2e-packages",
)


def python(module: str, *words: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", f"hack.krew.{module}", *map(str, words)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def manifest(out: Path, *words: str) -> subprocess.CompletedProcess[str]:
    repository = "--repository=https://github.com/OWNER/NAME/"
    return python("manifest", VERSION, repository, f"--out={out}", *words)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the archive of this platform."""
    out = tmp_path_factory.mktemp("krew")
    done = python("archive", f"--out={out}")
    assert done.stderr == ""
    return out


@pytest.fixture(scope="module")
def release(built: Path) -> Generator[tuple[str, Path]]:
    """Serve a release on loopback, as GitHub does; yield the repository's URL, and the manifest."""
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=built)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever).start()
        url = f"http://127.0.0.1:{server.server_port}"
        folder = built / "releases" / "download" / VERSION
        folder.mkdir(parents=True)
        name = platforms.file_name(platforms.current())
        (folder / name).symlink_to(built / name)
        options = [f"--without={name}" for name in OTHERS]
        done = python("manifest", VERSION, f"--repository={url}", f"--out={folder}", *options)
        assert done.stderr == ""
        yield url, folder / "ipam.yaml"
        server.shutdown()


@pytest.fixture
def repository(release: tuple[str, Path]) -> str:
    return release[0]


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who has kubectl and krew, and no Python."""

    environment: dict[str, str]

    def run(self, commands: str, status: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [self.environment["SHELL"], "-euo", "pipefail", "-c", commands],
            env=self.environment,
            cwd=self.environment["HOME"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == status, f"{commands}\n{done.stdout}{done.stderr}"
        return done

    def page(self, number: int, url: str = "") -> subprocess.CompletedProcess[str]:
        """Run a block of the page, with another repository."""
        block = BLOCK.findall(PAGE.read_text())[number]
        return self.run(block.replace("https://github.com/OWNER/NAME", url))


@pytest.fixture
def user(tenant: tenants.Tenant, tmp_path: Path) -> User:
    programs, root = tmp_path / "programs", tmp_path / "krew"
    programs.mkdir()
    found = {name: Path(shutil.which(name) or name) for name in SHELL}
    found |= {"kubectl": binaries.find(binaries.KUBECTL), "kubectl-krew": binaries.find(KREW)}
    for name, path in found.items():
        (programs / name).symlink_to(path)
    group = ["system:masters"]
    plane = tenant.provider.control_plane
    config = plane.kubeconfig(f"krew-{tenant.namespace}", group, tenant.namespace)
    return User(
        {
            "HOME": str(tmp_path),
            "KREW_NO_UPGRADE_CHECK": "1",
            "KREW_ROOT": str(root),
            "KUBECONFIG": str(config),
            "PATH": f"{root / 'bin'}:{programs}",
            "SHELL": str(programs / "bash"),
        }
    )


def test_krew_installs_a_program_that_needs_no_python(
    tenant: tenants.Tenant, user: User, repository: str
) -> None:
    tenant.add_pool("blue", "10.0.0.0/24", gateway="10.0.0.1")
    tenant.add_claim("web", "blue")
    tenant.bound("web")
    user.run("! command -v python && ! command -v python3")

    installed = user.page(0, repository)

    assert "Installed plugin: ipam" in installed.stderr
    assert "ln -s kubectl-ipam" in installed.stderr
    assert git("rev-parse", "HEAD") in user.run("kubectl ipam --version").stdout
    assert "kubectl ipam pools --all-namespaces" in user.run("kubectl ipam --help").stdout
    assert "blue" in user.run("kubectl ipam pools").stdout
    assert "10.0.0.2" in user.run("kubectl ipam show blue").stdout
    assert user.run("kubectl ipam check").stdout.startswith("No problems found.\n")
    user.run("kubectl ipam map --export map.html")
    assert "10.0.0.2" in Path(user.environment["HOME"], "map.html").read_text()
    user.run("kubectl get inclusterippools blue -o yaml | kubectl ipam validate -f -")


def test_the_installed_program_asks_an_identity_provider(
    tmp_path: Path, user: User, repository: str
) -> None:
    issuer = f"http://127.0.0.1:{free_port()}"
    settings = {"idp-issuer-url": issuer, "client-id": "ipam", "refresh-token": "r"}
    login = {"auth-provider": {"name": "oidc", "config": settings}}
    config = kubeconfig(tmp_path, "http://127.0.0.1", login)
    user.page(0, repository)

    refused = user.run(f"kubectl ipam pools --kubeconfig {config}", status=3)

    assert f"identity provider {issuer}: Cannot connect" in refused.stderr


def test_the_installed_map_is_served(tenant: tenants.Tenant, user: User, repository: str) -> None:
    tenant.add_pool("blue", "10.0.0.0/24")
    user.page(0, repository)
    serving = subprocess.Popen(
        [shutil.which("kubectl", path=user.environment["PATH"]) or "", "ipam", "map", "--no-open"],
        env=user.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert serving.stdout is not None

    try:
        with urllib.request.urlopen(serving.stdout.readline().strip(), timeout=20) as answer:  # noqa: S310 - ours
            page = answer.read().decode()
    finally:
        serving.send_signal(signal.SIGINT)
        printed, errors = serving.communicate(timeout=30)

    assert f"{tenant.namespace}/blue" in page
    assert (serving.returncode, printed, errors) == (0, "", "")


def test_the_link_of_the_caveats_completes_words(
    tenant: tenants.Tenant, user: User, repository: str
) -> None:
    tenant.add_pool("blue", "10.0.0.0/24")
    user.page(0, repository)
    user.page(1)

    formats = user.run("kubectl __complete ipam pools -o w").stdout
    pools = user.run("kubectl __complete ipam show bl").stdout

    assert formats.splitlines() == ["wide", ":4"]
    assert pools.startswith("blue")


def test_the_page_uninstalls_everything(user: User, repository: str) -> None:
    Path(user.environment["KREW_ROOT"], "index", "default", ".git").mkdir(parents=True)
    user.page(0, repository)
    user.page(1)

    user.page(2)

    assert list(Path(user.environment["KREW_ROOT"], "bin").iterdir()) == []
    user.run("kubectl ipam --version", status=1)


def test_krew_finds_nothing_wrong_with_the_release(user: User, release: tuple[str, Path]) -> None:
    done = validate(release[1], environment=user.environment)

    assert done.returncode == 0, done.stderr
    assert "all 1 spec.platforms installed fine" in done.stderr


def validate(
    path: Path, *flags: str, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the check that krew's index makes of a manifest."""
    command = [binaries.find(VALIDATE), "-manifest", path, *flags]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_the_program_imports_nothing_that_the_archive_leaves_out() -> None:
    lines = (
        "import cli, importlib, kube, pkgutil, sys",
        f"sys.modules.update(dict.fromkeys({archive.NOT_NEEDED}))",
        "for package in (cli, kube):",
        "    for each in pkgutil.walk_packages(package.__path__, f'{package.__name__}.'):",
        "        importlib.import_module(each.name)",
        "print('kubernetes.aio' in sys.modules)",
    )
    command = [sys.executable, "-c", "\n".join(lines)]

    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert (done.stdout, done.stderr) == ("True\n", "")


@pytest.mark.builds
def test_the_archive_has_the_licence_of_each_package(built: Path) -> None:
    with tarfile.open(built / platforms.file_name(platforms.current())) as tar:
        names = {member.name for member in tar}
        ours = tar.extractfile("LICENSE")
        assert ours is not None
        assert ours.read() == (ROOT / "LICENSE").read_bytes()

    packages = {name.split("/")[1] for name in names if name.startswith("licences/")}
    assert {"pydantic_core", "pyinstaller", "kubernetes", "Jinja2", "uvloop"} < packages
    assert {"pytest", "hypothesis", "markdown-it-py", "pygments", "setuptools"}.isdisjoint(packages)
    assert {"licences/structlog/NOTICE", "licences/aiohttp/vendor-llhttp-LICENSE"} < names


@pytest.mark.builds
def test_the_archive_does_not_depend_on_who_builds_it(built: Path) -> None:
    path = built / platforms.file_name(platforms.current())
    with tarfile.open(path) as tar:
        members = {member.name: member for member in tar}

    seconds = int(git("log", "-1", "--format=%ct"))
    assert {(it.mtime, it.uid, it.isreg()) for it in members.values()} == {(seconds, 0, True)}
    assert members["kubectl-ipam"].mode == 0o755
    assert members["LICENSE"].mode == 0o644
    assert [name for name in members if name.endswith("/RECORD")] == []
    assert path.stat().st_size < 45 * 2**20  # docs/design/0011-krew.md has its size


def git(*words: str) -> str:
    return subprocess.check_output(["git", *words], cwd=ROOT, text=True).strip()


def test_the_manifest_has_each_platform(tmp_path: Path) -> None:
    for name in platforms.PLATFORMS:
        (tmp_path / platforms.file_name(name)).write_text(name)

    done = manifest(tmp_path)

    assert (done.stdout, done.stderr) == (f"{tmp_path / 'ipam.yaml'}\n", "")
    golden = Path(__file__).with_name("ipam.yaml")
    assert (tmp_path / "ipam.yaml").read_text() == golden.read_text()
    assert validate(golden, "-skip-install").returncode == 0


def test_a_missing_archive_is_named_unless_it_is_left_out(tmp_path: Path) -> None:
    for name in platforms.PLATFORMS[1:]:
        (tmp_path / platforms.file_name(name)).write_text(name)
    missing = tmp_path / "kubectl-ipam_darwin_amd64.tar.gz"

    refused = manifest(tmp_path)
    accepted = manifest(tmp_path, "--without=darwin/amd64")

    remedy = "run `make plugin` on darwin/amd64, or leave it out with WITHOUT=darwin/amd64"
    assert refused.returncode == 1
    assert refused.stderr == f"krew: {missing} is missing: {remedy}\n"
    assert accepted.returncode == 0
    assert (
        "arch: amd64\n    uri: https://github.com/OWNER/NAME/"
        in (tmp_path / "ipam.yaml").read_text()
    )


def test_a_manifest_names_a_release(tmp_path: Path) -> None:
    done = python("manifest", "main", "--repository=https://example.com", f"--out={tmp_path}")

    assert done.returncode == 1
    assert done.stderr.startswith("krew: 'main' is no version")


def test_a_manifest_without_a_platform_is_refused(tmp_path: Path) -> None:
    done = manifest(tmp_path, *(f"--without={name}" for name in platforms.PLATFORMS))

    assert (done.returncode, done.stderr) == (
        1,
        "krew: --without leaves out all platforms: keep at least one\n",
    )


def test_the_same_files_make_the_same_archive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1000000000")
    packed = list[bytes]()
    for number in (1, 2):
        folder = tmp_path / str(number)
        (folder / "lib").mkdir(parents=True)
        for name in ("b", "a")[:: 3 - 2 * number]:
            (folder / "lib" / name).write_text(name)
            os.utime(folder / "lib" / name, (number, number))
        (folder / "link").symlink_to("lib/a")
        (folder / "same").hardlink_to(folder / "lib" / "b")
        archive.pack(folder, tmp_path / f"{number}.tar.gz")
        packed.append((tmp_path / f"{number}.tar.gz").read_bytes())

    assert packed[0] == packed[1]
    with tarfile.open(tmp_path / "1.tar.gz") as tar:
        names = ["lib/a", "lib/b", "link", "same"]
        assert [(it.name, it.isreg(), it.size) for it in tar] == [(name, True, 1) for name in names]


def test_a_platform_without_an_archive_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platforms.platform, "system", lambda: "Windows")

    with pytest.raises(
        KrewError, match=r"^windows/\w+ has no archive: build on one of darwin/amd64, "
    ):
        platforms.current()


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    """Return the scratch folder of a build of one library and one Python package."""
    site = tmp_path / "venv" / "lib" / "python3.11" / "site-packages"
    package = site / "toy-1.0.dist-info"
    package.mkdir(parents=True)
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: toy\nVersion: 1.0\n")
    (package / "RECORD").write_text("toy.py,,\ntoy-1.0.dist-info/LICENSE,,\n")
    (package / "LICENSE").write_text("Be free.")
    build = tmp_path / "build" / "kubectl-ipam"
    build.mkdir(parents=True)
    for name in ("COLLECT-00.toc", "EXE-00.toc", "PYZ-00.toc"):
        (build / name).write_text(f"[('toy',\n  '{site / 'toy.py'}',\n  'PYMODULE')]")
    return tmp_path


def copy_licences(scratch: Path) -> Path:
    target = scratch / "licences"
    licences.copy(scratch / "build" / "kubectl-ipam", scratch / "venv" / "bin" / "python", target)
    return target


def test_a_licence_is_copied(scratch: Path) -> None:
    assert (copy_licences(scratch) / "toy" / "LICENSE").read_text() == "Be free."


def test_a_package_without_a_licence_is_refused(scratch: Path) -> None:
    (record,) = scratch.rglob("RECORD")
    record.write_text("toy.py,,\n")

    with pytest.raises(KrewError, match=r"^the Python package toy has no licence: leave it out$"):
        copy_licences(scratch)


def test_a_library_without_a_known_licence_is_refused(scratch: Path) -> None:
    table = scratch / "build" / "kubectl-ipam" / "COLLECT-00.toc"
    table.write_text("[('libstranger.so.1', '/opt/libstranger.so.1', 'BINARY')]")

    with pytest.raises(KrewError, match=r"^/opt/libstranger\.so\.1 has no known licence: build"):
        copy_licences(scratch)


@pytest.mark.skipif(sys.platform != "linux", reason="PyInstaller needs binutils on Linux alone")
def test_a_missing_program_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")

    with pytest.raises(KrewError, match=r"^objcopy is missing: install the Debian package "):
        archive.build(tmp_path)
