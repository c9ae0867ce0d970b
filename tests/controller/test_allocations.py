# SPDX-License-Identifier: Apache-2.0
"""Who holds which address: no address twice, whatever titles claims have to them."""

import time

import pytest
from builders import BLUE
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from controller import allocations
from controller.allocations import PoolAllocations
from controller.errors import AllocationError, PoolExhaustedError, PoolNotReadyError
from controller.unassigned import Unassigned
from ipam import pool_specs
from ipam.notation import Address, Network, parse_address, parse_network
from kube.meta import Key
from objects.pools import PoolKey


def pool(*addresses: str) -> PoolAllocations:
    made = PoolAllocations(BLUE, Unassigned())
    made.update(pool_specs.ip_pool(addresses, 24, "", (), allocate_reserved=False), "")
    return made


def alone(address: Address) -> Network:
    return Network(*address, 32)


def key(name: str) -> Key:
    return Key("default", name)


def age(number: int) -> tuple[str, int]:
    return "2026-01-01T00:00:00Z", number


def choose(
    of: PoolAllocations, name: str, number: int = 1, wanted: str = "", *, replaceable: bool = False
) -> str:
    asked = parse_address(wanted) if wanted else None
    return str(of.choose(key(name), age(number), asked, replaceable=replaceable))


def test_the_lowest_free_address_comes_first_and_stays_the_claims() -> None:
    blue = pool("10.0.0.5-10.0.0.6")

    assert [choose(blue, "a"), choose(blue, "a"), choose(blue, "b", 2)] == [
        "10.0.0.5", "10.0.0.5", "10.0.0.6",
    ]  # fmt: skip


def test_an_address_stays_taken_until_the_last_title_to_it_is_gone() -> None:
    blue = pool("10.0.0.5")
    address = parse_address(choose(blue, "a"))
    blue.set_reservation(key("a"), address)
    blue.set_object(key("a"), alone(address))

    blue.remove_object(key("a"))
    assert blue.free == 0

    blue.forget_claim(key("a"))
    assert blue.free == 1


def test_a_choice_that_was_surely_not_written_is_free_again() -> None:
    blue = pool("10.0.0.5")
    choose(blue, "a")

    blue.cancel(key("a"))

    assert choose(blue, "b", 2) == "10.0.0.5"


def test_a_full_pool_says_so() -> None:
    blue = pool("10.0.0.5")
    choose(blue, "a")

    with pytest.raises(
        PoolExhaustedError, match="InClusterIPPool default/blue has no free address"
    ):
        choose(blue, "b", 2)


def test_a_younger_claim_does_not_overtake_one_that_waits() -> None:
    blue = pool("10.0.0.5")
    blue.set_object(key("holder"), alone(parse_address("10.0.0.5")))
    with pytest.raises(PoolExhaustedError):
        choose(blue, "old", 1)
    blue.remove_object(key("holder"))

    with pytest.raises(PoolExhaustedError):
        choose(blue, "young", 2)
    assert blue.notify(10) == [key("old")]
    blue.queue.remove(key("old"))
    assert choose(blue, "old", 1) == "10.0.0.5"


def test_a_wanted_address_is_given_or_refused_with_its_holder() -> None:
    blue = pool("10.0.0.5-10.0.0.9")

    assert choose(blue, "a", wanted="10.0.0.7") == "10.0.0.7"
    with pytest.raises(AllocationError, match=r"address 10\.0\.1\.7 is not one that"):
        choose(blue, "b", wanted="10.0.1.7")
    with pytest.raises(AllocationError, match=r"address 10\.0\.0\.7 is in use by claim default/a"):
        choose(blue, "b", wanted="10.0.0.7")
    assert blue.notify(10) == []
    blue.cancel(key("a"))
    assert blue.notify(10) == [key("b")]
    assert blue.notify(10) == []  # once for each chance


def test_a_recorded_address_that_another_claim_has_is_replaced_only_to_settle() -> None:
    blue = pool("10.0.0.5-10.0.0.6")
    blue.set_object(key("a"), alone(parse_address("10.0.0.5")))
    blue.set_reservation(key("b"), parse_address("10.0.0.5"))

    assert choose(blue, "b", wanted="10.0.0.5", replaceable=True) == "10.0.0.6"


