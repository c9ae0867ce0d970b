# SPDX-License-Identifier: Apache-2.0
"""The pytest plugin: fixtures for tests that need a real control plane.

Nothing is started, built or imported beyond the standard library before a test asks for a fixture,
so unit tests pay nothing.  One control plane with one manager serves each process of the run; each
test gets a namespace of its own.  A test of which a fixture starts a control plane has the marker
`control_plane`.  A failed test shows what the processes wrote during it.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Generator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .client import Client
    from .controlplane.provider import Provider
    from .controlplane.tenants import Tenant

_PROCESSES_PER_CORE = 2.5  # of a run without control planes, by measured time
_LOG_LINES = 40  # of each log, below a failed test: about one screen
_CONTAINER = "container"
"""In a pod's folder: the files that the container sees, of which none is a log of ours."""

MakeFolder = Callable[[], Path]
CONTROL_PLANE = "control_plane"
OWN_CLUSTER = "own_cluster"
BUILDS = "builds"
BROWSER = "browser"
_STARTERS = {"make_log_folder", "provider", "shared_provider"}
"""The fixtures of which every start of a control plane needs one."""

_GOGC = ("GOGC", "400")
"""A Go program frees memory less often: etcd and the API server take a sixth less CPU time."""
_GOMAXPROCS = ("GOMAXPROCS", "1")
"""A Go program uses one core; where tests share the cores, that saves another seventh."""

_STASH = pytest.StashKey["dict[Path, int]"]()
_FOLDERS: list[Path] = []
_NUMBERS = itertools.count(1)


def pytest_configure(config: pytest.Config) -> None:
    """Declare the markers, and let all Go programs that tests start save CPU time."""
    os.environ.setdefault(*_GOGC)
    if "PYTEST_XDIST_WORKER" in os.environ:
        os.environ.setdefault(*_GOMAXPROCS)
    config.addinivalue_line("markers", f"{CONTROL_PLANE}: starts etcd and kube-apiserver")
    config.addinivalue_line("markers", f"{BUILDS}: builds a program, which takes a minute")
    config.addinivalue_line("markers", f"{BROWSER}: starts a browser, which takes half a minute")
    config.addinivalue_line("markers", f"{OWN_CLUSTER}: sees no objects of other modules' tests")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that start a control plane."""
    for item in items:
        if isinstance(item, pytest.Function) and _STARTERS & {*item.fixturenames}:
            item.add_marker(CONTROL_PLANE)


@pytest.hookimpl(optionalhook=True, tryfirst=True)  # before that of xdist itself
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Return the number of processes: more than cores, as some wait for a start or a lease.

    Without control planes each of them needs little memory, and the tests wait longer than they
    work.
    """
    cores = len(os.sched_getaffinity(0))
    alone = f"not {CONTROL_PLANE}" in config.option.markexpr
    return int(_PROCESSES_PER_CORE * cores) if alone else cores + 2


@pytest.fixture(scope="session")
def make_log_folder(tmp_path_factory: pytest.TempPathFactory) -> MakeFolder:
    """Make scratch folders for control planes; a failed test shows the ends of the logs in them."""

    def make() -> Path:
        folder = tmp_path_factory.mktemp("control-plane")
        show_logs_of(folder)
        return folder

    return make


@pytest.fixture(scope="session")
def shared_provider(make_log_folder: MakeFolder) -> Generator[Provider]:
    """The process's one control plane with everything installed and the manager running."""
    yield from _started(make_log_folder())


@pytest.fixture(scope="module")
def own_provider(make_log_folder: MakeFolder) -> Generator[Provider]:
    """A control plane for the tests of one module, without the objects of others."""
    yield from _started(make_log_folder())


@pytest.fixture
def provider(request: pytest.FixtureRequest) -> Provider:
    """The provider with its manager running, whatever the test before did to it.

    Tests share it with those of other modules, unless their module has the marker `own_cluster`.
    """
    own = request.node.get_closest_marker(OWN_CLUSTER)
    found: Provider = request.getfixturevalue("own_provider" if own else "shared_provider")
    found.control_plane.start()
    found.manager.run()
    return found


@pytest.fixture
def admin(provider: Provider) -> Client:
    """A client of the shared API server that may do everything."""
    return provider.admin


@pytest.fixture
def namespace(provider: Provider) -> str:
    """The name of a namespace that no other test uses."""
    return provider.new_namespace(f"test-{next(_NUMBERS)}")


@pytest.fixture
def tenant(provider: Provider, namespace: str) -> Tenant:
    """A user with a namespace that no other test uses."""
    from .controlplane.tenants import Tenant  # noqa: PLC0415 - see the module's docstring

    return Tenant(provider, namespace)


def _started(folder: Path) -> Generator[Provider]:
    from .controlplane import manager, provider  # noqa: PLC0415 - see the module's docstring

    with provider.Provider(folder, audit=True, flags=manager.SHARED_LEASE_FLAGS) as started:
        yield started


def show_logs_of(folder: Path) -> None:
    """Let failed tests show the ends of the logs in a folder and below."""
    _FOLDERS.append(folder)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Remember where each log ends before the test."""
    item.stash[_STASH] = _sizes()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add to a failed test's report what was logged during it."""
    report = yield
    if report.failed and _FOLDERS:
        from .processes import tail  # noqa: PLC0415 - see the module's docstring

        before: dict[Path, int] = item.stash.get(_STASH, dict[Path, int]())
        for log, size in _sizes().items():
            start = before.get(log, 0)
            if size > start:
                text = tail(log, _LOG_LINES, start)
                report.sections.append((f"end of {log.name}", text))
    return report


def _sizes() -> dict[Path, int]:
    """Return the size of each log; pods come and go meanwhile, with their folders."""
    sizes: dict[Path, int] = {}
    for parent, folders, files in itertools.chain.from_iterable(map(os.walk, _FOLDERS)):
        folders[:] = sorted(each for each in folders if each != _CONTAINER)
        for log in (Path(parent, name) for name in sorted(files) if name.endswith(".log")):
            with suppress(FileNotFoundError):
                sizes[log] = log.stat().st_size
    return sizes
