# SPDX-License-Identifier: Apache-2.0
"""What the proxy does to a client, seen from that client and at the API server itself."""

import ssl
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import urllib3

from envtest import client, errors, manifests, waiting
from envtest.chaos import proxy, proxy_actions
from envtest.controlplane import provider

PATIENCE_SECONDS = 0.5  # of the client
MARK = {"metadata": {"labels": {"mark": "here"}}}


@dataclass(frozen=True)
class Door:
    """One claim of nobody's, seen through the proxy by the manager's account, and directly."""

    proxy: proxy.Proxy
    through: client.Resource
    direct: client.Resource

    def mark(self) -> None:
        """Write a label through the proxy."""
        self.through.merge("web", MARK)

    @property
    def marked(self) -> bool:
        """Whether that was applied."""
        return "labels" in self.direct.get("web")["metadata"]


@pytest.fixture
def door(
    provider: provider.Provider,
    namespace: str,
    tmp_path: Path,
) -> Generator[Door]:
    claims = provider.claims(namespace)
    body: dict[str, Any] = manifests.claim("web", "pool", version=provider.ipam_version)
    body["spec"]["poolRef"]["apiGroup"] = "example.com"
    claims.create(body)
    with proxy.Proxy(provider.control_plane, tmp_path, "between") as between:
        near = behind(between, provider)
        yield Door(between, client.Resource(near, claims.path), claims)
        near.close()


def behind(between: proxy.Proxy, own: provider.Provider) -> client.Client:
    plane = own.control_plane
    tls = ssl.create_default_context(cafile=plane.folder / "ca.crt")
    token = plane.service_account_token(provider.NAMESPACE, provider.SERVICE_ACCOUNT)
    return client.Client(between.server, tls, token, PATIENCE_SECONDS)


def test_requests_and_watches_go_through_in_the_name_of_the_client(door: Door) -> None:
    since = door.through.get("web")["metadata"]["resourceVersion"]

    door.mark()

    assert door.marked
    with door.through.watch(since) as events:
        assert next(events)["object"]["metadata"]["labels"] == {"mark": "here"}
    with pytest.raises(errors.RefusedError, match="forbidden"):
        door.through.create(manifests.claim("another", "pool"))


def test_what_is_refused_is_not_applied(door: Door) -> None:
    door.proxy.decide = lambda _: proxy_actions.Refuse(503, "ServiceUnavailable")

    with pytest.raises(errors.RefusedError) as refused:
        door.mark()

    assert (refused.value.code, refused.value.reason) == (503, "ServiceUnavailable")
    assert not door.marked


def test_what_is_never_answered_is_not_applied(door: Door) -> None:
    door.proxy.decide = lambda _: proxy_actions.Refuse(None)

    with pytest.raises(urllib3.exceptions.ReadTimeoutError):
        door.mark()

    assert not door.marked


def test_a_lost_answer_is_that_of_a_write_that_was_applied(door: Door) -> None:
    door.proxy.decide = lambda _: proxy_actions.Lost()

    with pytest.raises(urllib3.exceptions.ProtocolError):
        door.mark()

    assert door.marked
    assert [write.status for write in door.proxy.writes] == [200]


def test_what_a_silent_network_held_back_is_not_passed_on_after_its_client_has_gone(
    door: Door,
) -> None:
    door.through.get("web")  # so there is a connection
    door.proxy.silent = True

    with pytest.raises(urllib3.exceptions.ReadTimeoutError):
        door.mark()
    door.through.client.close()
    waiting.until("the proxy noticed", lambda: door.proxy.open, lambda requests: not requests)
    door.proxy.heal()

    door.through.get("web")
    assert not door.marked
    assert door.proxy.writes == []


def test_a_refusing_network_resets_connections_until_it_is_healed(door: Door) -> None:
    door.proxy.refusing = True
    with pytest.raises(urllib3.exceptions.ProtocolError):
        door.mark()

    door.proxy.heal()
    door.mark()

    assert door.marked


def test_a_watch_can_be_cut_alone(door: Door) -> None:
    since = door.direct.listing()["metadata"]["resourceVersion"]
    with door.through.watch(since) as events:
        waiting.until("the watch is cut", lambda: door.proxy.cut(watches_only=True), bool)

        with pytest.raises(urllib3.exceptions.ProtocolError):
            next(events)

    door.mark()
    assert door.proxy.cut() == 0
