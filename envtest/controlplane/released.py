# SPDX-License-Identifier: Apache-2.0
"""Fetches released etcd, kube-apiserver and kubectl, which takes less time than to build them.

controller-runtime's setup-envtest does it: it reads an index of releases, downloads the archive of
the newest release of the pinned minor version of Kubernetes, and verifies the archive's SHA-512.
Its index is on GitHub by default.  `$SETUP_ENVTEST_INDEX` is the URL of another one, such as a
mirror's, or `none`.
"""

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from ..errors import BuildError, EnvtestError, NotReachedError
from . import binaries
from .building import locked, say
from .golang import require_go

INDEX = "SETUP_ENVTEST_INDEX"
NO_INDEX = "none"
FLAGS = ("--use-env=false", "--installed-only=false")  # whatever its environment variables say
MODULES_SECONDS = 60.0  # of the few megabytes of setup-envtest's modules
LIST_SECONDS = 15.0  # of some kilobytes; without the internet nobody waits longer
FETCH_SECONDS = 600.0  # of about 100 MB; to build takes as long


class NotReleasedError(EnvtestError):
    """The index has no release of the pinned minor version of Kubernetes for this machine."""

    def __init__(self, minor: str) -> None:
        super().__init__(f"the index has no Kubernetes {minor} for this machine")
        self.minor = minor


def fetch(index: str, *, cache: Path | None = None) -> None:
    """Fetch `binaries.RELEASED` unless all are here; where that fails, say why in one line.

    `index` is a URL, empty for that of setup-envtest, or `none` to fetch nothing.
    """
    cache = cache or binaries.cache_folder()
    if index == NO_INDEX or _complete(cache):
        return
    with locked(cache, "released"):
        if _complete(cache):
            return
        try:
            _fetch(index, cache)
        except EnvtestError as error:
            reason = " ".join(str(error).split())
            say(f"no released programs, so Go builds them: {reason}")


def _complete(cache: Path) -> bool:
    return all(binaries.installed(tool, cache=cache) for tool in binaries.RELEASED)


def _fetch(index: str, cache: Path) -> None:
    minor = binaries.KUBE_APISERVER.minor
    program = str(binaries.installed(binaries.SETUP_ENVTEST, cache=cache) or _setup_envtest(cache))
    with tempfile.TemporaryDirectory(dir=cache, prefix=".released-") as scratch:
        flags = [*FLAGS, f"--bin-dir={scratch}", *([f"--index={index}"] if index else [])]
        listed = _run("setup-envtest list", [program, "list", f"{minor}.x", *flags], LIST_SECONDS)
        if "(available)" not in listed:
            raise NotReleasedError(minor)
        say(f"fetching etcd, kube-apiserver and kubectl {minor} (once)")
        use = [program, "use", f"{minor}.x", "--print=path", *flags]
        found = Path(_run("setup-envtest use", use, FETCH_SECONDS))
        found.chmod(0o755)  # a folder that is read-only cannot be moved
        target = binaries.released_folder(cache)
        shutil.rmtree(target, ignore_errors=True)
        found.replace(target)


def _setup_envtest(cache: Path) -> Path:
    """Build setup-envtest; without a network the modules are missed soon, before the build."""
    tool = binaries.SETUP_ENVTEST
    command = [require_go(tool.name), "-C", str(tool.folder), "mod", "download"]
    _run("go mod download", command, MODULES_SECONDS)
    return binaries.find(tool, cache=cache)


def _run(what: str, command: Sequence[str], seconds: float) -> str:
    """Run a command and return what it printed."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=seconds)
    except subprocess.TimeoutExpired as error:
        raise NotReachedError(what, seconds, error.stderr) from error
    if done.returncode != 0:
        raise BuildError(what, done.returncode, done.stderr)
    return done.stdout
