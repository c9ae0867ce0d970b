# SPDX-License-Identifier: Apache-2.0
"""The list of our generated manifests, and what goes into each."""

import importlib
from collections.abc import Iterable
from pathlib import Path

from api import resources
from crdkit.models import model
from crdkit.render import files, jinja

from . import programs, rbac

COMMAND = "make generate"
"""What our own files say they are made by; those of other models name another command."""

POD = "manager.pod"
"""The module that says how the manager is reached in its pod; above in the layers: only named."""

_BASES = Path("crd", "bases")


def render(
    kinds: Iterable[type[model.Object]], access: rbac.Access, self_signed: rbac.Access
) -> dict[Path, str]:
    """Render every manifest of ours, by its path below `config/`, where its template is, too.

    Guarantees:
        Pure: the same models and rules give the same bytes.

    Raises:
        GenerationError: a model says what the API server would refuse.
    """
    templates = jinja.environment("generator")
    pod = importlib.import_module(POD)
    models = list(kinds)
    resource_of = {kind.resource.name: kind.resource for kind in models}
    webhooks = [resource_of[name] for name in sorted(resource_of)]
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
    bases = files.crd_files(models, COMMAND)
    return {_BASES / path: text for path, text in bases.items()} | {
        Path(path): templates.get_template(f"{path}.j2").render(these, command=COMMAND)
        for path, these in values.items()
    }


def programs_page() -> str:
    """Render the page of our programs' flags, in Markdown."""
    template = jinja.environment("generator").get_template("programs.md.j2")
    return template.render(commands=programs.commands(), command=COMMAND)