def test_a_record_is_not_honoured_where_the_pool_does_not_offer_it() -> None:
    blue = pool("10.0.0.5-10.0.0.6")
    blue.set_reservation(key("a"), parse_address("10.0.0.1"))

    with pytest.raises(AllocationError, match=r"address 10\.0\.0\.1 is not one that"):
        choose(blue, "a", wanted="10.0.0.1")
    assert choose(blue, "a", wanted="10.0.0.1", replaceable=True) == "10.0.0.5"


def test_a_choice_that_the_pool_offers_no_more_is_made_anew() -> None:
    blue = pool("10.0.0.5")
    choose(blue, "a")

    blue.update(pool_specs.ip_pool(["10.0.0.7"], 24, "", (), allocate_reserved=False), "")

    assert choose(blue, "a") == "10.0.0.7"


def test_as_many_claims_are_called_as_addresses_are_free_oldest_first() -> None:
    blue = pool("10.0.0.5-10.0.0.6")
    for name in "ab":
        choose(blue, name)
    for name, number in (("young", 3), ("old", 1), ("middle", 2)):
        with pytest.raises(PoolExhaustedError):
            choose(blue, name, number)
    assert blue.notify(10) == []

    blue.cancel(key("a"))
    assert blue.notify(10) == [key("old")]
    blue.forget_claim(key("old"))  # so it was nobody's, and the next one is called
    assert blue.notify(10) == [key("middle")]
    blue.cancel(key("b"))
    assert blue.notify(10) == [key("young")]


def test_a_pool_that_is_not_ready_calls_nobody() -> None:
    blue = pool("10.0.0.5")
    choose(blue, "a")
    with pytest.raises(PoolExhaustedError):
        choose(blue, "b", 2)
    blue.update(blue.address_set, "is being deleted")
    blue.cancel(key("a"))

    assert blue.notify(10) == []
    blue.update(blue.address_set, "")
    assert blue.notify(10) == [key("b")]


def test_a_reservation_counts_as_taken_before_its_object_exists() -> None:
    blue = pool("10.0.0.5-10.0.0.6")
    blue.set_reservation(key("a"), parse_address("10.0.0.5"))

    assert choose(blue, "b") == "10.0.0.6"
    assert choose(blue, "a", wanted="10.0.0.5", replaceable=True) == "10.0.0.5"


def test_a_pool_that_is_not_ready_gives_nothing() -> None:
    with pytest.raises(PoolNotReadyError, match="InClusterIPPool default/blue does not exist"):
        choose(PoolAllocations(BLUE, Unassigned()), "a")


def test_counts_follow_objects_and_the_address_set() -> None:
    blue = pool("10.0.0.5-10.0.0.6")
    blue.set_object(key("a"), alone(parse_address("10.0.0.5")))
    blue.set_object(key("b"), alone(parse_address("10.0.0.200")))
    blue.set_object(key("broken"), None)
    counts = blue.counts
    assert (counts.total, counts.free, counts.used, counts.out_of_range) == (2, 1, 3, 2)

    blue.update(pool_specs.ip_pool(["10.0.0.200"], 24, "", (), allocate_reserved=False), "")

    counts = blue.counts
    assert (counts.total, counts.free, counts.used, counts.out_of_range) == (1, 0, 3, 2)


def test_a_choice_that_was_not_sent_goes_with_its_claim() -> None:
    blue = pool("10.0.0.5")
    choose(blue, "a")

    blue.forget_claim(key("a"))

    assert choose(blue, "b", 2) == "10.0.0.5"


def test_what_was_sent_for_a_claim_that_goes_is_taken_until_it_is_answered() -> None:
    blue = pool("10.0.0.5")
    blue.begin_create(key("a"), parse_address(choose(blue, "a")))

    blue.forget_claim(key("a"))
    assert (blue.free, blue.expects_objects) == (0, True)

    blue.end_create(key("a"))
    assert (blue.free, blue.expects_objects) == (1, False)


def test_a_claim_that_is_tried_again_keeps_its_place_and_is_not_called_for_it() -> None:
    blue = pool("10.0.0.5")

    blue.queue.keep_place(key("old"), age(1))

    with pytest.raises(PoolExhaustedError):
        choose(blue, "young", 2)
    assert blue.notify(10) == []
    blue.queue.remove(key("old"))
    assert choose(blue, "old", 1) == "10.0.0.5"


