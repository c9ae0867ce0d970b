# SPDX-License-Identifier: Apache-2.0
"""Claims that are deleted while they are being served, on the API server that loses finalizers.

A DELETE may come in the same moment as the patch that adds our finalizer.  The API server then
answers both with success, and the claim is gone: with 300 bare requests that happened 79 times.
"""

import time

from envtest import waiting
from envtest.controlplane import tenants

TRIES = 60
LATEST_MS = 6  # between a claim and its deletion: as long as its first write takes
AT_ONCE_SECONDS = 5.0  # a busy machine's moment, and much less than 20 seconds or five minutes


def test_a_claim_that_is_deleted_while_it_is_served_withholds_its_address_from_nobody(
    tenant: tenants.Tenant,
) -> None:
    tenant.add_pool("blue", "10.0.0.10")
    for number in range(TRIES):
        first, second = f"a-{number}", f"b-{number}"
        tenant.add_claim(first, "blue")
        time.sleep(number % (LATEST_MS + 1) / 1000)
        tenant.claims.delete(first)
        tenant.add_claim(second, "blue")

        waiting.until(
            f"{second} has the address, and {first} has none",
            lambda first=first, second=second: (  # type: ignore[misc] # mypy infers no types here
                tenant.status(second).get("addressRef"),
                tenant.addresses.find(first),
            ),
            lambda seen: seen[0] is not None and seen[1] is None,
            AT_ONCE_SECONDS,
        )
        tenant.release(second)
