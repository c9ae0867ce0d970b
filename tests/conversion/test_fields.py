# SPDX-License-Identifier: Apache-2.0
import re
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conversion import fields, v1alpha1
from crdkit.conversion import values
from ipam import pool_specs
from ipam.address_sets import AddressSet, FieldError

lengths = st.integers(24, 32)
texts = st.ip_addresses().map(str) | st.text(max_size=4) | st.just("")
subnets = st.builds("{}/{}".format, texts, st.integers(0, 33)) | texts
olds = st.fixed_dictionaries({}, optional={"subnet": subnets, "start": texts, "end": texts})


@given(olds)
def test_whatever_gives_no_addresses_is_a_problem_of_a_field_that_is_there_to_mend(
    old: dict[str, object],
) -> None:
    said = list(fields.errors_of(old))

    if any(old.values()) and "addresses" not in v1alpha1.to_hub(old):
        assert said
    assert all(problem.path in {"subnet", "start", "end"} for problem in said)


Spec = dict[str, Any]


def offered(old: Spec) -> AddressSet:
    hub = v1alpha1.to_hub(old)
    return pool_specs.ip_pool(
        values.strings(hub, "addresses"),
        cast("int | None", hub.get("prefix")),
        values.text(hub, "gateway"),
        hub.get("excludedAddresses", ()),  # type: ignore[arg-type] # any JSON
        allocate_reserved=False,
    )


def told(old: Spec) -> list[FieldError]:
    """Return all errors of a v1alpha1 spec, or else all warnings."""
    found = offered(old)
    return fields.as_v1alpha1_errors(old, found.errors) or list(
        fields.warnings(old, found.warnings)
    )


near = st.integers(0, 7).map("10.0.0.{}".format)
entries = near | st.builds("{}-{}".format, near, near) | st.builds("{}/{}".format, near, lengths)
written = st.fixed_dictionaries(
    {},
    optional={
        "addresses": st.lists(entries, max_size=3),
        "subnet": st.builds("{}/{}".format, near, lengths) | st.just(""),
        "start": near | st.just(""),
        "end": near | st.just(""),
        "prefix": lengths | st.just(0),
        "gateway": near | st.just("10.9.9.9"),
    },
)


@given(written)
def test_a_message_names_a_field_and_a_value_that_were_written(old: Spec) -> None:
    for problem in told(old):
        name, _, index = problem.path.partition("[")
        assert name in v1alpha1.SPOKE_FIELDS
        assert problem.value == (
            old[name][int(index.rstrip("]"))] if index else old.get(name, problem.value)
        )
        if name not in old:
            assert not problem.value
            assert "is required" in problem.text


@given(written)
def test_no_text_names_an_entry_that_only_conversion_wrote(old: Spec) -> None:
    entry = v1alpha1.read_bounds(old).entry
    if entry and entry not in old.get("addresses", ()):
        pattern = re.compile(rf"(?<![\d.]){re.escape(entry)}(?!\d)")
        assert not any(pattern.search(str(problem)) for problem in told(old))


def text_of(old: Spec) -> str:
    [problem] = told(old)
    return str(problem)


@pytest.mark.parametrize(
    ("old", "text"),
    [
        (
            {"start": "192.168.0.149", "end": "192.168.0.140", "prefix": 24},
            "spec.end: '192.168.0.140': is below start 192.168.0.149",
        ),
        (
            {"start": "10.0.0.1", "end": "fd00::1", "prefix": 24},
            "spec.end: 'fd00::1': is not of the IP family of start 10.0.0.1",
        ),
        (
            {"subnet": "10.0.0.0/24", "start": "10.0.1.5"},
            "spec.start: '10.0.1.5': is above 10.0.0.254 of subnet 10.0.0.0/24",
        ),
        (
            {"subnet": "10.0.0.0/24", "end": "10.0.0.0"},
            "spec.end: '10.0.0.0': is below 10.0.0.1 of subnet 10.0.0.0/24",
        ),
    ],
)
def test_an_invalid_range_is_reported_by_the_end_that_was_written(old: Spec, text: str) -> None:
    assert text_of(old) == text


