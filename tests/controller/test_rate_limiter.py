# SPDX-License-Identifier: Apache-2.0
"""Turns come one after the other, each once."""

from controller.rate_limiter import RateLimiter


def test_each_key_has_its_turn_in_the_order_of_asking() -> None:
    now = [100.0]
    limiter = RateLimiter[str](10, lambda: now[0])

    assert limiter.seconds_left("a") == 0
    assert round(limiter.seconds_left("b"), 6) == 0.1
    assert round(limiter.seconds_left("c"), 6) == 0.2
    assert round(limiter.seconds_left("b"), 6) == 0.1  # asking again changes nothing
    now[0] += 0.15
    assert limiter.seconds_left("b") == 0
    limiter.forget("b")
    assert round(limiter.seconds_left("b"), 6) == 0.15  # after c, who asked before


def test_a_turn_stays_until_it_is_forgotten() -> None:
    limiter = RateLimiter[str](10, lambda: 0.0)
    limiter.seconds_left("a")
    limiter.seconds_left("b")

    assert limiter.seconds_left("a") == 0
    limiter.forget("a")
    assert round(limiter.seconds_left("a"), 6) == 0.2


def test_time_without_work_is_not_saved_up() -> None:
    now = [0.0]
    limiter = RateLimiter[str](10, lambda: now[0])
    now[0] = 60.0

    assert limiter.seconds_left("a") == 0
    assert round(limiter.seconds_left("b"), 6) == 0.1


def test_a_forgotten_key_takes_no_memory() -> None:
    limiter = RateLimiter[str](10, lambda: 0.0)
    for number in range(100):
        limiter.seconds_left(str(number))

    for number in range(100):
        limiter.forget(str(number))

    assert limiter._turns == {}


def test_forgotten_turns_delay_no_key() -> None:
    limiter = RateLimiter[str](10, lambda: 0.0)
    for number in range(100):
        limiter.seconds_left(str(number))
    for number in range(100):
        limiter.forget(str(number))

    assert round(limiter.seconds_left("a"), 6) == 0.1  # after the one that came just now
