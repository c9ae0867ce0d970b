# SPDX-License-Identifier: Apache-2.0
"""Values that Kubernetes has a notation for and Python has no type."""

from datetime import datetime
from typing import Annotated

from pydantic import AwareDatetime, BeforeValidator, Field

from . import markers

IntOrString = Annotated[int | str, markers.IntOrString()]
"""An integer or a string, such as a port by its number or its name, or `3` and `50%`."""

_NUMBER = r"(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))"
_QUANTITY = rf"^(\+|-)?{_NUMBER}(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?{_NUMBER}))?$"

Quantity = Annotated[int | Annotated[str, Field(pattern=_QUANTITY)], markers.IntOrString()]
"""An amount with a unit, such as `500m` or `2Gi`.

Source: k8s.io/apimachinery, `resource.Quantity`, with the pattern that controller-gen gives it.
"""


def _from_text(value: object) -> object:
    return datetime.fromisoformat(value) if isinstance(value, str) else value


Timestamp = Annotated[AwareDatetime, BeforeValidator(_from_text)]
"""A moment, with its offset from UTC.  Digits beyond microseconds are lost, and `+00:00` is written
as `Z`; where the text has to come back as it was, use a `str` with `Format("date-time")`.
"""
