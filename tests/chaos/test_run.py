# SPDX-License-Identifier: Apache-2.0
"""The run itself, as short as makes sense; `make chaos` is longer."""

from collections.abc import Callable

from envtest import plugin
from envtest.chaos import faults, run

SEED = 3  # about 20 s of faults; as long again is set-up and settling


RESTORES = ["etcd restored"] * 12  # some of which find that a backup is still to be restored


def test_restores_of_etcd_break_no_law_of_a_manager_that_is_alone(
    make_log_folder: plugin.MakeFolder,
) -> None:
    folder = make_log_folder()

    report = run.run(folder, SEED, lambda _: RESTORES, lambda _: None, elected=False)

    assert report.violations == []
    assert report.allocated > 0
    assert report.faults["etcd restored"] > 1


def test_each_kind_of_fault_under_traffic_breaks_no_law(
    make_log_folder: plugin.MakeFolder, record_property: Callable[[str, object], None]
) -> None:
    folder = make_log_folder()

    report = run.run(folder, SEED, faults.Faults.each_once, lambda _: None)

    record_property("operations", report.operations.total())
    record_property("faults", report.faults.total())
    record_property("addresses", report.allocated)
    assert report.violations == []
    assert report.allocated > 0
    assert report.missing == []
