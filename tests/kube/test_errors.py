# SPDX-License-Identifier: Apache-2.0
import pytest

from kube import errors


@pytest.mark.parametrize("status", [404, 409, 410, 422, 429, 499, 500, 503, 520, 599])
@pytest.mark.parametrize("body", [b"", b"<html>no</html>", b"[]", b'{"reason": 5}', b"\xff"])
def test_every_answer_makes_an_error_that_names_the_request(status: int, body: bytes) -> None:
    error = errors.from_response(status, body, "GET /x")

    assert isinstance(error, errors.KubeError)
    assert str(error).startswith(f"GET /x: {status} ")


def test_the_api_servers_own_words_are_kept() -> None:
    body = b'{"kind": "Status", "reason": "Invalid", "message": "spec.prefix: too long"}'

    error = errors.from_response(422, body, "PATCH /x")

    assert str(error) == "PATCH /x: 422 Invalid: spec.prefix: too long"
    assert not error.maybe_applied
    assert errors.from_response(500, body, "PATCH /x").maybe_applied
