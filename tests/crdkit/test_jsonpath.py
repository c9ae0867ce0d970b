# SPDX-License-Identifier: Apache-2.0
"""A column's path leads somewhere exactly where the API server prints something."""

from typing import Any

import pytest

from crdkit.validate import jsonpath
from envtest import manifests
from envtest.controlplane import install
from envtest.controlplane.provider import Provider

TEXT = {"type": "string"}
INTEGER = {"type": "integer"}
OPEN = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
ITEM = {"type": "object", "properties": {"type": TEXT, "n": INTEGER, "text": TEXT}}
SPEC = {
    "type": "object",
    "properties": {
        "size": INTEGER,
        "list": {"type": "array", "items": ITEM},
        "map": {"type": "object", "additionalProperties": TEXT},
        "open": OPEN,
    },
}
SCHEMA = {"type": "object", "properties": {"spec": SPEC}}

OBJECT = {
    "size": 3,
    "list": [
        {"type": "a)b", "n": 1, "text": "a)b"},
        {"type": "Ready", "n": 2, "text": "Ready"},
    ],
    "map": {"key": "v", "a.b": "w"},
    "open": {"deep": {"down": ["z"]}},
}

SHOWN = {
    ".spec.size": "3",
    ".spec.list[0].n": "1",
    ".spec.list[-1].n": "2",
    ".spec.list[0:2].n": "1",
    ".spec.list[1:].n": "2",
    ".spec.list[:1].n": "1",
    ".spec.list[0:2:2].n": "1",
    ".spec.list[*].n": "1",
    ".spec.list.*.n": "1",
    ".spec.list[1,0].n": "2",
    '.spec.list[?(@.type=="Ready")].n': "2",
    '.spec.list[?(@.type == "Ready")].n': "2",
    '.spec.list[?(@.type=="a)b")].n': "1",
    ".spec.list[?(@.type=='Ready')].n": "2",
    ".spec.list[?(@.n>1)].type": "Ready",
    ".spec.list[?(@.n<=1)].n": "1",
    ".spec.list[?(@.type==@.text)].n": "1",
    ".spec.list[?(@.text)].n": "1",
    ".spec.map.key": "v",
    ".spec.map['key']": "v",
    r".spec.map.a\.b": "w",
    r".spec.map['a\.b']": "w",
    ".spec.open.deep.down[0]": "z",
    ".spec..down[0]": "z",
    "..size": "3",
}

NOT_SHOWN = [
    ".spec.length",
    ".spec.size.x",
    ".spec.list.n",
    ".spec.list[0:2].x",
    ".spec.size[0]",
    ".spec.map['a.b']",
    ".spec.list[0:2:0].n",
    '.spec.list[?(@.typ=="Ready")].n',
    '.spec.list[?(@.type="Ready")].n',
    ".spec.list[?(@.type==Ready)].n",
    ".spec.size[?(@.x)]",
    # what kubectl's parser does not read
    ".spec.list[x]",
    ".spec.list[-]",
    ".spec.list[0",
    '.spec.list[?(@.type=="Ready"].n',
    ".spec.li!st[a]",
    "....size",
]


@pytest.mark.parametrize("path", SHOWN)
def test_a_path_leads_to_what_it_chooses(path: str) -> None:
    assert jsonpath.find(SCHEMA, path) is not None


@pytest.mark.parametrize("path", NOT_SHOWN)
def test_a_path_that_shows_nothing_leads_nowhere(path: str) -> None:
    assert jsonpath.find(SCHEMA, path) is None


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (".spec.list[?(@.n>1)].type", TEXT),
        (".spec.list[*].n", INTEGER),
        (".spec.list[0]['n', 'type']", jsonpath.ANYTHING),
        (".spec..n", jsonpath.ANYTHING),  # one may be in `open`, too
        (".spec..", jsonpath.ANYTHING),
    ],
)
def test_what_is_shown_has_a_type_if_all_that_may_be_shown_have_the_same(
    path: str, found: dict[str, Any]
) -> None:
    assert jsonpath.find(SCHEMA, path) == found


def test_the_api_server_shows_the_same(shared_provider: Provider) -> None:
    admin = shared_provider.admin
    crd = definition([*SHOWN, *NOT_SHOWN])
    install.apply(admin, crd)
    try:
        install.await_served(admin, [crd])
        one = {
            "apiVersion": "paths.example.com/v0",
            "kind": "Shown",
            "metadata": {"name": "one"},
        }
        admin.request("POST", "/apis/paths.example.com/v0/showns", {**one, "spec": OBJECT})

        cells = [cell(shared_provider, number) for number in range(len(SHOWN) + len(NOT_SHOWN))]
    finally:
        crds = admin.resource("apiextensions.k8s.io/v1", "customresourcedefinitions")
        crds.delete(crd["metadata"]["name"])

    shown = dict(zip([*SHOWN, *NOT_SHOWN], cells, strict=True))
    assert shown == {**SHOWN, **dict.fromkeys(NOT_SHOWN)}


def cell(provider: Provider, version: int) -> str | None:
    """Return what the one column of a version shows; nothing where its path can't be read."""
    admin = provider.admin
    table = admin._pool.request(
        "GET",
        f"{admin.server}/apis/paths.example.com/v{version}/showns/one",
        headers={**admin._headers, "Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"},
    ).json()
    columns = [column["name"] for column in table["columnDefinitions"]]
    return table["rows"][0]["cells"][1] or None if columns == ["Name", "X"] else None


def definition(columns: list[str]) -> dict[str, Any]:
    """Return a CRD with one version for each column: one that can't be read spoils a version."""
    shown = [[{"name": "X", "type": "string", "jsonPath": path}] for path in columns]
    versions = [
        manifests.version(f"v{number}", SCHEMA, additionalPrinterColumns=each)
        for number, each in enumerate(shown)
    ]
    return manifests.definition("paths.example.com", "Shown", *versions)
