# SPDX-License-Identifier: Apache-2.0
"""Our CRDs beside those that controller-gen prints for equivalent Go types.

Flow:
    `gotypes` says in Go what `api` says in Python, and in its folder `everything` what the examples
    say: all that the generator knows -> controller-gen prints CRDs -> they are compared with ours
    as parsed documents, descriptions included -> each difference is intended and stands in
    `INTENDED` with its reason, or it is a failure.

controller-gen is built when these tests first ask for it (about 2 minutes, once).
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import zip_longest
from pathlib import Path
from typing import Literal

import pytest
import yaml
from pydantic import JsonValue

from crdkit.render import files
from crdkit.schema import loader
from envtest import errors
from envtest.controlplane import binaries

GOTYPES = Path(__file__).with_name("gotypes")
EXAMPLE = Path(__file__).with_name("example") / "everything.yaml"
BASES = Path(__file__).parents[2] / "config/crd/bases"
ARGUMENTS = ("crd:allowDangerousTypes=true", "paths=./...", "output:crd:stdout")
"""`allowDangerousTypes` lets floats in, which need not survive a round trip in every language."""
ABSENT = "(absent)"

How = Literal["only ours", "only theirs", "other order", "other value"]


@dataclass(frozen=True, slots=True)
class Difference:
    """One place where the documents differ; `path` is keys and indices, from the CRD's name on."""

    path: str
    how: How
    ours: JsonValue
    theirs: JsonValue

    def __str__(self) -> str:
        return f"{self.path}: {self.how}\n  ours:   {self.ours}\n  theirs: {self.theirs}"


@dataclass(frozen=True, slots=True)
class Intended:
    """Differences that are meant to be: a glob of their paths, of one sort, for one reason."""

    path: str
    how: How
    reason: str

    def covers(self, difference: Difference) -> bool:
        return self.how == difference.how and fnmatchcase(difference.path, self.path)


OWN_WORDS = "metav1's own words: ours are one short sentence for each field, without links"
REFINED = (
    "a type made from another puts its rules before the other's; ours follow, as the general "
    "question (is it an address at all?) is answered before the special one (of IPv6?)"
)
OTHER_BOUND = (
    "a type made from another has both bounds in Go; in Python its own replaces the other's, which "
    "Pydantic does not check any more either"
)
SIGNATURE = "controller-gen's version: it signs its work"
INTENDED = (
    Intended("*/metadata/annotations", "only theirs", SIGNATURE),
    Intended(
        "*/metadata/annotations/controller-gen.kubebuilder.io/version", "only theirs", SIGNATURE
    ),
    Intended(
        "*/spec/conversion",
        "only ours",
        "controller-gen knows no webhook's address and leaves the stanza to a patch by hand",
    ),
    Intended("*/openAPIV3Schema/properties/apiVersion/description", "other value", OWN_WORDS),
    Intended("*/openAPIV3Schema/properties/kind/description", "other value", OWN_WORDS),
    Intended("*/status/properties/conditions/items/description", "other value", OWN_WORDS),
    Intended(
        "*/status/properties/conditions/items/properties/*/description", "other value", OWN_WORDS
    ),
    Intended(
        "*prefixpools.*/spec/properties/excludedPrefixes/items/x-kubernetes-validations",
        "other order",
        REFINED,
    ),
    Intended(
        "*prefixpools.*/spec/properties/gateway/x-kubernetes-validations", "other order", REFINED
    ),
    Intended(
        "everythings.*/ruled/properties/port/x-kubernetes-validations", "other order", REFINED
    ),
    Intended(
        "everythings.*/spec/versions",
        "other order",
        "ours stand as their Resource lists them, controller-gen's by the alphabet; the API server "
        "orders them by itself",
    ),
    Intended(
        "everythings.*/properties/metadata/properties",
        "only ours",
        "controller-gen takes no marker for the name of an object",
    ),
    Intended(
        "rest.*/choice/x-kubernetes-validations/3/rule",
        "other value",
        "`namespace` is a word of CEL: ours is escaped, as Kubernetes' documentation has it; "
        "controller-gen writes it as it is, which the API server takes as well",
    ),
    Intended("rest.*/properties/part/allOf", "only theirs", OTHER_BOUND),
    Intended("rest.*/properties/part/maximum", "only ours", OTHER_BOUND),
    Intended(
        "rest.*/template/properties/spec/properties",
        "only ours",
        "an empty object says that it has no fields, and the API server drops the key",
    ),
    Intended(
        "rest.*/properties/ratio/default",
        "other value",
        "1.0 as Python wrote it; controller-gen writes 1, and JSON has one sort of number",
    ),
)


