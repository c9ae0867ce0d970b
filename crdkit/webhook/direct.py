# SPDX-License-Identifier: Apache-2.0
"""Which requests are answered in the protocol, without ASGI: small conversion reviews.

The API server sends one object per review, so the way through ASGI would cost three times what the
conversion does.  This module alone decides.  All other requests go through ASGI, errors of
conversion reviews included, so each refusal is written in one place.
"""

from collections.abc import Callable, Sequence

from .limits import Bodies
from .worker import SMALL_BYTES, size_of

ANSWER_BYTES = 64 * 1024
"""Of an answer that is given to the connection in one piece."""

_TYPE = b"application/json"

Headers = Sequence[tuple[bytes, bytes]]
"""Of a request, the names in lower case."""


class Direct:
    """Answers small conversion reviews at once."""

    def __init__(self, path: str, answer: Callable[[bytes], bytes], bodies: Bodies) -> None:
        """Prepare it.

        Args:
            path: Where reviews come.
            answer: Answers one, or raises.
            bodies: The limits of requests, which hold here, too.
        """
        self._path = path.encode()
        self._answer = answer
        self._bodies = bodies

    def admits(self, method: bytes, url: bytes, headers: Headers) -> bool:
        """Return whether a request is one to answer here, if its body comes whole.

        Guarantees:
            What is unusual is not admitted: parameters, other content types, headers given twice.
        """
        if url != self._path or method != b"POST":
            return False
        fields = dict(headers)
        return len(fields) == len(headers) and fields.get(b"content-type") == _TYPE

    def answer(self, body: bytes) -> bytes | None:
        """Return the answer to a review; None if the application has to answer.

        Flow:
            The application repeats what fails here, and answers with the refusal or logs the error.
        """
        if size_of(body) > SMALL_BYTES or not self._bodies.fits(len(body)):
            return None
        try:
            review = self._answer(body)
        except Exception:  # noqa: BLE001 - whatever it is, the application meets it again and logs it
            return None
        if len(review) > ANSWER_BYTES or not self._bodies.fits(len(body) + len(review)):
            return None
        return review
