# SPDX-License-Identifier: Apache-2.0
"""Why a request gets no review for an answer.

* ReviewError
  * RequestError: the request itself is no review; answered with its 4xx status
  * DisconnectedError: the client disconnected before its request was complete
"""

from http import HTTPStatus


class ReviewError(Exception):
    """No review can be answered."""


class RequestError(ReviewError):
    """The request is no review; the text is the body of the answer."""

    def __init__(self, status: HTTPStatus, problem: str) -> None:
        super().__init__(problem)
        self.status = status


class DisconnectedError(ReviewError):
    """The client disconnected before its request was complete."""