def compared(ours: JsonValue, theirs: JsonValue, path: str = "") -> Iterator[Difference]:
    """Walk both documents and yield each difference once, as high up as it is whole."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key in sorted({*ours, *theirs}):
            below = f"{path}/{key}" if path else key
            yield from compared(ours.get(key, ABSENT), theirs.get(key, ABSENT), below)
    elif isinstance(ours, list) and isinstance(theirs, list):
        yield from compared_lists(ours, theirs, path)
    elif (type(ours), ours) != (type(theirs), theirs):  # by type too: True == 1 in Python
        yield Difference(path, how(ours, theirs), ours, theirs)


def compared_lists(
    ours: list[JsonValue], theirs: list[JsonValue], path: str
) -> Iterator[Difference]:
    """Compare item by item, unless both have the same items in another order.

    Items that have names, such as versions, are compared with their namesakes.
    """
    left, right = ([json.dumps(item, sort_keys=True) for item in items] for items in (ours, theirs))
    if left != right and sorted(left) == sorted(right):
        yield Difference(path, "other order", ours, theirs)
        return
    wanted, found = names(ours), names(theirs)
    if wanted != found and sorted(wanted) == sorted(found):
        yield Difference(path, "other order", [*wanted], [*found])
        theirs = [theirs[found.index(name)] for name in wanted]
    for index, (mine, other) in enumerate(zip_longest(ours, theirs, fillvalue=ABSENT)):
        yield from compared(mine, other, f"{path}/{index}")


def names(items: list[JsonValue]) -> list[str]:
    """Return what the items are called, or nothing where one of them has no name."""
    found = [item["name"] for item in items if isinstance(item, dict) and "name" in item]
    return [str(name) for name in found] if len(found) == len(items) else []


def how(ours: JsonValue, theirs: JsonValue) -> How:
    if theirs == ABSENT:
        return "only ours"
    return "only theirs" if ours == ABSENT else "other value"


def by_name(text: str) -> dict[str, JsonValue]:
    return {document["metadata"]["name"]: document for document in yaml.safe_load_all(text)}


def controller_gen(folder: Path) -> str:
    """Return the CRDs that controller-gen prints for a copy of `gotypes` in this folder.

    Raises:
        MissingToolError: there is no Go.
    """
    if shutil.which("go") is None:
        why = "install Go 1.26 or later (https://go.dev/dl): controller-gen reads Go types by it"
        raise errors.MissingToolError("go", why)
    shutil.copytree(GOTYPES, folder)
    for source in folder.rglob("*.go"):
        source.write_text(re.sub(r"\\\n\s*// ", "", source.read_text()))  # see pools/texts.go
    done = subprocess.run(
        [binaries.find(binaries.CONTROLLER_GEN), *ARGUMENTS],
        cwd=folder,
        env=os.environ | {"CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly", "GOWORK": "off"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def differences(tmp_path_factory: pytest.TempPathFactory) -> list[Difference]:
    ours = "".join(path.read_text() for path in (*sorted(BASES.glob("*.yaml")), EXAMPLE))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [str(GOTYPES / "everything"), *sys.path])
        ours += "".join(files.crd_files(loader.kinds("rest"), "make generate").values())
    theirs = controller_gen(tmp_path_factory.mktemp("controller-gen") / "gotypes")
    return list(compared(by_name(ours), by_name(theirs)))


def test_every_difference_is_intended(differences: list[Difference]) -> None:
    unlisted = [
        difference
        for difference in differences
        if not any(intended.covers(difference) for intended in INTENDED)
    ]

    assert not unlisted, "\n".join(["not in INTENDED:", *map(str, unlisted)])


@pytest.mark.parametrize("intended", INTENDED, ids=lambda intended: intended.path)
def test_an_intended_difference_still_occurs(
    differences: list[Difference], intended: Intended
) -> None:
    assert any(intended.covers(difference) for difference in differences), intended.reason


def test_without_go_the_error_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(errors.MissingToolError, match=r"^go is not .* install Go 1\.26"):
        controller_gen(tmp_path / "gotypes")


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        pytest.param({"a": {"b": 1}}, {"a": {"b": 1}}, [], id="none"),
        pytest.param({"a": {"b": 1}}, {}, [("a", "only ours")], id="a-key-of-ours"),
        pytest.param({"a": {}}, {"a": {"b": {}}}, [("a/b", "only theirs")], id="a-key-of-theirs"),
        pytest.param({"a": 1}, {"a": True}, [("a", "other value")], id="another-type"),
        pytest.param({"a": [1]}, {"a": {"0": 1}}, [("a", "other value")], id="another-shape"),
        pytest.param({"a": [1, 2]}, {"a": [2, 1]}, [("a", "other order")], id="another-order"),
        pytest.param({"a": [1, 2]}, {"a": [1]}, [("a/1", "only ours")], id="a-longer-list"),
        pytest.param(
            {"a": [{"b": 1}, {"c": 2}]},
            {"a": [{"b": 2}, {"c": 3}]},
            [("a/0/b", "other value"), ("a/1/c", "other value")],
            id="each-of-several",
        ),
        pytest.param(
            [{"name": "a", "b": 1}, {"name": "c"}],
            [{"name": "c"}, {"name": "a", "b": 2}],
            [("", "other order"), ("/0/b", "other value")],
            id="namesakes-in-another-order",
        ),
    ],
)
def test_every_kind_of_difference_is_found(
    ours: JsonValue, theirs: JsonValue, expected: list[tuple[str, How]]
) -> None:
    found = [(difference.path, difference.how) for difference in compared(ours, theirs)]

    assert found == expected
