# SPDX-License-Identifier: Apache-2.0
"""The shipped alerts: Prometheus' own tool reads them, and they fire when they should."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
RULE = ROOT / "config/components/alerts/prometheus_rule.yaml"
EXPIRY = "capi_ipam_in_cluster_webhook_certificate_expiration_timestamp_seconds"
DAY = 24 * 3600
needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="needs promtool, of Debian's package prometheus"
)


def spec() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(RULE.read_text())
    assert document["kind"] == "PrometheusRule"
    found: dict[str, Any] = document["spec"]
    return found


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    """The rule file of Prometheus that the operator makes of it."""
    path = tmp_path / "rules.yaml"
    path.write_text(yaml.safe_dump(spec()))
    return path


def promtool(*arguments: str | Path) -> None:
    done = subprocess.run(["promtool", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_has_a_name_of_its_own_and_says_what_is_wrong() -> None:
    (group,) = spec()["groups"]
    names = [rule["alert"] for rule in group["rules"]]

    assert len(names) == len(set(names))
    for rule in group["rules"]:
        assert set(rule) <= {"alert", "expr", "for", "annotations"}
        assert rule["annotations"]["summary"]


@needs_promtool
def test_prometheus_takes_the_rules(rules: Path) -> None:
    promtool("check", "rules", rules)


@needs_promtool
@pytest.mark.parametrize(("days", "fires"), [(13, True), (15, False)])
def test_a_certificate_that_was_not_renewed_alerts_two_weeks_before_its_end(
    rules: Path, days: int, *, fires: bool
) -> None:
    alert = "IPAMCertificateExpires"
    summary = next(
        rule["annotations"]["summary"]
        for rule in spec()["groups"][0]["rules"]
        if rule["alert"] == alert
    )
    remaining = f"{days - 1}d 22h 0m 0s"  # two hours after the beginning of time
    told = summary.replace("{{ $labels.instance }}", "one:8443")
    annotations = {"summary": told.replace("{{ $value | humanizeDuration }}", remaining)}
    expected = [{"exp_labels": {"instance": "one:8443"}, "exp_annotations": annotations}]
    series = {"series": f'{EXPIRY}{{instance="one:8443"}}', "values": f"{days * DAY}x120"}
    check = {"eval_time": "2h", "alertname": alert, "exp_alerts": expected if fires else []}
    test = {"interval": "1m", "input_series": [series], "alert_rule_test": [check]}
    file = rules.with_name("test.yaml")
    file.write_text(json.dumps({"rule_files": [str(rules)], "tests": [test]}))

    promtool("test", "rules", file)
