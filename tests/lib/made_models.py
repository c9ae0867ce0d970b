# SPDX-License-Identifier: Apache-2.0
"""Models that a test makes, a class for each of its cases."""

from collections.abc import Mapping
from typing import Any, TypeVar, cast

from pydantic import ConfigDict

from crdkit.models import model

Made = TypeVar("Made", bound=model.Model)


def make(
    name: str, base: type[Made], fields: Mapping[str, Any], /, **attributes: Any
) -> type[Made]:
    """Return a subclass with more fields; `attributes` are their defaults and those of the class.

    Such a class has no source code.  Pydantic would search the whole call stack for the docstrings
    of its fields, which takes more time than everything else that it does.
    """
    config = ConfigDict(use_attribute_docstrings=False)
    own = {"__annotations__": fields, "__module__": __name__, "model_config": config}
    return cast("type[Made]", type(name, (base,), {**own, **attributes}))
