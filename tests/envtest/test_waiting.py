# SPDX-License-Identifier: Apache-2.0
import itertools
import time

import pytest

from envtest import errors, waiting


def test_until_returns_the_first_good_sight() -> None:
    sights = iter([1, 2, 3])

    assert waiting.until("two", lambda: next(sights), lambda sight: sight == 2) == 2


def test_until_says_what_it_saw_last() -> None:
    with pytest.raises(errors.NotReachedError, match="seven: not within 0 s; last seen: 1"):
        waiting.until("seven", lambda: 1, lambda sight: sight == 7, seconds=0)


def test_looks_get_rarer_while_nothing_happens() -> None:
    looks: list[float] = []

    def look() -> bool:
        looks.append(time.monotonic())
        return False

    waiting.wait_until(look, seconds=1.0)

    first, *_, last = [later - earlier for earlier, later in itertools.pairwise(looks)]
    assert first >= waiting.POLL_SECONDS
    assert last > waiting.POLL_SHARE * 0.9


def test_wait_until_reports_that_time_is_over() -> None:
    assert not waiting.wait_until(lambda: False, seconds=0)
    assert waiting.wait_until(lambda: True, seconds=0)
