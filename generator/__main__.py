# SPDX-License-Identifier: Apache-2.0
"""The command line: `python -m generator` writes the manifests, with `--check` it compares."""

import sys
import time
from difflib import unified_diff
from pathlib import Path

import click

from api import kinds

from . import errors, manifests, packages, rbac


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--check", is_flag=True, help="Write nothing: print the differences, exit 1 if any.")
@click.option(
    "--out",
    default=Path("config"),
    show_default=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of the manifests.",
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
    help="Package or module of other models: write their CRDs alone, right into --out.",
)
def main(*, check: bool, out: Path, rules: tuple[str, ...], models: str | None) -> None:
    """Generate CRDs, roles and webhook configurations from the models in api/.

    Beside them go JSON schemas for editors, below schemas/ in --out, and the API reference,
    ../docs/reference/api.md from there.

    With --models, generate the CRDs of any other models alone.  Writing ends with a line of
    figures.
    """
    try:
        imported, files = _rendered(rules, models)
    except errors.GenerationError as error:
        raise click.ClickException(str(error)) from error
    if check:
        sys.exit(_check(out, files))
    for path, text in files.items():
        (out / path).parent.mkdir(parents=True, exist_ok=True)
        (out / path).write_text(text, encoding="utf-8")
    seconds = time.process_time() - imported
    click.echo(
        f"generated {len(files)} files in {seconds:.2f} s after {imported:.2f} s of imports",
        err=True,
    )


def _rendered(rules: tuple[str, ...], models: str | None) -> tuple[float, dict[Path, str]]:
    """Return the process time in seconds when all was imported, and the files."""
    if models is not None:
        found = packages.kinds(models)
        imported = time.process_time()
        files = manifests.crd_files(found)
        return imported, {Path(path.name): text for path, text in files.items()}
    access, self_signed = rbac.load(rules), rbac.load(rbac.SELF_SIGNED_MODULES)
    return time.process_time(), manifests.render(kinds.KINDS, access, self_signed)


def _check(out: Path, files: dict[Path, str]) -> int:
    """Print how the files differ from what would be written; return the exit status."""
    status = 0
    for path, wanted in files.items():
        file = out / path
        present = file.read_text(encoding="utf-8") if file.exists() else ""
        if present != wanted:
            status = 1
            lines = present.splitlines(keepends=True), wanted.splitlines(keepends=True)
            click.echo("".join(unified_diff(*lines, f"{file} (present)", f"{file} (generated)")))
    return status


if __name__ == "__main__":
    main(prog_name="python -m generator")
