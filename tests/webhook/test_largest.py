# SPDX-License-Identifier: Apache-2.0
"""Whatever a pool of the largest size holds, its reviews take little CPU.

What one example costs is measured in CPU time of its thread: `make fuzz` holds each review to the
bound that users rely on; `make test`, on machines that do other things, to ten times as much.
"""

import ipaddress
import random
import time
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from api import resources
from crdkit.models.resources import Resource
from envtest import sizes
from webhook import admission_review, schema

FUZZING = settings().max_examples == settings.get_profile("fuzz").max_examples
EXAMPLES = max(20, settings().max_examples // 100) if FUZZING else 20  # each takes half a second
BOUND_SECONDS = 0.2 if FUZZING else 2.0

schema.load()  # as the process has, before it reviews
sizes_of_lists = st.sampled_from([1, 2, 100, sizes.MOST - 1, sizes.MOST])
seeds = st.integers(0, 2**32)
shapes = st.sampled_from(["single", "range", "cidr", "mixed", "same", "long", "garbage"])
every = st.sampled_from(
    [(resource, version) for resource in resources.POOLS for version in resource.versions]
)
lists = st.tuples(sizes_of_lists, shapes, seeds)


def entries(size: int, shape: str, seed: int, *, v6: bool) -> list[str]:
    """Return a list of one shape; the same seed gives the same list."""
    dice = random.Random(seed)  # noqa: S311 - seeded, so that an example comes again
    if shape == "same":
        return [entry("range", random.Random(seed), v6=v6)] * size  # noqa: S311 - as above
    return [entry(shape, dice, v6=v6) for _ in range(size)]


def entry(shape: str, dice: random.Random, *, v6: bool) -> str:
    if shape == "mixed":
        shape = dice.choice(["single", "range", "cidr"])
    if shape == "garbage":
        return dice.choice(["x" * 100, "10.0.0.9-10.0.0.1", "::/129", "", "é" * 50, "1-2-3"])
    bits = 112 if v6 else 16
    base = int(ipaddress.ip_address("2001:db8::" if v6 else "10.0.0.0"))
    value = base + (dice.getrandbits(bits - 16) << 16 if v6 else dice.getrandbits(bits))
    kind = ipaddress.IPv6Address if v6 else ipaddress.IPv4Address
    if shape == "cidr":
        return f"{kind(value)}/{64 if v6 else dice.randint(24, 32)}"
    if shape == "single":
        return str(kind(value))
    last = kind(value + dice.getrandbits(8))
    return f"{kind(value).exploded if shape == 'long' else kind(value)}-{last}"


def spec(kind: str, first: tuple[int, str, int], second: tuple[int, str, int]) -> dict[str, Any]:
    prefixes = "Prefix" in kind
    v6 = prefixes or bool(first[2] % 2)
    names = ("prefixes", "excludedPrefixes") if prefixes else ("addresses", "excludedAddresses")
    made = {name: entries(*each, v6=v6) for name, each in zip(names, (first, second), strict=True)}
    return made | ({"allocationPrefixLength": 64} if prefixes else {"prefix": 32 if v6 else 8})


@given(every, lists, lists, lists)
@settings(max_examples=EXAMPLES)
def test_no_review_takes_more_cpu_than_its_bound(
    one: tuple[Resource, str],
    first: tuple[int, str, int],
    second: tuple[int, str, int],
    third: tuple[int, str, int],
) -> None:
    resource, version = one
    old, new = spec(resource.kind, first, second), spec(resource.kind, first, third)
    body = sizes.update(resource, version, old, new)
    request = admission_review._decode(body)
    for review in (admission_review._mutated, admission_review._assessed):
        began = time.thread_time()
        review(request, resource.kind)
        assert time.thread_time() - began < BOUND_SECONDS, (review.__name__, len(body))
