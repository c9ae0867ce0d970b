# SPDX-License-Identifier: Apache-2.0
"""The tables of compatibility say what is tested, and which release is for which contract."""

import re
from pathlib import Path

import pytest
import yaml

from envtest.controlplane import binaries, capi

ROOT = Path(__file__).parent.parent.parent
PAGES = ("README.md", "docs/reference/compatibility.md")
HEADER = "| Cluster API | contract | this provider | tested with |\n| --- | --- | --- | --- |\n"


def rows(page: str) -> list[list[str]]:
    """Return the cells of the table, a list for each series of Cluster API."""
    _, _, rest = (ROOT / page).read_text().partition(HEADER)
    lines = rest.partition("\n\n")[0].splitlines()
    cells = [line.strip("| ").split(" | ") for line in lines]
    return [[series, *more] for first, *more in cells for series in first.split(", ")]


def own_series() -> dict[str, str]:
    """Return our release series by the contract that clusterctl reads."""
    found = yaml.safe_load((ROOT / "metadata.yaml").read_text())["releaseSeries"]
    ours = [it for it in found if it["major"] == 2]
    return {it["contract"]: f"{it['major']}.{it['minor']}" for it in ours}


@pytest.mark.parametrize("page", PAGES)
def test_each_series_that_is_tested_stands_there_with_its_release(page: str) -> None:
    found = {
        f"v{series}": (contract, f"v{what.partition(':')[0]}")
        for series, contract, _, what in rows(page)
        if what != "not tested"
    }

    assert found == {
        series: (it.contract, binaries.CAPI_MANAGER[series].version)
        for series, it in capi.SERIES.items()
    }


@pytest.mark.parametrize("page", PAGES)
def test_each_row_names_our_release_of_its_contract(page: str) -> None:
    series = own_series()

    assert [row[2] for row in rows(page)] == [series[row[1]] for row in rows(page)]


@pytest.mark.parametrize("page", PAGES)
def test_kubernetes_and_cert_manager_are_those_that_the_tests_run(page: str) -> None:
    found = re.search(r"Kubernetes (\S+) and cert-manager (\S+?)[.,] ", (ROOT / page).read_text())

    pinned = (binaries.KUBE_APISERVER.version, binaries.CERT_MANAGER.version)
    assert found is not None
    assert tuple(f"v{version}" for version in found.groups()) == pinned


def test_both_pages_say_the_same_and_name_the_same_end() -> None:
    ends = [re.findall(r"2\.0 end on (\d+ \w+ \d{4})", (ROOT / page).read_text()) for page in PAGES]

    assert rows(PAGES[0]) == rows(PAGES[1])
    assert len(ends[0]) == 1
    assert ends[0] == ends[1]
