# SPDX-License-Identifier: Apache-2.0
"""How properties are tested: by laws alone, never by the clock of a busy machine.

A clean clone has no tables of unicode yet; making them takes Hypothesis seconds, once.
"""

import os

import hypothesis
import pytest

pytest.register_assert_rewrite("interleaving")  # in tests/lib: its asserts show their values, too

FUZZ_EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "100000"))  # of each property, in `make fuzz`

hypothesis.settings.register_profile(
    "clockless", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.register_profile(  # make fuzz
    "fuzz", hypothesis.settings.get_profile("clockless"), max_examples=FUZZ_EXAMPLES
)
hypothesis.settings.load_profile("clockless")
