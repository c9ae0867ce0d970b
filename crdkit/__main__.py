# SPDX-License-Identifier: Apache-2.0
"""The command line: `python -m crdkit PACKAGE` generates what the API server needs of models."""

import sys
from pathlib import Path

import click

from .errors import GenerationError
from .render import files, output
from .schema import loader

_FOLDER = click.Path(path_type=Path, file_okay=False)
_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("package")
@click.option("--check", is_flag=True, help="Write nothing: print the differences, exit 1 if any.")
@click.option(
    "--out",
    type=_FOLDER,
    default=Path("crds"),
    show_default=True,
    help="Folder of the CustomResourceDefinitions.",
)
@click.option(
    "--reference", type=_FILE, metavar="FILE", help="Page of the API reference, in Markdown."
)
@click.option("--schemas", type=_FOLDER, help="Folder of JSON schemas for editors.")
def main(
    *, package: str, check: bool, out: Path, reference: Path | None, schemas: Path | None
) -> None:
    """Generate CustomResourceDefinitions from the models of a PACKAGE or module.

    Files that were not generated are not replaced.
    """
    sys.path.insert(0, "")  # the current folder, which an installed command does not look into
    command = f"crdkit {package}"
    try:
        rendered = files.of_models(loader.kinds(package), command, out, reference, schemas)
        if check:
            sys.exit(output.check(rendered))
        changed = output.write(rendered)
    except GenerationError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"generated {len(rendered)} files, {changed} of them changed", err=True)


if __name__ == "__main__":
    main(prog_name="python -m crdkit")
