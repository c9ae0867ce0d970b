# SPDX-License-Identifier: Apache-2.0
"""docs/reference/metrics.md says what is exposed, in the same words."""

import re
from pathlib import Path
from typing import Any

from prometheus_client import REGISTRY

from manager import debug, diagnostics, leader  # leader imports all that has metrics

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/reference/metrics.md").read_text()
ALERTS = (ROOT / "config/components/alerts/prometheus_rule.yaml").read_text()
PYTHONS_OWN = ("process_", "python_")  # what its client tells of each process
ROW = re.compile(r"^\| `(\w+)` \| (\w+) \| (.*?) \| (.*) \|$", re.MULTILINE)


def exposed() -> dict[str, tuple[str, str, str]]:
    """Return type, labels and meaning of all metrics."""
    found: dict[str, tuple[str, str, str]] = {}
    collectors: Any = tuple(REGISTRY._collector_to_names)
    for collector in collectors:
        for family in collector.describe() if hasattr(collector, "describe") else ():
            labels = getattr(collector, "_labelnames", ()) or getattr(family, "_labelnames", ())
            name = family.name + ("_total" if family.type == "counter" else "")
            words = ", ".join(f"`{label}`" for label in labels)
            found[name] = family.type, words, family.documentation.removesuffix(".")
    return {name: row for name, row in found.items() if not name.startswith(PYTHONS_OWN)}


def test_the_table_is_what_is_exposed() -> None:
    assert leader.run

    written = {name: tuple(rest) for name, *rest in ROW.findall(PAGE)}

    assert written == exposed()


def test_alerts_are_about_metrics_that_exist() -> None:
    prefixes = "capi_ipam_in_cluster|controller_runtime|leader_election|rest_client|workqueue"
    used = set(re.findall(rf"\b(?:{prefixes})_\w+", ALERTS))

    assert used
    assert {name.removesuffix("_bucket") for name in used} <= set(exposed())


def test_the_page_says_what_to_do_about_each_alert() -> None:
    told = re.findall(r"^\| `(IP\w+)` \| .+ \|$", PAGE, re.MULTILINE)

    assert told == re.findall(r"alert: (\w+)", ALERTS)


def test_the_page_names_all_paths() -> None:
    for path in diagnostics.PATHS:
        assert f"`{path}`" in PAGE
    assert debug.INDEX in diagnostics.PATHS
