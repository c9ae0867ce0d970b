# SPDX-License-Identifier: Apache-2.0
"""The list of generated files, and what goes into each."""

from collections.abc import Iterable
from pathlib import Path

import jinja2

from api import model

from . import crds, rbac, yaml_text


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
    definitions = crds.definitions(kinds)
    files = {
        Path("crd", "bases", f"{definition.resource.group}_{definition.resource.plural}.yaml"): (
            templates.get_template("crd.yaml.j2").render(
                resource=definition.resource,
                versions=definition.versions,
                converts=definition.converts,
            )
        )
        for definition in definitions
    }
    for name in ("role.yaml", "leader_election_role.yaml"):
        files[Path("rbac", name)] = templates.get_template(f"{name}.j2").render(access=access)
    name = "self_signed_role.yaml"
    files[Path("self-signed", name)] = templates.get_template(f"{name}.j2").render(
        access=self_signed
    )
    files[Path("webhook", "manifests.yaml")] = templates.get_template("webhooks.yaml.j2").render(
        webhooks=[(definition.resource, definition.storage_version) for definition in definitions]
    )
    return files


def _templates() -> jinja2.Environment:
    """Return the templates; a name that they use and that is not given is an error."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("generator"),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - YAML is no HTML; values pass the `yaml` filter
    )
    environment.filters["yaml"] = yaml_text.dump
    return environment
