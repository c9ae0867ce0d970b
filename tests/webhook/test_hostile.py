# SPDX-License-Identifier: Apache-2.0
"""Whatever somebody stores or sends: the answer is a review, or a refusal of the request."""

import contextlib
import json

from hypothesis import given
from hypothesis import strategies as st

from conversion import registry
from crdkit.conversion import annotation
from crdkit.webhook import conversion_review, errors, worker
from webhook import admission_review, cluster_reader

GROUP = "ipam.cluster.x-k8s.io"
KIND = "InClusterIPPool"
WORKER = worker.Worker()

versions = st.sampled_from([f"{GROUP}/v1alpha1", f"{GROUP}/v1alpha2"])
fields = st.sampled_from(
    [
        "addresses", "prefix", "gateway", "subnet", "start", "end", "excludedAddresses",
        "allocateReservedIPAddresses", "addressReuseGracePeriodSeconds", "spec", "strays", "zlib",
    ]
)  # fmt: skip
texts = st.text(st.characters(codec=None)) | st.sampled_from(
    ["10.0.0.0/24", "10.0.0.1", "10.0.0.9-10.0.0.1", "fd00::/8", "::ffff:1.2.3.4", "::/0", "-"]
)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | texts
anything = st.recursive(
    scalars, lambda inner: st.lists(inner) | st.dictionaries(fields, inner), max_leaves=8
)
annotations = anything.map(json.dumps) | anything
metadata = st.fixed_dictionaries(
    {"annotations": st.dictionaries(st.just(annotation.NAME), annotations)}
)
objects = anything | st.fixed_dictionaries(
    {"apiVersion": versions | anything, "kind": st.just(KIND) | anything},
    optional={
        "metadata": anything | metadata,
        "spec": anything | st.dictionaries(fields, anything),
    },
)  # fmt: skip


def check_answer(answer: bytes) -> None:
    assert json.loads(answer)["response"]["uid"] == "u"


@given(st.lists(objects, max_size=3), versions)
async def test_a_conversion_review_is_answered(found: list[object], desired: str) -> None:
    request = {"uid": "u", "desiredAPIVersion": desired, "objects": found}
    review = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "ConversionReview"}
    body = json.dumps(review | {"request": request}).encode()
    with contextlib.suppress(errors.RequestError):  # a 4xx: the body is no review at all
        check_answer(await conversion_review.Converter(registry.REGISTRY, WORKER).convert(body))


@given(st.sampled_from(["CREATE", "UPDATE", "DELETE"]), objects, objects, versions)
async def test_an_admission_review_is_answered(
    operation: str, new: object, old: object, version: str
) -> None:
    request = {
        "uid": "u",
        "operation": operation,
        "kind": {"group": GROUP, "version": "v1alpha2", "kind": KIND},
        "requestKind": {"group": GROUP, "version": version.rpartition("/")[2], "kind": KIND},
        "object": new,
        "oldObject": old,
    }
    review = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}
    body = json.dumps(review).encode()
    with contextlib.suppress(errors.RequestError):  # a 4xx: the body is no review at all
        check_answer(
            await admission_review.validate(body, KIND, cluster_reader.FakeReader(), WORKER)
        )
        check_answer(await admission_review.mutate(body, KIND, WORKER))