@pytest.mark.parametrize("length", [31, 32])
def test_a_subnet_that_offers_nothing_is_reported_at_the_subnet(length: int) -> None:
    text = text_of({"subnet": f"10.0.5.0/{length}"})

    assert text.startswith(f"spec.subnet: '10.0.5.0/{length}': nothing can be allocated")
    assert text.endswith("allocateReservedIPAddresses is a field of v1alpha2")


def test_start_and_end_outside_the_subnet_are_noted_each() -> None:
    outside = {"subnet": "10.0.0.0/24", "start": "10.0.1.5", "end": "10.0.1.9"}

    assert [str(problem) for problem in told(outside)] == [
        "spec.start: '10.0.1.5': is outside subnet 10.0.0.0/24",
        "spec.end: '10.0.1.9': is outside subnet 10.0.0.0/24",
    ]
    assert told({"subnet": "10.0.0.0/24", "start": "10.0.0.5", "end": "10.0.0.9"}) == []


def test_an_address_that_the_subnet_has_too_is_noted_with_the_subnet() -> None:
    text = text_of({"addresses": ["10.0.0.5"], "subnet": "10.0.0.0/24"})

    assert text == "spec.addresses[0]: '10.0.0.5': overlaps subnet 10.0.0.0/24"


def test_a_list_that_is_noted_as_a_whole_is_the_list_that_was_written() -> None:
    *_, problem = told({"addresses": ["10.0.5.0"], "subnet": "10.0.5.0/31"})

    assert (problem.path, problem.value) == ("addresses", ["10.0.5.0"])


@pytest.mark.parametrize("prefix", [{}, {"prefix": 0}])
def test_a_missing_prefix_is_reported_with_what_may_give_it(prefix: Spec) -> None:
    [problem] = told({"start": "10.0.0.1", "end": "10.0.0.9", **prefix})

    assert (problem.path, problem.value) == ("prefix", prefix.get("prefix"))
    assert problem.text == "is required where subnet is not set; 0 means not set"


def test_missing_addresses_are_reported_with_all_that_may_give_them() -> None:
    [problem] = told({"prefix": 24})

    assert problem.path == "addresses"
    assert problem.text.endswith("by addresses, by subnet, or by start and end")


def test_a_field_that_v1alpha1_does_not_have_is_reported_with_its_version() -> None:
    hub = FieldError("excludedAddresses[0]", "10.9.9.9", "excludes nothing")

    [problem] = fields.warnings({"subnet": "10.0.0.0/24"}, [hub])

    assert problem.text == "excludes nothing; excludedAddresses is a field of v1alpha2"


def test_the_appended_range_is_blamed_on_the_field_that_gave_it() -> None:
    problem = FieldError("addresses[1]", "10.0.0.1-10.0.0.254", "is bad")
    subnet: dict[str, object] = {"addresses": ["10.0.0.9"], "subnet": "10.0.0.0/24"}
    ends: dict[str, object] = {"addresses": ["10.0.0.9"], "start": "10.0.0.1", "end": "10.0.0.254"}

    assert fields.AsWritten(subnet)(problem) == FieldError("subnet", "10.0.0.0/24", "is bad")
    assert fields.AsWritten(ends)(problem) == FieldError("end", "10.0.0.254", "is bad")


def test_a_prefix_from_the_subnet_is_blamed_on_the_subnet() -> None:
    problem = FieldError("prefix", 24, "is bad")

    blamed = fields.AsWritten({"subnet": "10.0.0.0/24"})(problem)

    assert blamed == FieldError("subnet", "10.0.0.0/24", "is bad")
    assert fields.AsWritten({"subnet": "10.0.0.0/24", "prefix": 24})(problem) == problem


def test_fields_that_both_versions_have_keep_their_name() -> None:
    for path, value in (("addresses[0]", "x"), ("gateway", "x"), ("prefix", 24)):
        problem = FieldError(path, value, "is bad")
        assert fields.AsWritten({"addresses": ["x"], "prefix": 24})(problem) == problem


def test_what_an_unreadable_field_leaves_missing_is_not_reported_twice() -> None:
    missing = (FieldError("addresses", [], "at least one"), FieldError("prefix", None, "is"))

    said = fields.as_v1alpha1_errors({"subnet": "x"}, missing)

    assert [problem.path for problem in said] == ["subnet"]
