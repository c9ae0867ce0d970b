# SPDX-License-Identifier: Apache-2.0
"""The list of generated files, and what goes into each."""

from collections.abc import Iterable
from pathlib import Path

import jinja2

from api import model

from . import crds, editor, rbac, reference, yaml_text

REFERENCE = Path("..", "docs", "reference", "api.md")
"""The one file that is documentation, so beside `config/` as it is in the repository."""


def render(
    kinds: Iterable[type[model.Object]], access: rbac.Access, self_signed: rbac.Access
) -> dict[Path, str]:
    """Render every generated file, by its path below `config/`.

    Guarantees:
        Pure: the same models and rules give the same bytes.

    Raises:
        GenerationError: a model says what the API server would refuse.
    """
    templates = _templates()
    models = list(kinds)
    definitions = crds.definitions(models)
    files = _crd_files(definitions, templates)
    for name in ("role.yaml", "leader_election_role.yaml"):
        files[Path("rbac", name)] = templates.get_template(f"{name}.j2").render(access=access)
    name = "self_signed_role.yaml"
    files[Path("self-signed", name)] = templates.get_template(f"{name}.j2").render(
        access=self_signed
    )
    files[Path("webhook", "manifests.yaml")] = templates.get_template("webhooks.yaml.j2").render(
        webhooks=[(definition.resource, definition.storage_version) for definition in definitions]
    )
    return files | editor.files(definitions) | {REFERENCE: _page(definitions, models, templates)}


def crd_files(kinds: Iterable[type[model.Object]]) -> dict[Path, str]:
    """Render the CustomResourceDefinitions alone, by their paths below `config/`.

    Raises:
        GenerationError: a model says what the API server would refuse.
    """
    return _crd_files(crds.definitions(kinds), _templates())


def reference_page(kinds: Iterable[type[model.Object]]) -> str:
    """Render the API reference, a page of Markdown, with the kinds in the order given.

    Raises:
        GenerationError: a model says what the API server would refuse.
    """
    models = list(kinds)
    return _page(crds.definitions(models), models, _templates())


def _page(
    definitions: Iterable[crds.Definition],
    kinds: Iterable[type[model.Object]],
    templates: jinja2.Environment,
) -> str:
    order = [kind.resource.name for kind in kinds]
    ordered = sorted(definitions, key=lambda it: order.index(it.resource.name))
    return templates.get_template("reference.md.j2").render(kinds=reference.page(ordered))


def _crd_files(
    definitions: Iterable[crds.Definition], templates: jinja2.Environment
) -> dict[Path, str]:
    template = templates.get_template("crd.yaml.j2")
    return {
        Path("crd", "bases", f"{definition.resource.group}_{definition.resource.plural}.yaml"): (
            template.render(resource=definition.resource, versions=definition.versions)
        )
        for definition in definitions
    }


def _templates() -> jinja2.Environment:
    """Return the templates; a name that they use and that is not given is an error."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("generator"),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - neither YAML nor Markdown is HTML; values pass the filters below
    )
    environment.filters |= {
        "code": reference.code,
        "text": reference.text,
        "yaml": yaml_text.dump,
    }
    return environment
