# SPDX-License-Identifier: Apache-2.0
"""Which failed requests are sent again, and when: client-go's rules, with jitter.

Source: k8s.io/client-go/rest/with_retry.go
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .errors import TooManyRequestsError, UnreachableError

if TYPE_CHECKING:
    from collections.abc import Callable

    from .errors import KubeError

_ATTEMPTS = 10  # where the server says when to come again; client-go's limit, too
_UNASKED_ATTEMPTS = 5  # where it does not: 1.5 to 2.2 s, so that an outage is soon reported
_FIRST_SECONDS = 0.1  # before the second attempt; doubled for each further one
_JITTER = 0.5  # of the pause at most, so that those refused together do not return together


def pause(
    error: KubeError, attempts: int, chance: Callable[[], float], *, reads: bool
) -> float | None:
    """Return the seconds after which a request is sent again; None if it is not.

    Flow:
        A request that only reads is sent again after a 429, an error of the server (5xx) and a lost
        connection; a write after a 429 alone, since only then nothing was done.

    Args:
        error: How the last attempt failed.
        attempts: How many there were.
        chance: Returns numbers from 0 to 1.
        reads: Whether the request changes nothing.
    """
    if not isinstance(error, TooManyRequestsError) and not (
        reads and isinstance(error, UnreachableError)
    ):
        return None
    asked = error.retry_after
    if attempts >= (_UNASKED_ATTEMPTS if asked is None else _ATTEMPTS):
        return None
    backoff = _FIRST_SECONDS * 2 ** (attempts - 1) if asked is None else asked
    return max(backoff, _FIRST_SECONDS) * (1 + _JITTER * chance())
