# SPDX-License-Identifier: Apache-2.0
"""How properties are tested: by laws alone, never by the clock of a busy machine.

A clean clone has no tables of unicode yet; making them takes Hypothesis seconds, once.
"""

import gc
import os
from collections.abc import Generator
from pathlib import Path

import hypothesis
import pytest
import structlog

pytest.register_assert_rewrite("interleaving")  # in tests/lib: its asserts show their values, too

LONGEST_FIRST = (
    "apiserver/test_high_availability.py",
    "release/test_krew.py",
    "chaos/test_run.py",
    "apiserver/test_restore.py",
    "apiserver/test_restarts.py",
    "apiserver/test_removing_a_version.py",
    "apiserver/test_migration.py",
    "apiserver/test_repair.py",
    "apiserver/test_plugin_pages.py",
    "apiserver/test_webhook_away.py",
    "apiserver/test_in_use.py",
    "apiserver/test_kubernetes_migrates.py",
    "apiserver/test_fairness.py",
    "apiserver/test_permissions.py",
    "apiserver/test_schema_fuzz.py",
    "apiserver/test_self_signed.py",
    "apiserver/test_kubectl.py",
    "apiserver/test_capi_upgrade.py",
    "apiserver/test_cold_list.py",
    "apiserver/test_rolling_update.py",
    "apiserver/test_lifecycle.py",
    "apiserver/test_events.py",
    "apiserver/test_paging.py",
    "apiserver/test_diagnostics.py",
    "apiserver/test_dev.py",
    "apiserver/test_cert_manager.py",
    "apiserver/test_one_namespace.py",
    "apiserver/test_plugin_reads.py",
    "release/test_release.py",
    "apiserver/test_validate.py",
    "cli/kubectl/map/test_browser.py",
    "kube/test_lease.py",
    "manager/test_probes.py",
    "webhook/test_server.py",
    "cli/test_cli.py",
    "controller/test_changes.py",
    "webhook/test_direct.py",
    "controller/test_interleavings.py",
    "controller/test_order.py",
    "manager/test_contact.py",
    "cli/kubectl/map/test_service.py",
    "cli/kubectl/test_growth.py",
    "cli/test_how_to.py",
    "generator/test_programs.py",
    "controller/test_controller.py",
    "conversion/test_laws.py",
    "kube/test_flows.py",
)
"""Files that take longest, by measured time: no parallel run is to wait for one at its end."""

FUZZ_EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "100000"))  # of each property, in `make fuzz`

for _size in ("COLUMNS", "LINES"):
    os.environ.pop(_size, None)  # readline exports the terminal of pytest to parallel processes

hypothesis.settings.register_profile(
    "clockless", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.register_profile(  # make fuzz
    "fuzz", hypothesis.settings.get_profile("clockless"), max_examples=FUZZ_EXAMPLES
)
hypothesis.settings.load_profile("clockless")


def pytest_collection() -> None:
    """Look for no garbage while tests are collected: there is little."""
    gc.disable()


def pytest_collection_finish() -> None:
    """Look for garbage again, but not among all that was collected."""
    gc.freeze()
    gc.enable()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let parallel processes begin with the files that take longest."""
    if hasattr(config, "workerinput"):
        here = Path(__file__).parent
        ranks = {here / name: rank for rank, name in enumerate(LONGEST_FIRST)}
        items.sort(key=lambda item: ranks.get(item.path, len(ranks)))


@pytest.fixture(autouse=True)
def _logs_as_before() -> Generator[None]:
    """Undo what a command says about logs: other tests of this process look at theirs."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)
