# SPDX-License-Identifier: Apache-2.0
"""ConversionReview: the objects of one request of the API server in another version.

Source: https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/
custom-resource-definition-versioning/#webhook-request-and-response
"""

import asyncio

import msgspec

from conversion import errors, registry, values

from . import objects

API_VERSION = "apiextensions.k8s.io/v1"
KIND = "ConversionReview"


class _Request(msgspec.Struct):
    uid: str
    desired: str = msgspec.field(name="desiredAPIVersion")
    objects: list[msgspec.Raw]


class _Review(msgspec.Struct, tag_field="kind", tag=KIND):
    request: _Request
    api_version: str = msgspec.field(name="apiVersion", default=API_VERSION)


_AT_ONCE = 32  # objects; a few hundred microseconds, at worst a few hundred milliseconds

_DECODER = msgspec.json.Decoder(_Review)


async def convert(body: bytes) -> bytes:
    """Answer a ConversionReview.

    Guarantees:
        uid echoed, order kept, all or nothing: one object that cannot be converted makes the
        answer a Failure whose message names that object and its field.

    Raises:
        RequestError: the body is no ConversionReview v1.
    """
    try:
        objects.check_text(body)
        review = _DECODER.decode(body)
        if review.api_version != API_VERSION:
            objects.unknown_version(review.api_version, API_VERSION)
        converted = await _convert_all(review.request)
    except objects.MALFORMED as error:
        objects.malformed(error)
    return _answer(review.request.uid, converted)


async def _convert_all(request: _Request) -> list[values.JsonObject] | str:
    """Return the converted objects, or why there are none."""
    converted: list[values.JsonObject] = []
    for index, raw in enumerate(request.objects):
        if index % _AT_ONCE == _AT_ONCE - 1:
            await asyncio.sleep(0)  # others get their turn: packed annotations take time
        obj = objects.decode(raw)
        if not values.is_object(obj):
            return f"objects[{index}] is not an object"
        try:
            converted.append(registry.convert(obj, request.desired))
        except errors.ConversionError as error:
            return f"{registry.name_of(obj)}: {error}"
    return converted


def _answer(uid: str, converted: list[values.JsonObject] | str) -> bytes:
    response: values.JsonObject = {"uid": uid}
    if isinstance(converted, str):
        response |= {"convertedObjects": [], "result": {"status": "Failure", "message": converted}}
    else:
        response |= {"convertedObjects": converted, "result": {"status": "Success"}}
    review = {"apiVersion": API_VERSION, "kind": KIND, "response": response}
    return msgspec.json.encode(review)
