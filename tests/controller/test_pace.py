# SPDX-License-Identifier: Apache-2.0
"""Turns come one after the other, each once."""

from controller.pace import Pace


def test_each_key_has_its_turn_in_the_order_of_asking() -> None:
    now = [100.0]
    pace = Pace[str](10, lambda: now[0])

    assert pace.seconds_left("a") == 0
    assert round(pace.seconds_left("b"), 6) == 0.1
    assert round(pace.seconds_left("c"), 6) == 0.2
    assert round(pace.seconds_left("b"), 6) == 0.1  # asking again changes nothing
    now[0] += 0.15
    assert pace.seconds_left("b") == 0
    pace.forget("b")
    assert round(pace.seconds_left("b"), 6) == 0.15  # after c, who asked before


def test_a_turn_stays_until_it_is_given_up() -> None:
    pace = Pace[str](10, lambda: 0.0)
    pace.seconds_left("a")
    pace.seconds_left("b")

    assert pace.seconds_left("a") == 0
    pace.forget("a")
    assert round(pace.seconds_left("a"), 6) == 0.2


def test_time_without_work_is_not_saved_up() -> None:
    now = [0.0]
    pace = Pace[str](10, lambda: now[0])
    now[0] = 60.0

    assert pace.seconds_left("a") == 0
    assert round(pace.seconds_left("b"), 6) == 0.1


def test_who_gives_up_is_not_remembered() -> None:
    pace = Pace[str](10, lambda: 0.0)
    for number in range(100):
        pace.seconds_left(str(number))

    for number in range(100):
        pace.forget(str(number))

    assert pace._turns == {}


def test_turns_that_all_were_given_up_delay_nobody() -> None:
    pace = Pace[str](10, lambda: 0.0)
    for number in range(100):
        pace.seconds_left(str(number))
    for number in range(100):
        pace.forget(str(number))

    assert round(pace.seconds_left("a"), 6) == 0.1  # after the one that came just now