def test_a_pool_that_does_not_become_ready_takes_its_choices_back() -> None:
    blue = pool("10.0.0.5")
    choose(blue, "a")
    blue.update(blue.address_set, "is being deleted")

    with pytest.raises(PoolNotReadyError):
        choose(blue, "a")

    assert not blue.expects_objects


def test_a_pool_with_an_ipaddress_that_cannot_be_read_names_it_and_gives_nothing() -> None:
    blue = pool("10.0.0.5")
    blue.set_object(key("broken"), None, "spec.address: Expected `str`, got `int`")

    with pytest.raises(PoolNotReadyError, match=r"IPAddress default/broken cannot be read.*`int`"):
        choose(blue, "a")
    blue.remove_object(key("broken"))

    assert blue.notify(10) == [key("a")]


@pytest.mark.parametrize(("namespace", "closed"), [("default", True), ("other", False)])
def test_an_ipaddress_of_which_not_even_the_pool_can_be_read_closes_all_that_it_may_be_of(
    namespace: str, *, closed: bool
) -> None:
    unassigned = Unassigned()
    unassigned.set(Key(namespace, "broken"), "spec.poolRef: Expected `object`")
    blue = PoolAllocations(BLUE, unassigned)
    blue.update(pool("10.0.0.5").address_set, "")

    assert bool(blue.not_ready) == closed


def test_the_first_ipaddress_that_may_be_of_a_pool_is_found_by_namespace() -> None:
    unassigned = Unassigned()
    for namespace, name in (("b", "y"), ("b", "x"), ("d", "z")):
        unassigned.set(Key(namespace, name), f"what is wrong with {name}")

    first = {each: unassigned.first(each) for each in ("", "a", "b", "c", "d", "e")}
    unassigned.discard(Key("b", "x"))

    x, z = (Key("b", "x"), "what is wrong with x"), (Key("d", "z"), "what is wrong with z")
    assert first == {"": x, "a": None, "b": x, "c": None, "d": z, "e": None}
    assert unassigned.first("b") == unassigned.first("") == (Key("b", "y"), "what is wrong with y")


# ---- sub-prefixes ----


def prefixes(of: str, *taken: str, length: int = 64) -> PoolAllocations:
    """Return the allocations of a prefix pool, with IPAddresses that a user made."""
    made = PoolAllocations(PoolKey("InClusterPrefixPool", "default", "green"), Unassigned())
    made.update(pool_specs.prefix_pool([of], length, "", ()), "")
    for number, text in enumerate(taken):
        made.set_object(key(f"by-hand-{number}"), parse_network(text))
    return made


@pytest.mark.parametrize(
    ("taken", "lowest"),
    [
        (["fd00::/62"], "fd00:0:0:4::"),
        (["fd00::1/128"], "fd00:0:0:1::"),
        (["fd00::/63"], "fd00:0:0:2::"),
        (["fd00::/65"], "fd00:0:0:1::"),
        (["fd00::8000:0:0:0/65"], "fd00:0:0:1::"),
        (["fd00::1/64"], "fd00:0:0:1::"),
        (["fd00::ffff/63"], "fd00:0:0:2::"),
        (["fd00:0:0:1::/64", "fd00::/128"], "fd00:0:0:2::"),
        (["10.0.0.0/8"], "fd00::"),
        (["fe80::/10"], "fd00::"),
    ],
)
def test_a_claim_gets_the_lowest_prefix_that_no_ipaddress_overlaps(
    taken: list[str], lowest: str
) -> None:
    assert choose(prefixes("fd00::/60", *taken), "a") == lowest


@pytest.mark.parametrize("taken", ["fd00::/63", "fd00::/65", "fd00::1/64", "fd00::/0", "fd01::/64"])
def test_an_ipaddress_that_the_pool_would_not_hand_out_as_it_is_is_out_of_range(taken: str) -> None:
    assert prefixes("fd00::/60", taken).counts.out_of_range == 1


def test_an_ipaddress_of_the_pools_own_size_is_in_range() -> None:
    assert prefixes("fd00::/60", "fd00::/64", "fd00:0:0:1::/64").counts.out_of_range == 0


def test_a_network_over_the_whole_pool_leaves_nothing_until_it_goes() -> None:
    green = prefixes("fd00::/16", "::/0", "fd00::/64")
    assert green.free == 0
    with pytest.raises(PoolExhaustedError):
        choose(green, "a")

    green.remove_object(key("by-hand-0"))

    assert (green.free, green.notify(10)) == (2**48 - 1, [key("a")])
    green.queue.remove(key("a"))
    assert choose(green, "a") == "fd00:0:0:1::"


