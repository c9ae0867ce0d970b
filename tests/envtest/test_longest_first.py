# SPDX-License-Identifier: Apache-2.0
"""Parallel processes begin with files that exist."""

from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]


def test_the_files_that_take_longest_are_there(pytestconfig: pytest.Config) -> None:
    conftest = pytestconfig.pluginmanager.get_plugin(str(TESTS / "conftest.py"))
    assert conftest is not None

    assert [name for name in conftest.LONGEST_FIRST if not (TESTS / name).is_file()] == []
