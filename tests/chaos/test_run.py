# SPDX-License-Identifier: Apache-2.0
"""The run itself, as short as makes sense; `make chaos` is longer."""

import pytest

from envtest import plugin
from envtest.chaos import run

SEED = 1
SECONDS = 25.0  # of faults; as long again is set-up and settling


def test_half_a_minute_of_chaos_breaks_no_law(
    tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    report = run.run(plugin.log_folder(tmp_path_factory), SEED, SECONDS, lambda _: None)

    operations, faults = report.operations.total(), report.faults.total()
    with capsys.disabled():
        print(f"\n{operations} operations, {faults} faults, {report.allocated} addresses", end=" ")  # noqa: T201
    assert report.violations == []
    assert report.allocated > 0
    assert faults > 0