def test_a_prefix_that_is_asked_for_is_refused_with_the_ipaddress_that_overlaps_it() -> None:
    green = prefixes("fd00::/60", "fd00::/62")

    with pytest.raises(AllocationError, match=r"overlaps IPAddress default/by-hand-0.* fd00::/62;"):
        choose(green, "a", wanted="fd00:0:0:3::")

    green.remove_object(key("by-hand-0"))
    assert green.notify(10) == [key("a")]


def test_a_prefix_that_is_asked_for_is_refused_where_an_ipaddress_with_host_bits_overlaps_it() -> (
    None
):
    green = prefixes("fd00::/48", "fd00::5/60")

    with pytest.raises(
        AllocationError, match=r"overlaps IPAddress default/by-hand-0.* fd00::5/60;"
    ):
        choose(green, "a", wanted="fd00:0:0:1::")


def test_allocations_that_nobody_queries_do_not_grow() -> None:
    """That of a standby: addresses come and go, and no claim is in line."""
    blue = pool("10.0.0.0/24")
    for number in range(1, 200):
        blue.set_object(key("a"), alone(parse_address(f"10.0.0.{number}")))
        blue.remove_object(key("a"))

    assert blue._freed == set()


@pytest.mark.parametrize(
    ("other", "named"),
    [("fd00::/60", "fd00::/60"), ("fd00:0:0:8::9/128", "fd00:0:0:8::9/128"), ("::/0", "::/0")],
)
def test_which_of_many_ipaddresses_overlaps_a_prefix_is_found_at_once(
    other: str, named: str
) -> None:
    green = prefixes("fd00::/48", other)
    for number in range(10_000):  # all of them out of range
        network = Network(6, (0xFD00 << 112) + ((16 + number) << 64) + 1, 128)
        green.set_object(key(f"z-{number}"), network)

    began = time.thread_time()
    with pytest.raises(AllocationError, match=f"overlaps IPAddress default/.* {named};"):
        choose(green, "a", wanted="fd00:0:0:8::")

    assert time.thread_time() - began < 0.005


def test_a_prefix_that_was_chosen_is_no_more_the_claims_when_an_ipaddress_overlaps_it() -> None:
    green = prefixes("fd00::/60")
    chosen = parse_address(choose(green, "a"))
    green.set_reservation(key("a"), chosen)

    green.set_object(key("by-hand"), parse_network("fd00::7/128"))

    assert not green.owns(key("a"), chosen)
    assert choose(green, "a", wanted=str(chosen), replaceable=True) == "fd00:0:0:1::"


def test_of_two_ipaddresses_with_one_address_the_larger_counts() -> None:
    green = prefixes("fd00::/60", "fd00::/64", "fd00::/62")
    assert (green.free, green.duplicates) == (12, 2)

    green.set_object(key("by-hand-1"), parse_network("fd00::/63"))
    assert green.free == 14

    green.remove_object(key("by-hand-1"))
    assert green.free == 15


def network_of(value: int, length: int) -> Network:
    return Network(6, (0xFD00 << 112) + value, length)


some_networks = st.builds(
    network_of,
    st.one_of(st.integers(0, 2**67), st.integers(0, 7).map(lambda slot: slot << 64)),
    st.sampled_from([0, 16, 60, 61, 62, 63, 64, 65, 127, 128]),
)
SLOTS = [network_of(slot << 64, 64) for slot in range(8)]


