# SPDX-License-Identifier: Apache-2.0
"""The findings of `convert`: why a pool cannot be converted, and what gets lost."""

from collections.abc import Iterator

from conversion import registry
from crdkit.conversion import errors as conversion_errors
from crdkit.conversion import values
from webhook.reviewed_pool import ReviewedPool

from . import fields, findings, pool_documents
from .conversions import Target
from .manifests import Document, File, shown


def before_conversion(
    document: Document, target: Target, *, lenient: bool = False
) -> Iterator[findings.Finding]:
    """Yield why an object cannot be converted, such as invalid values.

    Caveats:
        Missing fields are not reported: an overlay may add them.

    Args:
        document: Any document of a file.
        target: The version to convert to.
        lenient: Whether a document that is not an object gives only a warning.
    """
    yield from findings.not_an_object(document, lenient=lenient)
    yield from findings.other_group(document)
    if pool_documents.intended_kind(document.obj):
        yield from list(findings.unknown_kind(document)) or _on_conversion(document, target)


def after_conversion(file: File) -> Iterator[findings.Finding]:
    """Yield a warning for each comment that gets lost."""
    for number, source in enumerate(file.sources, start=1):
        for comment in source.lost:
            text = f"loses the comment {comment!r}: it is inside brackets, or aliases are near it"
            yield findings.Finding(f"{shown(file.path)}: document {number}", text, warning=True)


def _on_conversion(document: Document, target: Target) -> Iterator[findings.Finding]:
    obj, version = findings.object_of(document), findings.version_of(document)
    kind = values.text(obj, "kind")
    if pool_documents.has_version(kind, version) and not pool_documents.has_version(
        kind, target.version
    ):
        text = f"stays as it is: {kind} has no version {target.version}"
        yield findings.Finding(document, text, warning=True)
        return
    for text in fields.unknown_fields(obj):
        yield findings.Finding(document, text, warning=True)
    try:
        registry.REGISTRY.convert(obj, target.api_version)
        problems = ReviewedPool.read(obj).errors(version, None)
        lost = list(target.losses(obj))
    except conversion_errors.ConversionError as error:
        yield findings.Finding(document, str(error))
        return
    reported = [problem for problem in problems if not findings.is_missing(problem)]
    for problem in reported:
        yield findings.Finding(document, findings.line_of(problem))
    for name in () if reported else lost:
        yield _lost(document, name, target)


def _lost(document: Document, name: str, target: Target) -> findings.Finding:
    """Return the finding about a field that gets lost; it is a warning if the user asked for it."""
    text = (
        f"spec.{name}: would be lost, since {target.version} cannot say it; "
        "--with-annotation keeps it"
    )
    return findings.Finding(document, text, warning=target.annotation is False)
