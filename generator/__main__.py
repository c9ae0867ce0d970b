# SPDX-License-Identifier: Apache-2.0
"""The command line: `python -m generator` writes the manifests, with `--check` it compares."""

import sys
import time
from pathlib import Path

import click

from api import kinds
from crdkit.errors import GenerationError
from crdkit.render import files, output
from crdkit.schema import loader

from . import errors, manifests, rbac

CONFIG = Path("config")
REFERENCE = Path("docs", "reference", "api.md")
PROGRAMS = "programs.md"

_FOLDER = click.Path(path_type=Path, file_okay=False)
_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--check", is_flag=True, help="Write nothing: print the differences, exit 1 if any.")
@click.option("--out", type=_FOLDER, help=f"Folder of the manifests.  [default: {CONFIG}]")
@click.option(
    "--reference",
    type=_FILE,
    metavar="FILE",
    help="Page of the API reference, in Markdown.  Without --models, the flags of our programs are "
    f"beside it.  Without --out and --models also written by default: {REFERENCE}",
)
@click.option(
    "--schemas",
    type=_FOLDER,
    help="Folder of JSON schemas for editors.  Without --models also written by default: schemas "
    "in --out",
)
@click.option(
    "--rules",
    multiple=True,
    default=rbac.MODULES,
    show_default=True,
    metavar="MODULE",
    help="Module that declares access rules; may be repeated.",
)
@click.option(
    "--models",
    metavar="PACKAGE",
    help="Package or module of other models: write their CRDs, right into --out, and what else is "
    "asked for.",
)
def main(  # noqa: PLR0913 - one for each option
    *,
    check: bool,
    out: Path | None,
    reference: Path | None,
    schemas: Path | None,
    rules: tuple[str, ...],
    models: str | None,
) -> None:
    """Generate CRDs, roles, webhook configurations, Services and the Deployment from the code.

    From the models in api/ come an API reference and JSON schemas for editors, too.

    With --models, generate from any other models; without it, run it from the root of this
    project's repository.  Writing ends with a line of figures.  Files that were not generated are
    not replaced.
    """
    if models is None:
        reference = reference or (REFERENCE if out is None else None)
        schemas = schemas or (out or CONFIG) / "schemas"
    try:
        imported, rendered = _rendered(models, rules, out or CONFIG, reference, schemas)
        if check:
            sys.exit(output.check(rendered))
        changed = output.write(rendered)
    except GenerationError as error:
        raise click.ClickException(str(error)) from error
    seconds = time.process_time() - imported
    click.echo(
        f"generated {len(rendered)} files, {changed} of them changed, in {seconds:.2f} s after "
        f"{imported:.2f} s of imports",
        err=True,
    )


def _rendered(
    models: str | None,
    rules: tuple[str, ...],
    out: Path,
    reference: Path | None,
    schemas: Path | None,
) -> tuple[float, dict[Path, str]]:
    """Return the process time in seconds when all was imported, and the files."""
    if models is not None:
        found, command = loader.kinds(models), f"python -m generator --models {models}"
        imported = time.process_time()
        return imported, files.of_models(found, command, out, reference, schemas)
    _check_place()
    access, self_signed = rbac.load(rules), rbac.load(rbac.SELF_SIGNED_MODULES)
    imported = time.process_time()
    rendered = {
        out / path: text
        for path, text in manifests.render(kinds.KINDS, access, self_signed).items()
    }
    if reference is not None:
        rendered[reference.with_name(PROGRAMS)] = manifests.programs_page()
    documents = files.documents(kinds.KINDS, manifests.COMMAND, reference, schemas)
    return imported, rendered | documents


def _check_place() -> None:
    """See that the current folder has the models that our manifests are made of.

    Raises:
        PlaceError: it has not.
    """
    here = Path("api", "kinds.py")
    if not (here.exists() and here.samefile(kinds.__file__)):
        raise errors.PlaceError(
            "this would write the manifests of this project's own kinds, but the current folder is "
            "not the root of its repository: for other kinds, write --models PACKAGE"
        )


if __name__ == "__main__":
    main(prog_name="python -m generator")
