# SPDX-License-Identifier: Apache-2.0
"""The list of generated files, and what goes into each."""

from collections.abc import Iterable
from pathlib import Path

import jinja2

from api import resources
from crdkit.models import model
from kube import pod

from . import crds, editor, programs, rbac, reference, yaml_text

COMMAND = "make generate"
"""What our own files say they are made by; those of other models name another command."""


def render(
    kinds: Iterable[type[model.Object]], access: rbac.Access, self_signed: rbac.Access
) -> dict[Path, str]:
    """Render every manifest of ours, by its path below `config/`, where its template is, too.

    Guarantees:
        Pure: the same models and rules give the same bytes.

    Raises:
        GenerationError: a model says what the API server would refuse.
    """
    templates = _templates()
    definitions = crds.definitions(kinds)
    webhooks = [(found.resource, found.storage_version) for found in definitions]
    values = {
        "rbac/role.yaml": {"access": access},
        "rbac/leader_election_role.yaml": {"access": access},
        "self-signed/self_signed_role.yaml": {"access": self_signed},
        "webhook/manifests.yaml": {"webhooks": webhooks, "service": resources.WEBHOOK},
        "components/namespaced/webhooks_patch.yaml": {"webhooks": webhooks},
        "webhook/service.yaml": {"service": resources.WEBHOOK, "pod": pod},
        "manager/metrics_service.yaml": {"pod": pod},
        "manager/manager_patch.yaml": {"pod": pod},
    }
    return _crd_files(definitions, templates, COMMAND) | {
        Path(path): templates.get_template(f"{path}.j2").render(these, command=COMMAND)
        for path, these in values.items()
    }


def crd_files(kinds: Iterable[type[model.Object]], command: str = COMMAND) -> dict[Path, str]:
    """Render the CustomResourceDefinitions alone, by their paths below `config/`.

    Raises:
        GenerationError: a model says what the API server would refuse.
    """
    return _crd_files(crds.definitions(kinds), _templates(), command)


def schema_files(kinds: Iterable[type[model.Object]], command: str = COMMAND) -> dict[Path, str]:
    """Render the JSON schemas for editors, by their paths below the folder of them.

    Raises:
        GenerationError: a model says what the API server would refuse.
    """
    return editor.files(crds.definitions(kinds), command)


def reference_page(kinds: Iterable[type[model.Object]], command: str = COMMAND) -> str:
    """Render the API reference, a page of Markdown, with the kinds in the order given.

    Raises:
        GenerationError: a model says what the API server would refuse.
    """
    models = list(kinds)
    order = [kind.resource.name for kind in models]
    found = sorted(crds.definitions(models), key=lambda it: order.index(it.resource.name))
    template = _templates().get_template("reference.md.j2")
    return template.render(kinds=reference.page(found), command=command)


def programs_page() -> str:
    """Render the page of our programs' flags, in Markdown."""
    template = _templates().get_template("programs.md.j2")
    return template.render(commands=programs.commands(), command=COMMAND)


def _crd_files(
    definitions: Iterable[crds.Definition], templates: jinja2.Environment, command: str
) -> dict[Path, str]:
    template = templates.get_template("crd.yaml.j2")
    return {
        Path("crd", "bases", f"{definition.resource.group}_{definition.resource.plural}.yaml"): (
            template.render(
                resource=definition.resource, versions=definition.versions, command=command
            )
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
