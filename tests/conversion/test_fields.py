# SPDX-License-Identifier: Apache-2.0
from hypothesis import given
from hypothesis import strategies as st

from conversion import fields, pools
from ipam import offer

texts = st.ip_addresses().map(str) | st.text(max_size=4) | st.just("")
subnets = st.builds("{}/{}".format, texts, st.integers(0, 33)) | texts
olds = st.fixed_dictionaries({}, optional={"subnet": subnets, "start": texts, "end": texts})


@given(olds)
def test_whatever_gives_no_addresses_is_a_problem_of_a_field_that_is_there_to_mend(
    old: dict[str, object],
) -> None:
    said = list(fields.problems_of(old))

    if any(old.values()) and "addresses" not in pools.to_hub(old):
        assert said
    assert all(problem.path in {"subnet", "start", "end"} for problem in said)


def test_the_appended_range_is_blamed_on_the_field_that_gave_it() -> None:
    problem = offer.Problem("addresses[1]", "10.0.0.1-10.0.0.254", "is bad")
    subnet: dict[str, object] = {"addresses": ["10.0.0.9"], "subnet": "10.0.0.0/24"}
    ends: dict[str, object] = {"addresses": ["10.0.0.9"], "start": "10.0.0.1", "end": "10.0.0.254"}

    assert fields.as_written(subnet, problem) == offer.Problem("subnet", "10.0.0.0/24", "is bad")
    assert fields.as_written(ends, problem) == offer.Problem("end", "10.0.0.254", "is bad")


def test_a_prefix_from_the_subnet_is_blamed_on_the_subnet() -> None:
    problem = offer.Problem("prefix", 24, "is bad")

    blamed = fields.as_written({"subnet": "10.0.0.0/24"}, problem)

    assert blamed == offer.Problem("subnet", "10.0.0.0/24", "is bad")
    assert fields.as_written({"subnet": "10.0.0.0/24", "prefix": 24}, problem) == problem


def test_fields_that_both_versions_have_keep_their_name() -> None:
    for path in ("addresses[0]", "gateway", "prefix"):
        problem = offer.Problem(path, "x", "is bad")
        assert fields.as_written({"addresses": ["x"], "prefix": 24}, problem) == problem


def test_what_an_unreadable_field_leaves_missing_is_not_told_twice() -> None:
    missing = (offer.Problem("addresses", [], "at least one"), offer.Problem("prefix", None, "is"))

    said = fields.told({"subnet": "x"}, missing)

    assert [problem.path for problem in said] == ["subnet"]
