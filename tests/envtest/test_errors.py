# SPDX-License-Identifier: Apache-2.0
from envtest import errors


def test_a_refusal_keeps_what_the_api_server_said() -> None:
    cause = {"field": "spec.prefix", "message": "must be between 0 and 32", "reason": "Invalid"}
    status = {
        "code": 422,
        "reason": "Invalid",
        "message": "pool is invalid",
        "details": {"causes": [cause]},
    }

    refused = errors.RefusedError("POST /pools", status)

    assert (refused.code, refused.reason) == (422, "Invalid")
    assert refused.causes == [("spec.prefix", "must be between 0 and 32")]
    assert str(refused) == "POST /pools: pool is invalid"


def test_a_refusal_without_details_has_no_causes() -> None:
    assert errors.RefusedError("GET /", {"code": 500}).causes == []
