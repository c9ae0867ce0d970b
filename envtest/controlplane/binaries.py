# SPDX-License-Identifier: Apache-2.0
"""Finds the programs of the control plane, or builds them once with Go.

Flow of `find`, for each tool: `$KUBEBUILDER_ASSETS`, this project's cache folder, `$PATH` where the
program there has the pinned version, what `released` has fetched, and at last a build from the
pinned modules of `hack/tools`.
A cache entry's name is a digest of everything that decides what comes out of the build.  So a new
pin means a new entry, and an old checkout keeps its own.
"""

import hashlib
import os
import platform
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from ..errors import MissingToolError
from . import capi
from .building import build, locked, say
from .golang import TOOLS, require_go

_VERSION_PACKAGES: dict[str, tuple[str, dict[str, str]]] = {
    "k8s.io/kubernetes": ("k8s.io/component-base/version", {}),
    capi.MODULE: (
        f"{capi.MODULE}/version",
        {"gitTreeState": "clean"},  # `clusterctl version` shows it; a module is as it was tagged
    ),
}
"""Where a program looks for its own version, and for what else, by the module path that pins it."""
_BUILD_FLAGS = ("-trimpath", "-buildvcs=false", "-mod=readonly")
_QUIET = {"CLUSTERCTL_DISABLE_VERSIONCHECK": "true"}
"""Asked for its version, clusterctl would else ask the network for a newer one."""


@dataclass(frozen=True, slots=True)
class Tool:
    """A program, the module that pins it, and how to know and build it."""

    name: str
    """Its file's name in the cache and in `$KUBEBUILDER_ASSETS`; of no other tool."""
    module: str
    """Folder under hack/tools that holds its go.mod and go.sum."""
    package: str
    requirement: str
    """Module path whose version in go.mod is the program's version."""
    version_arguments: tuple[str, ...]
    """What makes it print its version.  Empty: it can't, so none is taken from `$PATH`."""
    minutes: int
    """What a build took on two idle cores, with what the tools before it in `END_TO_END` share with
    it built already; shown to a user who waits."""
    path_name: str = ""
    """Its file's name on `$PATH`, where that is not `name`."""

    @property
    def folder(self) -> Path:
        """Where its go.mod is."""
        return TOOLS / self.module

    @property
    def version(self) -> str:
        """The pinned version, such as v1.37.2."""
        pattern = rf"^(?:require|\t) ?{re.escape(self.requirement)} (v\S+)"
        found = re.search(pattern, (self.folder / "go.mod").read_text(), re.MULTILINE)
        if found is None:
            raise MissingToolError(self.name, f"{self.folder}/go.mod doesn't pin it")
        return found[1]

    @property
    def minor(self) -> str:
        """The minor version, such as 1.37."""
        return self.version.removeprefix("v").rpartition(".")[0]

    @property
    def linker_flags(self) -> str:
        """`-ldflags`: without a version linked in, clusterctl refuses an API server, and itself."""
        flags = ["-s", "-w"]
        if self.requirement in _VERSION_PACKAGES:
            package, more = _VERSION_PACKAGES[self.requirement]
            major, minor, _ = self.version.removeprefix("v").split(".")
            stamps = {"gitVersion": self.version, "gitMajor": major, "gitMinor": minor, **more}
            flags += [f"-X {package}.{key}={value}" for key, value in stamps.items()]
        return " ".join(flags)

    def build_command(self, go: str, output: Path) -> list[str]:
        """Return the command by which Go writes the program to a path."""
        flags = [*_BUILD_FLAGS, f"-ldflags={self.linker_flags}", "-o", str(output)]
        return [go, "-C", str(self.folder), "build", "-v", *flags, self.package]


ETCD = Tool(
    name="etcd",
    module="etcd",
    package="go.etcd.io/etcd/server/v3",
    requirement="go.etcd.io/etcd/server/v3",
    version_arguments=("--version",),
    minutes=1,
)
KUBE_APISERVER = Tool(
    name="kube-apiserver",
    module="kubernetes",
    package="k8s.io/kubernetes/cmd/kube-apiserver",
    requirement="k8s.io/kubernetes",
    version_arguments=("--version",),
    minutes=8,
)
KUBECTL = Tool(
    name="kubectl",
    module="kubernetes",
    package="k8s.io/kubernetes/cmd/kubectl",
    requirement="k8s.io/kubernetes",
    version_arguments=("version", "--client"),
    minutes=1,
)
KUBE_CONTROLLER_MANAGER = Tool(
    name="kube-controller-manager",
    module="kubernetes",
    package="k8s.io/kubernetes/cmd/kube-controller-manager",
    requirement="k8s.io/kubernetes",
    version_arguments=("--version",),
    minutes=3,
)
CERT_MANAGER = Tool(
    name="cert-manager-lab",
    module="certmanager",
    package=".",
    requirement="github.com/cert-manager/cert-manager",
    version_arguments=(),
    minutes=4,
)
CONTROL_PLANE = (ETCD, KUBE_APISERVER)
RELEASED = (*CONTROL_PLANE, KUBECTL)
"""What each release of Kubernetes for envtest holds."""


