# SPDX-License-Identifier: Apache-2.0
"""ConversionReview: the objects of one request of the API server in another version.

Source: https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/
custom-resource-definition-versioning/#webhook-request-and-response
"""

import msgspec

from ..conversion import errors, values
from ..conversion.registry import Registry
from . import decoding
from .worker import Worker, size_of

API_VERSION = "apiextensions.k8s.io/v1"
KIND = "ConversionReview"


class _Request(msgspec.Struct):
    uid: str
    desired: str = msgspec.field(name="desiredAPIVersion")
    objects: list[msgspec.Raw]


class _Review(msgspec.Struct, tag_field="kind", tag=KIND):
    request: _Request
    api_version: str = msgspec.field(name="apiVersion", default=API_VERSION)


class _Result(msgspec.Struct, omit_defaults=True):
    status: str
    message: str = ""


class _Response(msgspec.Struct):
    uid: str
    converted: list[msgspec.Raw] = msgspec.field(name="convertedObjects")
    result: _Result


class _Answer(msgspec.Struct, tag_field="kind", tag=KIND):
    response: _Response
    api_version: str = msgspec.field(name="apiVersion", default=API_VERSION)


msgspec.json.Decoder(_Answer)  # at import, by one thread: two that do it at once crash msgspec 0.22

_SUCCESS = _Result("Success")

ANSWER_BYTES = 64 * 1024 * 1024
"""Of all objects of one answer.  A packed annotation may be some hundred times as long when it is
unpacked, so that a request of 8 MiB could ask for gigabytes.
"""

_READ = ("annotations",)
"""Of metadata: all that conversion reads."""

_DECODER = msgspec.json.Decoder(_Review)
_ENCODER = msgspec.json.Encoder()


class Converter:
    """Answers ConversionReviews about the kinds of a registry."""

    def __init__(self, registry: Registry, worker: Worker) -> None:
        self._registry = registry
        self._worker = worker

    async def convert(self, body: bytes) -> bytes:
        """Answer a ConversionReview.

        Guarantees:
            uid echoed, order kept, all or nothing: one object that cannot be converted makes the
            answer a Failure whose message names that object and its field.

        Raises:
            RequestError: the body is no ConversionReview v1, or too many large ones are at work.
        """
        return await self._worker.call(size_of(body), self.answer, body)

    def answer(self, body: bytes) -> bytes:
        """Answer a ConversionReview at once, as `convert` does.

        Raises:
            RequestError: the body is no ConversionReview v1.
        """
        try:
            decoding.check_text(body)
            review = _DECODER.decode(body)
            if review.api_version != API_VERSION:
                decoding.unknown_version(review.api_version, API_VERSION)
            converted = self._convert_all(review.request)
        except decoding.MALFORMED as error:
            decoding.malformed(error)
        return _answer(review.request.uid, converted)

    def _convert_all(self, request: _Request) -> list[msgspec.Raw] | str:
        """Return the converted objects, or the error of the first that fails."""
        converted: list[msgspec.Raw] = []
        size = 0
        for index, raw in enumerate(request.objects):
            obj = decoding.decode(raw, _READ)
            if not values.is_object(obj):
                return f"objects[{index}] is not an object"
            try:
                text = _ENCODER.encode(self._registry.convert(obj, request.desired))
            except errors.ConversionError as error:
                return f"{_name_of(raw)}: {error}"
            converted.append(msgspec.Raw(text))
            size += len(text)
            if size > ANSWER_BYTES:
                too_large = f"the answer is larger than {ANSWER_BYTES} bytes"
                return f"{_name_of(raw)}: {too_large}: send fewer objects in a review"
        return converted


def _name_of(raw: msgspec.Raw) -> str:
    return values.name_of(decoding.decode(raw))


def _answer(uid: str, converted: list[msgspec.Raw] | str) -> bytes:
    if isinstance(converted, str):
        return _encode(_Response(uid, [], _Result("Failure", converted)))
    return _encode(_Response(uid, converted, _SUCCESS))


def _encode(response: _Response) -> bytes:
    return _ENCODER.encode(_Answer(response))
