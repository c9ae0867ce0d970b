# SPDX-License-Identifier: Apache-2.0
"""How properties are tested: by laws alone, never by the clock of a busy machine.

A clean clone has no tables of unicode yet; making them takes Hypothesis seconds, once.
"""

import os
from collections.abc import Generator

import hypothesis
import pytest
import structlog

pytest.register_assert_rewrite("interleaving")  # in tests/lib: its asserts show their values, too

FUZZ_EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "100000"))  # of each property, in `make fuzz`

hypothesis.settings.register_profile(
    "clockless", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.register_profile(  # make fuzz
    "fuzz", hypothesis.settings.get_profile("clockless"), max_examples=FUZZ_EXAMPLES
)
hypothesis.settings.load_profile("clockless")


@pytest.fixture(autouse=True)
def _logs_as_before() -> Generator[None]:
    """Undo what a command says about logs: other tests of this process look at theirs."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)