def _clusterctl(series: str) -> Tool:
    return Tool(
        name=f"clusterctl-{series}",
        module=f"clusterapi/{series}",
        package=f"{capi.MODULE}/cmd/clusterctl",
        requirement=capi.MODULE,
        version_arguments=("version", "--output=short"),
        minutes=4,
        path_name="clusterctl",
    )


def _capi_manager(series: str) -> Tool:
    return Tool(
        name=f"capi-manager-{series}",
        module=f"clusterapi/{series}",
        package=capi.SERIES[series].package,
        requirement=capi.MODULE,
        version_arguments=(),  # it logs its version, and then looks for a cluster
        minutes=1,
    )


CLUSTERCTL = {series: _clusterctl(series) for series in capi.SERIES}
CAPI_MANAGER = {series: _capi_manager(series) for series in capi.SERIES}
"""Cluster API's programs by the series of its releases."""

END_TO_END = (
    *CONTROL_PLANE,
    KUBECTL,
    KUBE_CONTROLLER_MANAGER,
    CERT_MANAGER,
    *CLUSTERCTL.values(),
    *CAPI_MANAGER.values(),
)
"""What `make e2e` runs, in the order of building: about half an hour in all."""

SETUP_ENVTEST = Tool(
    name="setup-envtest",
    module="setupenvtest",
    package="sigs.k8s.io/controller-runtime/tools/setup-envtest",
    requirement="sigs.k8s.io/controller-runtime/tools/setup-envtest",
    version_arguments=("version",),
    minutes=1,
)
CONTROLLER_GEN = Tool(  # in no list: built by the one test that compares our CRDs with its own
    name="controller-gen",
    module="controllertools",
    package="sigs.k8s.io/controller-tools/cmd/controller-gen",
    requirement="sigs.k8s.io/controller-tools",
    version_arguments=("--version",),
    minutes=2,
)


def find(tool: Tool, *, cache: Path | None = None) -> Path:
    """Return the path of the program; build it first if necessary.

    Guarantees:
        Two runs at once build once.  The cache never holds half a program.

    Raises:
        MissingToolError: it must be built and there is no Go.
        BuildError: Go could not build it.
    """
    cache = cache or cache_folder()
    found = installed(tool, cache=cache)
    if found is not None:
        return found
    go, target = require_go(tool.name), _target(tool, cache)
    with locked(target.parent, tool.name):
        return _existing(target) or _build(tool, go, target)


def installed(tool: Tool, *, cache: Path | None = None) -> Path | None:
    """Return the path of the program if it is on this machine."""
    cache = cache or cache_folder()
    return (
        _in_assets(tool)
        or _existing(_target(tool, cache))
        or _on_path(tool)
        or _released(tool, cache)
    )


def cache_folder() -> Path:
    """Return where built programs are kept; `make clean-tools` removes it."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "ipam-in-cluster" / "tools"


def released_folder(cache: Path) -> Path:
    """Return where `released` puts the programs of the pinned minor version of Kubernetes."""
    return cache / f"released-{KUBE_APISERVER.minor}"


def _target(tool: Tool, cache: Path) -> Path:
    return cache / _digest(tool) / tool.name


def _digest(tool: Tool) -> str:
    digest = hashlib.sha256()
    ours = sorted(path.name for path in tool.folder.glob("*.go"))
    for name in ("go.mod", "go.sum", *ours):
        digest.update((tool.folder / name).read_bytes())
    how = (tool.package, tool.linker_flags, *_BUILD_FLAGS, platform.system(), platform.machine())
    digest.update("\0".join(how).encode())
    return digest.hexdigest()[:16]


def _existing(path: Path) -> Path | None:
    return path if path.is_file() else None


def _in_assets(tool: Tool) -> Path | None:
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    return _existing(Path(assets) / tool.name) if assets else None


def _released(tool: Tool, cache: Path) -> Path | None:
    return _existing(released_folder(cache) / tool.name) if tool in RELEASED else None


def _on_path(tool: Tool) -> Path | None:
    """Return the program on `$PATH`, but only in the pinned version: others behave differently."""
    path = shutil.which(tool.path_name or tool.name)
    if path is None or not tool.version_arguments:
        return None
    command = [path, *tool.version_arguments]
    environment = {**os.environ, **_QUIET}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    version = re.escape(tool.version.removeprefix("v"))
    same = done.returncode == 0 and re.search(rf"(?<![\d.]){version}(?![\d.-])", done.stdout)
    return Path(path) if same else None


def _build(tool: Tool, go: str, target: Path) -> Path:
    say(f"building {tool.name} {tool.version} (once; about {tool.minutes} min on two idle cores)")
    return build(tool.name, lambda output: tool.build_command(go, output), target)
