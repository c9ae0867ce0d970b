# SPDX-License-Identifier: Apache-2.0
"""`kubectl ipam top` on a terminal, on a real API server."""

import re
import signal
from collections.abc import Generator
from pathlib import Path

import pytest
from plugin_runs import PROGRAM, READ, elsewhere, run, user
from terminals import ALTERNATE, MAIN, Terminal, terminal

from envtest import waiting
from envtest.controlplane import relay, tenants

pytestmark = pytest.mark.own_cluster  # the command shows all pools

NOBODY = 1  # a port on which nobody listens


@pytest.fixture
def pools(tenant: tenants.Tenant) -> tenants.Tenant:
    """Return a tenant with one pool that nobody uses, and one that is full."""
    tenant.add_pool("empty", "10.67.1.0/24")
    tenant.add_pool("full", "10.67.2.1")
    tenant.add_claim("web", "full")
    tenant.bound("web")
    return tenant


@pytest.fixture
def top(pools: tenants.Tenant) -> Generator[Terminal]:
    """Run it with the rights to read."""
    with terminal([PROGRAM, "top"], KUBECONFIG=str(user(pools, *READ))) as found:
        found.shows("full", "100%")
        yield found


def order(screen: list[str]) -> list[str]:
    """Return the names of the pools of the tests, from the top."""
    return re.findall(r"\b(?:empty|full)\b", "\n".join(screen))


def test_changes_show_at_once_and_what_needs_attention_is_first(
    pools: tenants.Tenant, top: Terminal
) -> None:
    assert order(top.screen) == ["full", "empty"]
    assert top.screen[0].startswith("2 pools, 0 waiting claims   https://")

    pools.add_claim("new", "empty")
    top.shows("empty", "<1%", "+10.67.1.1 ", "s ago")
    pools.release("new")
    top.shows("empty", " 0%", "-10.67.1.1 ", "s ago")
    for name in ("one", "two"):
        pools.add_claim(name, "full")
    top.shows("2 waiting claims")
    top.shows("full", "100%", " 2 ")


@pytest.mark.parametrize("end", ["q", "\x03", "SIGTERM"])
def test_it_leaves_the_terminal_as_it_was(top: Terminal, end: str) -> None:
    assert ALTERNATE in top.text
    assert top.modes != top.before

    if end == "SIGTERM":
        top.process.send_signal(signal.SIGTERM)
    else:
        top.press(end)

    assert top.ended() == (0, "")
    assert MAIN in top.text
    assert top.modes == top.before


def test_the_screen_follows_the_size_of_the_terminal(top: Terminal) -> None:
    assert "KIND" in "".join(top.screen)

    top.resize(75, 10)

    screen = waiting.until("it fits", lambda: top.screen, lambda lines: len(lines) == 10)
    assert max(map(len, screen)) <= 75
    assert "KIND" not in "".join(screen)
    assert order(screen) == ["full", "empty"]


def test_the_order_can_be_chosen(pools: tenants.Tenant) -> None:
    config = user(pools, *READ)

    with terminal([PROGRAM, "top", "--sort-by", "name"], KUBECONFIG=str(config)) as found:
        assert order(found.shows("full", "100%")) == ["empty", "full"]


def test_without_the_right_to_watch_one_line_says_so(pools: tenants.Tenant) -> None:
    config = user(pools, "get", "list")

    with terminal([PROGRAM, "top"], KUBECONFIG=str(config)) as found:
        code, errors = found.ended()

    assert code == 3
    (line,) = errors.splitlines()
    assert 'cannot watch resource "' in line
    assert line.endswith(
        "; the command needs the verbs get, list and watch on pools, "
        "ipaddressclaims and ipaddresses of the group ipam.cluster.x-k8s.io"
    )


def test_an_api_server_that_is_away_is_reported_until_it_is_back(
    pools: tenants.Tenant, tmp_path: Path
) -> None:
    server = pools.provider.control_plane.server
    port = int(server.rpartition(":")[2])
    with relay.Relay(port) as between:
        path = elsewhere(user(pools, *READ), tmp_path, between.port)
        with terminal([PROGRAM, "top"], KUBECONFIG=str(path)) as found:
            found.shows("full", "100%")

            between.route(NOBODY)
            found.shows("Not up to date: the API server cannot be reached: ")
            pools.add_claim("new", "empty")
            pools.bound("new")
            between.route(port)

            found.shows("empty", "<1%")
            up_to_date = waiting.wait_until(lambda: "Not up" not in "".join(found.screen))
            assert up_to_date


def test_without_a_terminal_another_command_is_named(pools: tenants.Tenant) -> None:
    result = run(user(pools, *READ), "top")

    assert result.exit_code == 2
    assert "kubectl ipam pools" in result.stderr
