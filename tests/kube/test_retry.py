# SPDX-License-Identifier: Apache-2.0
"""Which failures are worth another attempt, and after how long."""

import random
from itertools import count, takewhile

import pytest

from kube import errors, retry
from kube.errors import KubeError


def refused(status: int, retry_after: str = "") -> KubeError:
    return errors.from_response(status, b"", "GET /x", retry_after)


def pauses(error: KubeError, chance: float = 0.0, *, reads: bool = True) -> list[float]:
    """Return the pauses until the request is given up."""
    found = (retry.pause(error, attempts, lambda: chance, reads=reads) for attempts in count(1))
    return [pause for pause in takewhile(lambda pause: pause is not None, found) if pause]


@pytest.mark.parametrize("status", [500, 502, 503, 504, 429])
def test_a_read_that_failed_at_the_server_has_five_attempts_with_growing_pauses(
    status: int,
) -> None:
    assert pauses(refused(status)) == pytest.approx([0.1, 0.2, 0.4, 0.8])


def test_a_read_whose_connection_broke_has_as_many() -> None:
    assert len(pauses(errors.UnreachableError("GET /x", "reset"))) == 4


@pytest.mark.parametrize("reads", [True, False])
def test_a_request_with_retry_after_has_ten_attempts_as_in_client_go(*, reads: bool) -> None:
    assert pauses(refused(429, "3"), reads=reads) == [3.0] * 9


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 410, 422])
@pytest.mark.parametrize("reads", [True, False])
def test_what_was_refused_for_good_is_not_sent_again(status: int, *, reads: bool) -> None:
    assert pauses(refused(status, "1"), reads=reads) == []


@pytest.mark.parametrize("error", [refused(500, "1"), refused(503), refused(504)])
def test_a_write_that_may_have_been_applied_is_not_sent_again(error: KubeError) -> None:
    assert error.maybe_applied
    assert pauses(error, reads=False) == []


def test_no_request_comes_before_retry_after_and_all_spread() -> None:
    dice = random.Random(1)  # noqa: S311 - no secret, and the same each time
    found = [retry.pause(refused(429, "2"), 1, dice.random, reads=False) for _ in range(1000)]

    spread = [pause for pause in found if pause is not None]
    assert len(spread) == 1000
    assert min(spread) >= 2.0
    assert max(spread) <= 3.0
    assert len(set(spread)) > 900


@pytest.mark.parametrize("text", ["", "soon", "-1", "1.5", "Fri, 27 Nov 2026 10:00:00 GMT"])
def test_a_header_that_is_no_number_of_seconds_says_nothing(text: str) -> None:
    assert refused(429, text).retry_after is None
