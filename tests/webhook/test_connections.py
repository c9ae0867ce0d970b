# SPDX-License-Identifier: Apache-2.0
"""Which connection makes room for a new one."""

import logging
from dataclasses import dataclass

import pytest

from webhook import connections


@dataclass(eq=False)
class Client:
    peer: str
    evicted: bool = False

    def evict(self) -> None:
        self.evicted = True


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "CONNECTIONS", 4)
    monkeypatch.setattr(connections, "PEER_CONNECTIONS", 2)


def filled(places: connections.Connections) -> list[Client]:
    """Take every place, two from each address."""
    clients = [Client(peer) for peer in ("a", "b", "a", "b")]
    for client in clients:
        assert places.add(client)
    return clients


def evicted(clients: list[Client]) -> list[int]:
    return [number for number, client in enumerate(clients) if client.evicted]


def test_there_is_room_until_all_places_are_taken() -> None:
    assert evicted(filled(connections.Connections())) == []


def test_the_longest_idle_of_all_makes_room_for_a_new_address() -> None:
    places = connections.Connections()
    clients = filled(places)

    places.set_busy(clients[0])
    places.set_idle(clients[0])

    assert places.add(Client("c"))
    assert evicted(clients) == [1]


def test_an_address_with_its_share_makes_room_for_itself() -> None:
    places = connections.Connections()
    clients = filled(places)

    assert places.add(Client("b"))

    assert evicted(clients) == [1]


def test_an_address_whose_share_is_busy_gets_no_more_though_others_are_idle() -> None:
    places = connections.Connections()
    clients = filled(places)
    for number in (0, 2):
        places.set_busy(clients[number])

    assert not places.add(Client("a"))
    assert evicted(clients) == []


def test_where_all_are_busy_the_new_one_has_no_place() -> None:
    places = connections.Connections()
    clients = filled(places)
    for client in clients:
        places.set_busy(client)

    assert not places.add(Client("c"))
    assert evicted(clients) == []


def test_a_request_that_begins_counts_idle_time_anew_but_is_no_right_to_stay() -> None:
    places = connections.Connections()
    clients = filled(places)
    places.touch(clients[0])

    for _ in range(4):
        assert places.add(Client("c"))

    assert evicted(clients) == [1, 2]  # then the two of the new address make room for each other


def test_a_second_request_that_begins_does_not_make_a_busy_connection_idle() -> None:
    places = connections.Connections()
    clients = filled(places)
    for client in clients:
        places.set_busy(client)

    places.touch(clients[0])

    assert not places.add(Client("c"))


def test_a_closed_connection_leaves_its_place_once() -> None:
    places = connections.Connections()
    clients = filled(places)
    for _ in range(2):
        places.remove(clients[3])

    assert places.add(Client("b"))
    assert evicted(clients) == []
    assert places.add(Client("c"))
    assert evicted(clients) == [0]


def test_what_an_evicted_connection_still_does_changes_nothing() -> None:
    places = connections.Connections()
    clients = filled(places)
    places.add(Client("c"))
    assert evicted(clients) == [0]

    for late in (places.touch, places.set_busy, places.set_idle, places.remove):
        late(clients[0])

    assert places.add(Client("c"))
    assert evicted(clients) == [0, 1]


def test_addresses_that_are_gone_leave_nothing_behind() -> None:
    places = connections.Connections()
    for number in range(10):
        client = Client(str(number))
        places.add(client)
        places.remove(client)

    assert places._peers == {}
    assert (places._all.open, dict(places._all.idle)) == (set(), {})


def test_a_warning_names_who_holds_the_connections_once_a_minute(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "PEER_CONNECTIONS", 3)
    places = connections.Connections()
    for peer in ("a", "b", "b", "b"):
        places.add(Client(peer))

    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            places.add(Client("c"))

    (record,) = caplog.records
    assert record.getMessage() == (
        "connections are closed to make room for one from c: 4 are open, 3 of them from b. "
        "If that is no API server, keep it away with a NetworkPolicy."
    )
