# SPDX-License-Identifier: Apache-2.0
"""Work that fails again and again is tried less and less often."""

from kube.backoff import Backoff


def test_a_key_that_failed_is_held_back_longer_each_time_up_to_half_a_minute() -> None:
    now = [0.0]
    backoff = Backoff[str](0.1, lambda: now[0])
    assert backoff.seconds_left("a") == 0

    held: list[float] = []
    for _ in range(12):
        held.append(backoff.failed("a"))
        assert backoff.seconds_left("a") == held[-1]

    for _ in range(2000):  # a day of failures
        assert backoff.failed("a") == 30
    assert held[:3] == [0.1, 0.2, 0.4]
    assert held[-1] == 30
    assert backoff.seconds_left("b") == 0
    now[0] += 30
    assert backoff.seconds_left("a") == 0


def test_a_key_that_works_again_is_not_held_back_and_not_remembered() -> None:
    backoff = Backoff[str](0.1, lambda: 0.0)
    backoff.failed("a")
    backoff.failed("a")

    backoff.forget("a")

    assert backoff.seconds_left("a") == 0
    backoff.failed("a")
    assert backoff.seconds_left("a") == 0.1
