# SPDX-License-Identifier: Apache-2.0
"""The run itself, as short as makes sense; `make chaos` is longer."""

from collections.abc import Callable

import pytest

from envtest import plugin
from envtest.chaos import faults, run

SEED = 3  # about 20 s of faults; as long again is set-up and settling


def test_each_kind_of_fault_under_traffic_breaks_no_law(
    tmp_path_factory: pytest.TempPathFactory, record_property: Callable[[str, object], None]
) -> None:
    folder = plugin.log_folder(tmp_path_factory)

    report = run.run(folder, SEED, faults.Faults.each_once, lambda _: None)

    record_property("operations", report.operations.total())
    record_property("faults", report.faults.total())
    record_property("addresses", report.allocated)
    assert report.violations == []
    assert report.allocated > 0
    assert report.missing == []
