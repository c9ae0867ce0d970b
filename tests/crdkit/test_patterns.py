# SPDX-License-Identifier: Apache-2.0
"""Patterns are read and matched as the API server does it: it says the same of each."""

import json
import re
from itertools import product
from typing import Annotated, Any

import pytest
from made_models import make
from pydantic import Field

from api import kinds
from crdkit import errors as crdkit_errors
from crdkit.models import model
from crdkit.schema import structural
from crdkit.validate import patterns, value_validation
from envtest import errors, manifests
from envtest.controlplane.provider import Provider

ATOMS = [
    *("a", "é", ".", "^", "$", r"\d", r"\D", r"\w", r"\W", r"\s", r"\S", r"\b", r"\B", r"\A"),
    *(r"\z", r"\pN", r"\PN", r"\p{Greek}", r"\p{^Greek}", r"\P{Lu}", r"\p{Any}", r"\x41", r"\0"),
    *(r"\x{10FFFF}", r"\12", r"\777", r"\_", r"\/", r"\-", r"\<", r"\a", r"\v", r"\Q", r"\_*"),
    *("[a-z]", "[]a]", "[^]a]", "[a-b-c]", "[[:word:]]", "[[:^alpha:]]", "[a&&b]", "[[a]]"),
    *("(?:a)", "(a)", "(?P<n>a)", "(?<n>a)", "(?i)a", "(?s).", "(?m)^", "(?U)a+", "(?-s:.)", "()"),
    *("{", "}", "{,2}", "{01}", "a{2}", "a{0}", "a{2,}", "a{2,3}", "a*", "a+?", "a??", "|", ""),
]
WHOLE = [
    *(r"^C:\\1$", "^[(?=)]+$", r"\\p{x}", r"\Q\C\E", r"\\C", "(?)", r"\Qa**", "^*"),
    *(r"[\pL]{1000}", "(a{40}){25}", "(a{10}){100}", r"^[\]{1001}]a{0,1000}\{2000}$", "(|a)*"),
    *("[-a]", "[a-]", "[^-]", "[[.a.]]", "[[=a=]]", "[:alpha:]", "(?i)ſ", "(?i-s:a)", "a]", "a}"),
    *("\n", "\x00", '"', "^[^\x00-\x1f]*$", "(?:(?:a*)*)*", "𝒳+", "日本", r"^(\+|-)?[0-9]+$"),
]
GOOD = list(dict.fromkeys([*map("".join, product(ATOMS, ("", "a", "$"))), *WHOLE]))
BAD = [
    *("(?x)a", r"\p{Alphabetic}", r"\u{61}", r"\u0061", "a**", "a{2}{3}", "a+*", "a{2}*", "a??*"),
    *("(?=a)", "(?!a)", "(?<=a)", "(?<!a)", "(?>a)", "(?#a)", "(?P=n)", r"(a)\1", r"\8", "(?R)"),
    *("*", "+a", "?", "{2}", "(*)", "a|*", "(", "(?:a", ")", "a)", "[", "[a", "[]", "[^]", "[z-a]"),
    *(r"[a-\d]", "[[:foo:]]", r"\Z", r"\C", r"[\C]", r"a\C", r"\e", r"\h", r"\R", r"\X", r"\K"),
    *(r"\G", r"\N", r"\c", r"\q", r"\é", "\\", "a\\", r"\x", r"\x{", r"\x{110000}", r"\xg", r"\p"),
    *(r"\p{", r"\pX", r"\p{}", r"\p{Old_Italic}", r"\P{^Old_Italic}", r"\p{IsGreek}", r"\p{foo}"),
    *("a{1001}", "a{2,1}", "(a{2}){501}", "([{][x)]{2,11}b?){92}", "(a{501,}){2}", "a{1000}{2}"),
    *("(?P<é>a)", "(?<é>a)", "(?P<1>a", "(?P<n-m>a)", "(?P<>a)", "(?-)", "(?"),
    *("(?P", "(?i", "(?i-)", "(?'n'a)", r"\g{1}", "(?(1)a)", "a++", "a*+", r"\b{1}{2}", "(?^a)"),
]
NEWER = [r"\p{Letter}", r"\p{LC}", r"\p{Cn}", r"\p{ASCII}", r"\p{greek}"]
"""What the Go of today takes, and that of older API servers does not."""

TEXTS = [
    "",
    "a",
    "aa",
    "A",
    "é",
    "ß",
    "٣",
    "7",
    "_",
    "-",
    " ",
    "\u00a0",
    "\n",
    "\v",
    "a\n",
    "]",
    "Ω",
]
MATCHED = [
    *(r"^\w+$", r"^\W$", r"^\d+$", r"^\D$", r"^\s$", r"^\S$", r"\b", r"^[\w]$", r"^[^\w]$", "^.$"),
    *(
        "^a$",
        "(?i)^a+$",
        "(?s)^.$",
        "(?m)^a$",
        r"^\pL+$",
        r"^\p{Greek}$",
        "(?i)^ω$",
        "^[[:word:]]$",
    ),
    *("^[[:^space:]]$", r"a\z", r"^\Qa\E*$", "^[]]$", "^[a&&b]$", "(?i)^SS$", "", "^$", r"^[\s-]$"),
]
"""Patterns, each of which some texts match and others don't, or that are read in two ways."""


