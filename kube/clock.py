# SPDX-License-Identifier: Apache-2.0
"""The clock by which leases and credentials end."""

import time


def now() -> float:
    """Return seconds that neither jump nor stop while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
