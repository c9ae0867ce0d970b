# SPDX-License-Identifier: Apache-2.0
"""AdmissionReview: decode a review of a pool, and encode the response.

Source: https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/
"""

import asyncio
import base64
from collections.abc import Iterator

import msgspec

from crdkit.conversion import errors as conversion_errors
from crdkit.conversion import values
from crdkit.webhook import decoding
from crdkit.webhook.worker import BusyError, Worker, size_of
from objects import pools
from objects.pools import PoolKey

from . import admission, statuses
from .cluster_reader import ClusterReader, ClusterReadError, NotAllowedError
from .pool_review import PoolReview
from .reviewed_pool import ReviewedPool

API_VERSION = "admission.k8s.io/v1"
KIND = "AdmissionReview"

ADMISSION_SECONDS = 9.0
"""How long a review may wait for the cluster.  After 10 s the API server gives up, and reports only
a time-out.
"""

_NOBODY = PoolKey("", "", "")  # of an object that is not a pool

_BUSY = "this review waited too long for other large ones; try again"
_SILENT = "the cluster's addresses could not be read in time; try again"
_TOO_DEEP = "the object is nested too deeply to be judged"


class _GroupVersionKind(msgspec.Struct):
    group: str = ""
    version: str = ""
    kind: str = ""


class _Options(msgspec.Struct):
    manager: str = msgspec.field(default="", name="fieldManager")


class _Request(msgspec.Struct):
    uid: str
    operation: str
    kind: _GroupVersionKind = msgspec.field(default_factory=_GroupVersionKind)
    requested: _GroupVersionKind | None = msgspec.field(default=None, name="requestKind")
    new: msgspec.Raw = msgspec.field(default=msgspec.Raw(b"null"), name="object")
    old: msgspec.Raw = msgspec.field(default=msgspec.Raw(b"null"), name="oldObject")
    options: _Options | None = None


class _Review(msgspec.Struct, tag_field="kind", tag=KIND):
    request: _Request
    api_version: str = msgspec.field(name="apiVersion", default=API_VERSION)


_DECODER = msgspec.json.Decoder(_Review)


async def validate(body: bytes, kind: str, cluster: ClusterReader, worker: Worker) -> bytes:
    """Answer a review at a validating path.

    Flow:
        The worker checks all that needs no cluster; then the cluster is read.

    Raises:
        RequestError: the body is no AdmissionReview v1 of this kind.
    """
    request, late = _decode(body), _BUSY
    try:
        async with asyncio.timeout(ADMISSION_SECONDS):
            assessed = await worker.call(size_of(body), _assessed, request, kind)
            late = _SILENT
            response = await admission.validate(assessed, cluster)
    except NotAllowedError as error:
        response = admission.Response(statuses.misconfigured(str(error)))
    except (ClusterReadError, BusyError) as error:
        response = admission.Response(statuses.unavailable(str(error)))
    except TimeoutError:
        response = admission.Response(statuses.unavailable(late))
    return _answer(request.uid, response, None)


async def mutate(body: bytes, kind: str, worker: Worker) -> bytes:
    """Answer a review at a mutating path.

    Raises:
        RequestError: the body is no AdmissionReview v1 of this kind.
    """
    request = _decode(body)
    try:
        return await worker.call(size_of(body), _mutated, request, kind)
    except BusyError as error:
        return _answer(request.uid, admission.Response(statuses.unavailable(str(error))), None)


def _assessed(request: _Request, kind: str) -> admission.Assessment:
    try:
        return admission.assess(_read(request, kind))
    except conversion_errors.ConversionError as error:
        return admission.Assessment(_NOBODY, statuses.bad_request(str(error)))
    except RecursionError:  # decoding needs less of the stack than quoting a value
        return admission.Assessment(_NOBODY, statuses.bad_request(_TOO_DEEP))


def _mutated(request: _Request, kind: str) -> bytes:
    try:
        review = _read(request, kind)
        response = admission.default(review)
    except conversion_errors.ConversionError as error:
        return _answer(request.uid, admission.Response(statuses.bad_request(str(error))), None)
    except RecursionError:
        return _answer(request.uid, admission.Response(statuses.bad_request(_TOO_DEEP)), None)
    return _answer(request.uid, response, review.new)


def _decode(body: bytes) -> _Request:
    try:
        review = _DECODER.decode(body)
    except decoding.MALFORMED as error:
        decoding.malformed(error)
    if review.api_version != API_VERSION:
        decoding.unknown_version(review.api_version, API_VERSION)
    return review.request


def _read(request: _Request, kind: str) -> PoolReview:
    """Read both objects in the hub version.

    Raises:
        ConversionError: one of them is not a pool of this kind, or cannot be converted.
    """
    asked = request.requested or request.kind
    new, old = _pool(request.new, kind), _pool(request.old, kind)
    manager = request.options.manager if request.options else ""
    return PoolReview(request.operation, asked.version or pools.HUB, new, old, manager)


def _pool(raw: msgspec.Raw, kind: str) -> ReviewedPool | None:
    try:
        obj = decoding.decode(raw)
    except decoding.MALFORMED as error:
        decoding.malformed(error)
    if obj is None:
        return None
    if not values.is_object(obj):
        raise conversion_errors.FieldTypeError("object", obj, "an object")
    if obj.get("kind") != kind:
        raise conversion_errors.FieldTypeError("kind", obj.get("kind"), f"{kind} at this path")
    return ReviewedPool.read(obj)


def _answer(uid: str, response: admission.Response, new: ReviewedPool | None) -> bytes:
    answer: values.JsonObject = {"uid": uid, "allowed": response.status is None}
    if response.status is not None:
        answer["status"] = response.status
    if response.warnings:
        answer["warnings"] = response.warnings
    if response.patched is not None and new is not None:
        operations = list(_patch(new, ReviewedPool(response.patched)))
        patch = base64.b64encode(msgspec.json.encode(operations)).decode()
        answer |= {"patchType": "JSONPatch", "patch": patch}
    review = {"apiVersion": API_VERSION, "kind": KIND, "response": answer}
    return msgspec.json.encode(review)


def _patch(new: ReviewedPool, patched: ReviewedPool) -> Iterator[values.JsonObject]:
    """Yield the operations of the JSON patch from one object to the other.

    Flow:
        Each field of the spec is one operation.  Annotations are one together, so that their names
        need no quoting.
    """
    if new.obj.get("spec") is None:
        yield {"op": "add", "path": "/spec", "value": patched.spec}
    else:
        for name in sorted(new.spec.keys() - patched.spec.keys()):
            yield {"op": "remove", "path": f"/spec/{_quoted(name)}"}
        for name, value in patched.spec.items():
            if name not in new.spec or new.spec[name] != value:
                yield {"op": "add", "path": f"/spec/{_quoted(name)}", "value": value}
    if patched.annotations != new.annotations:
        yield {"op": "add", "path": "/metadata/annotations", "value": patched.annotations}


def _quoted(name: str) -> str:
    """Return a field's name as a part of a JSON pointer."""
    return name.replace("~", "~0").replace("/", "~1")