def problem(pattern: str) -> str:
    return patterns.problem(pattern)


def test_good_patterns_are_taken() -> None:
    assert {pattern: problem(pattern) for pattern in GOOD if problem(pattern)} == {}


def test_bad_patterns_are_refused() -> None:
    assert [pattern for pattern in [*BAD, *NEWER] if not problem(pattern)] == []


def test_half_a_character_is_refused() -> None:
    assert problem("\ud800").endswith("it has half of a surrogate pair: write the whole character")


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("a**", "bad repetition operator: ** (put what is repeated into a group: (?:a*)*)"),
        (
            r"\p{Letter}",
            (
                r"invalid character class range: \p{Letter} (name a script or a category such as "
                r"\p{Greek} or \pL)"
            ),
        ),
        (
            r"(a)\1",
            (
                r"invalid escape sequence: \1 (it has no back-references, and only punctuation is "
                "escaped)"
            ),
        ),
        (r"\C", r"\C matches half a character: write (?s:.)"),
        (
            r"\p{Old_Italic}",
            (
                r"\p{Old_Italic} is a script with an underscore: write the ranges of its "
                "characters"
            ),
        ),
        ("(?P<é>a)", "the group 'é' is not named in ASCII: rename it"),
        ("(", "missing ): ("),
    ],
)
def test_a_refusal_says_what_is_wrong_with_a_pattern_and_what_to_do(
    pattern: str, reason: str
) -> None:
    assert problem(pattern) == f"the API server can't read the pattern {pattern!r}: {reason}"


@pytest.mark.parametrize(
    ("pattern", "default"), [(r"^\w+$", "größe"), (r"^\d+$", "٣"), (r"^\s$", "\u00a0")]
)
@pytest.mark.parametrize("key", ["default", "examples"])
def test_classes_of_characters_are_those_of_ascii(pattern: str, default: str, key: str) -> None:
    what: dict[str, Any] = {"default": default, "examples": [default]}
    field = Annotated[str, Field(pattern=pattern, **{key: what[key]})]
    spec = make("Spec", model.Model, {"x": field})

    with pytest.raises(crdkit_errors.SchemaError) as refusal:
        structural.schema_of(spec)

    name = key.removesuffix("s")
    assert str(refusal.value) == (
        f"Spec.x: the {name} does not fit: {default!r} does not match {pattern}"
    )


def test_the_api_server_reads_the_same_patterns(shared_provider: Provider) -> None:
    tried = [*GOOD, *BAD]
    fields = {
        f"x{number}": {"type": "string", "pattern": text} for number, text in enumerate(tried)
    }

    refused = refused_fields(fields, "pattern", shared_provider)

    assert [tried[number] for number in refused] == BAD


def test_the_api_server_matches_the_same_texts(shared_provider: Provider) -> None:
    tried = list(product(MATCHED, TEXTS))
    fields = {
        f"x{number}": {"type": "string", "pattern": pattern, "default": text}
        for number, (pattern, text) in enumerate(tried)
    }

    refused = refused_fields(fields, "default", shared_provider)

    assert [tried[number] for number in refused] == [
        (pattern, text)
        for pattern, text in tried
        if list(value_validation.problems(text, {"type": "string", "pattern": pattern}))
    ]


def refused_fields(fields: dict[str, Any], key: str, provider: Provider) -> list[int]:
    """Return the numbers of the fields that a CRD is refused for."""
    crds = provider.admin.resource("apiextensions.k8s.io/v1", "customresourcedefinitions")
    with pytest.raises(errors.RefusedError) as refusal:
        provider.admin.request(
            "POST", crds.path, json.dumps(definition(fields)), query={"dryRun": "All"}
        )
    found = re.findall(rf"\[x(\d+)\]\.{key}: Invalid value", str(refusal.value))
    return sorted(map(int, set(found)))


def definition(fields: dict[str, Any]) -> dict[str, Any]:
    """Return a CRD of which each object has some fields."""
    schema = {"type": "object", "properties": fields}
    version = manifests.version("v1", schema)
    return manifests.definition("patterns.example.com", "Patterned", version)


@pytest.mark.parametrize("kind", kinds.KINDS, ids=lambda k: f"{k.version.name}.{k.__name__}")
def test_patterns_of_our_own_kinds_mean_the_same_to_pydantic(kind: type[model.Object]) -> None:
    unlike = re.compile(r"\\[dDwWsSbB<>]|\[[^]]*(\[|&&|--|~~)")

    assert [text for text in found_in(structural.schema_of(kind)) if unlike.search(text)] == []


def found_in(schema: dict[str, Any]) -> list[str]:
    """Return all patterns of a schema."""
    below = [*schema.get("properties", {}).values()]
    below += [schema[key] for key in ("items", "additionalProperties") if key in schema]
    own = [schema["pattern"]] if "pattern" in schema else []
    return own + [text for child in below for text in found_in(child)]
