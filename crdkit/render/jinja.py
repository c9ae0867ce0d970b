# SPDX-License-Identifier: Apache-2.0
"""The environment of all templates that write YAML or Markdown."""

import jinja2

from . import reference, yaml_text


def environment(package: str) -> jinja2.Environment:
    """Return the templates in the folder `templates` of a package.

    Guarantees:
        A name that a template uses and that is not given is an error.
    """
    found = jinja2.Environment(
        loader=jinja2.PackageLoader(package),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - neither YAML nor Markdown is HTML; values pass the filters below
    )
    found.filters |= {
        "code": reference.code,
        "text": reference.text,
        "yaml": yaml_text.dump,
    }
    return found
