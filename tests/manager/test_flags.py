# SPDX-License-Identifier: Apache-2.0
"""The command line of the manager, as Go programs and CAPI's operator write it."""

import pytest
from click.testing import CliRunner

from manager import flags, main


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [(":8081", "", 8081), ("127.0.0.1:80", "127.0.0.1", 80), ("[::1]:80", "::1", 80), ("0", "", 0)],
)
def test_an_address_is_read_as_in_go(text: str, host: str, port: int) -> None:
    assert flags.address(text) == flags.Address(host, port)


@pytest.mark.parametrize(
    ("text", "seconds"), [("15s", 15), ("1m30s", 90), ("1h", 3600), ("1500ms", 2), ("100ms", 1)]
)
def test_a_duration_is_read_as_in_go(text: str, seconds: int) -> None:
    assert flags.seconds(text) == seconds


@pytest.mark.parametrize(
    ("text", "seconds"), [("0", 0), ("0s", 0), ("0ms", 0), ("0m0s", 0), ("100ms", 1), ("3s", 3)]
)
def test_a_delay_may_be_none(text: str, seconds: int) -> None:
    assert flags.delay(text) == seconds


@pytest.mark.parametrize(("text", "value"), [("true", True), ("T", True), ("0", False)])
def test_a_boolean_is_read_as_in_go(text: str, value: bool) -> None:  # noqa: FBT001 - a parameter
    assert flags.boolean(text) is value


@pytest.mark.parametrize(
    "arguments",
    [
        ["--health-probe-bind-address=8081"],
        ["--health-probe-bind-address=:99999"],
        ["--leader-elect-lease-duration=15"],
        ["--leader-elect=maybe"],
        ["-v=loud"],
        ["--webhook-port=-1"],
        ["--kubeconfig=missing.yaml"],
    ],
)
def test_a_bad_value_is_a_usage_error_that_names_flag_and_value(arguments: list[str]) -> None:
    result = CliRunner().invoke(main.main, arguments)

    flag, _, value = arguments[0].partition("=")
    assert result.exit_code == 2
    assert flag in result.output
    assert value in result.output


def test_the_version_has_commit_and_build_date() -> None:
    result = CliRunner().invoke(main.main, ["--version"])

    assert result.exit_code == 0
    assert result.output.startswith("ipam-in-cluster-manager 2.0.0")
    assert "commit" in result.output
    assert "built" in result.output


def test_a_lease_is_long_enough_to_write_in() -> None:
    assert flags.lease_seconds("3s") == 3
    with pytest.raises(flags.FlagError, match=r"'2s' is too short: at least 3s are needed"):
        flags.lease_seconds("2s")
