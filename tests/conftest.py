# SPDX-License-Identifier: Apache-2.0
"""How properties are tested: by laws alone, never by the clock of a busy machine.

A clean clone has no tables of unicode yet; making them takes Hypothesis seconds, once.
"""

import hypothesis

hypothesis.settings.register_profile(
    "clockless", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.register_profile(  # make fuzz
    "fuzz", hypothesis.settings.get_profile("clockless"), max_examples=100_000
)
hypothesis.settings.load_profile("clockless")