class NoPrefixOverlaps(RuleBasedStateMachine):
    """IPAddresses of any size come and go in a pool of eight sub-prefixes, as do claims."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = prefixes("fd00::/61")
        self.objects: dict[str, Network] = {}
        self.chosen: dict[str, Address] = {}

    @rule(name=st.sampled_from("uvwx"), network=some_networks)
    def an_object_appears(self, name: str, network: Network) -> None:
        self.pool.set_object(key(name), network)
        self.objects[name] = network

    @rule(name=st.sampled_from("uvwx"))
    def an_object_goes(self, name: str) -> None:
        self.pool.remove_object(key(name))
        self.objects.pop(name, None)

    @rule(length=st.sampled_from([61, 62, 61]))
    def the_pool_is_edited(self, length: int) -> None:
        """Begin with that; the former offer counts until the last holder is placed."""
        self.pool.begin_update(pool_specs.prefix_pool([f"fd00::/{length}"], 64, "", ()), "")
        self.to_come = SLOTS[: 1 << (64 - length)]

    @precondition(lambda self: self.pool.updating)
    @rule()
    def some_more_holders_are_placed(self) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(allocations, "_PIECE", 1)
            self.pool.continue_update()
        if not self.pool.updating:
            self.offered = self.to_come

    offered = to_come = SLOTS

    @rule(name=st.sampled_from("abc"))
    def a_prefix_is_chosen(self, name: str) -> None:
        self.pool.queue.remove(key(name))
        self.chosen.pop(name, None)
        try:
            address = self.pool.choose(key(name), age(ord(name)), None, replaceable=False)
        except AllocationError:
            return
        network = Network(*address, 64)
        assert network in self.offered
        assert not any(overlap(network, other) for other in self.objects.values())
        assert address not in self.chosen.values()
        self.chosen[name] = address

    @rule(name=st.sampled_from("abc"))
    def a_claim_goes(self, name: str) -> None:
        self.pool.forget_claim(key(name))
        self.chosen.pop(name, None)

    @invariant()
    def what_is_overlapped_is_not_free(self) -> None:
        held = [*self.objects.values(), *(Network(*each, 64) for each in self.chosen.values())]
        free = [slot for slot in self.offered if not any(overlap(slot, each) for each in held)]
        assert self.pool.free == len(free)

    @invariant()
    def what_is_not_one_of_the_pools_is_out_of_range(self) -> None:
        outside = sum(network not in self.offered for network in self.objects.values())
        assert self.pool.counts.out_of_range == outside


def overlap(one: Network, other: Network) -> bool:
    return one.first <= other.last and other.first <= one.last


TestNoPrefixOverlaps = NoPrefixOverlaps.TestCase

names = st.sampled_from(["a", "b", "c", "d"])
addresses = st.integers(1, 4).map(lambda n: parse_address(f"10.0.0.{n}"))


class NoAddressTwice(RuleBasedStateMachine):
    """Any order of events and choices, over a pool of three addresses."""

    @initialize()
    def start(self) -> None:
        self.pool = pool("10.0.0.1-10.0.0.3")
        self.titles: dict[str, dict[str, Address]] = {"object": {}, "record": {}, "pending": {}}

    @rule(name=names, address=addresses)
    def an_object_appears(self, name: str, address: Address) -> None:
        self.pool.set_object(key(name), alone(address))
        self.titles["object"][name] = address
        self.titles["pending"].pop(name, None)  # what was on its way is here

    @rule(name=names)
    def an_object_goes(self, name: str) -> None:
        self.pool.remove_object(key(name))
        self.titles["object"].pop(name, None)

    @rule(name=names, address=addresses)
    def a_record_appears(self, name: str, address: Address) -> None:
        self.pool.set_reservation(key(name), address)
        self.titles["record"][name] = address

    @rule(name=names)
    def a_claim_goes(self, name: str) -> None:
        self.pool.forget_claim(key(name))
        self.titles["record"].pop(name, None)
        self.titles["pending"].pop(name, None)  # nothing was sent

    @rule(name=names)
    def what_was_chosen_is_surely_not_there(self, name: str) -> None:
        self.pool.cancel(key(name))
        self.titles["pending"].pop(name, None)

    @rule(name=names)
    def an_address_is_chosen(self, name: str) -> None:
        self.pool.queue.remove(key(name))
        others, mine = self.held_by_others(name), self.titles["pending"].get(name)
        try:
            address = self.pool.choose(key(name), age(ord(name)), None, replaceable=False)
        except AllocationError:
            if mine in self.titles["object"].values():
                self.titles["pending"].pop(name, None)
            return
        assert address not in self.titles["object"].values() or self.titles["object"].get(name)
        assert address == mine or address not in others  # who chose first keeps it
        self.titles["pending"][name] = address

    def held_by_others(self, name: str) -> set[Address]:
        return {
            address
            for title in self.titles.values()
            for holder, address in title.items()
            if holder != name
        }

    @invariant()
    def what_is_held_is_not_free(self) -> None:
        held = {address for title in self.titles.values() for address in title.values()}
        offered = {parse_address(f"10.0.0.{n}") for n in (1, 2, 3)}
        assert self.pool.free == len(offered - held)


TestNoAddressTwice = NoAddressTwice.TestCase
