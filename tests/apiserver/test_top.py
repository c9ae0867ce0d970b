# SPDX-License-Identifier: Apache-2.0
"""`kubectl ipam top` on a terminal, on a real API server."""

import json
import re
import signal
from collections.abc import Generator
from pathlib import Path

import pytest
from plugin_runs import PROGRAM, READ, allow, elsewhere, run, user
from terminals import ALTERNATE, MAIN, Terminal, terminal

from envtest import contract, waiting
from envtest.controlplane import relay, tenants

pytestmark = pytest.mark.own_cluster  # the command shows all pools

CREDENTIAL = "client.authentication.k8s.io/v1"
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


@pytest.mark.parametrize(
    "end", ["q", "\x03", "\x1c", signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT], ids=repr
)
def test_it_leaves_the_terminal_as_it_was(top: Terminal, end: str | signal.Signals) -> None:
    assert ALTERNATE in top.text
    assert top.modes != top.before

    if isinstance(end, signal.Signals):
        top.process.send_signal(end)
    else:
        top.press(end)

    assert top.ended() == (0, "")
    assert MAIN in top.text
    assert top.modes == top.before


@pytest.fixture
def shell(pools: tenants.Tenant) -> Generator[Terminal]:
    """Run it as a job of a shell."""
    with terminal(
        ["sh", "-c", "exec 3>&2 2>/dev/tty; exec sh -i"], KUBECONFIG=str(user(pools, *READ))
    ) as found:
        found.press(f"{PROGRAM} top 2>&3\n")
        found.shows("full", "100%")
        yield found


def left(shell: Terminal) -> bool:
    """Return whether the terminal is as the shell needs it."""
    drawn = shell.text.rpartition(ALTERNATE)[2]
    return MAIN in drawn and shell.modes == shell.before


@pytest.mark.parametrize("stop", [signal.SIGTSTP, signal.SIGSTOP])
def test_a_suspended_screen_comes_back_in_the_foreground(
    shell: Terminal, stop: signal.Signals
) -> None:
    shell.signal(stop)
    assert waiting.wait_until(lambda: "Stopped" in shell.text)
    assert left(shell) == (stop == signal.SIGTSTP)
    times = shell.text.count(ALTERNATE)

    shell.press("fg\n")

    assert waiting.wait_until(lambda: shell.text.count(ALTERNATE) > times)
    shell.shows("full", "100%")
    assert not left(shell)
    shell.press("q")
    assert waiting.wait_until(lambda: left(shell))


def test_in_the_background_nothing_is_drawn(shell: Terminal) -> None:
    shell.press("\x1a")
    assert waiting.wait_until(lambda: "Stopped" in shell.text)
    times = shell.text.count(ALTERNATE)

    shell.press("bg\n")
    shell.press("sleep 2; kill %1; wait\n")

    assert waiting.wait_until(lambda: "Done" in shell.text)
    assert left(shell)
    assert shell.text.count(ALTERNATE) == times


def test_without_a_shell_that_could_continue_it_a_suspension_only_draws_again(
    top: Terminal,
) -> None:
    top.press("\x1a")

    assert waiting.wait_until(lambda: top.text.count(ALTERNATE) > 1)
    top.press("q")
    assert top.ended() == (0, "")
    assert top.modes == top.before


@pytest.mark.parametrize("suspended", [False, True])
def test_it_ends_with_its_terminal(shell: Terminal, *, suspended: bool) -> None:
    if suspended:
        shell.press("\x1a")
        assert waiting.wait_until(lambda: "Stopped" in shell.text)

    shell.process.kill()

    assert shell.ended() == (-signal.SIGKILL, "")


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


def test_a_token_that_is_not_accepted_is_reported_until_there_is_a_new_one(
    pools: tenants.Tenant, tmp_path: Path
) -> None:
    plane, account = pools.provider.control_plane, (pools.namespace, "reader")
    accounts = pools.provider.admin.resource("v1", "serviceaccounts", pools.namespace)
    rule = {"apiGroups": [contract.GROUP], "resources": ["*"], "verbs": READ}
    allow(pools.provider.admin, f"system:serviceaccount:{':'.join(account)}", rule)

    def log_in() -> None:
        accounts.create({"metadata": {"name": "reader"}})
        status = {"token": plane.service_account_token(*account)}
        credential = {"apiVersion": CREDENTIAL, "kind": "ExecCredential", "status": status}
        (tmp_path / "credential").write_text(json.dumps(credential))

    log_in()
    port = int(plane.server.rpartition(":")[2])
    with relay.Relay(port) as between:
        direct = plane.service_account_kubeconfig(*account)
        config = json.loads(direct.read_text())
        plugin = {"command": "cat", "args": [str(tmp_path / "credential")]}
        more = {"apiVersion": CREDENTIAL, "interactiveMode": "Never"}
        config["users"][0]["user"] = {"exec": plugin | more}
        direct.write_text(json.dumps(config))
        path = elsewhere(direct, tmp_path, between.port)
        with terminal([PROGRAM, "top", "-A"], KUBECONFIG=str(path)) as found:
            found.shows("full", "100%")

            accounts.delete("reader")
            between.route(NOBODY)
            found.shows("Not up to date: the API server cannot be reached: ")
            refused = waiting.wait_until(lambda: run(direct, "pools", "-A").exit_code != 0)
            between.route(port)  # the API server has forgotten that it knew the token
            found.shows("Not up to date: the API server does not accept the credentials")
            assert refused
            log_in()

            assert waiting.wait_until(lambda: "Not up" not in "".join(found.screen))


def test_without_a_terminal_another_command_is_named(pools: tenants.Tenant) -> None:
    result = run(user(pools, *READ), "top")

    assert result.exit_code == 2
    assert "kubectl ipam pools" in result.stderr
