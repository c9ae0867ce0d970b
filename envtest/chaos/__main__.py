# SPDX-License-Identifier: Apache-2.0
"""`python -m envtest.chaos`: one run, its figures, and status 1 where a law was broken."""

import random
import shutil
import signal
import sys
from collections import Counter
from functools import partial
from pathlib import Path
from typing import NoReturn

import click

from ..controlplane import capi
from ..errors import EnvtestError
from .faults import Faults
from .run import Report, run

FOLDER = Path("out/chaos")  # a run's evidence is in the folder of its seed
SECONDS = 60  # in a minute


@click.command()
@click.option("--seed", type=int, default=None, help="Decides everything but time.")
@click.option("--minutes", type=float, default=3.0, show_default=True, help="Of faults.")
@click.option(
    "--capi",
    "series",
    type=click.Choice(list(capi.SERIES)),
    default=capi.NEWEST,
    show_default=True,
    help="Whose contract.",
)
@click.option(
    "--leader-election/--no-leader-election",
    "elected",
    default=True,
    show_default=True,
    help="Without it there is one manager.",
)
def main(seed: int | None, minutes: float, series: str, *, elected: bool) -> None:
    """Break everything around two managers, and prove that no address is lost or given twice."""
    signal.signal(signal.SIGTERM, _end)
    seed = random.randrange(10**6) if seed is None else seed  # noqa: S311 - not a secret
    folder = FOLDER / str(seed)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    click.echo(
        f"chaos: seed {seed}, {minutes:g} minutes of faults, Cluster API {series}, "
        f"{'with' if elected else 'without'} leader election, "
        f"evidence in {folder}"
    )
    schedule = partial(Faults.at_random, seconds=minutes * SECONDS)
    try:
        report = run(
            folder.resolve(), seed, schedule, click.echo, capi_series=series, elected=elected
        )
    except EnvtestError as error:
        sys.exit(f"chaos: seed {seed}: {error}")
    show(report)
    sys.exit(1 if report.violations else 0)


def show(report: Report) -> None:
    """Print a report."""
    _table("operations", report.operations)
    _table("faults", report.faults)
    click.echo(f"addresses given: {report.allocated}")
    click.echo(f"writes in the history: {report.events}")
    click.echo(f"answers that history is gone (410): {report.expired}")
    click.echo(f"claims that the API server removed past their finalizer: {report.slipped}")
    click.echo(f"violations: {len(report.violations)}")
    for violation in report.violations:
        click.echo(f"  {violation}")
    click.echo(f"seed: {report.seed}")


def _table(title: str, counts: Counter[str]) -> None:
    click.echo(f"{title}: {sum(n for what, n in counts.items() if not what.startswith('='))}")
    for what, count in sorted(counts.items()):
        click.echo(f"  {count:6} {what}")


def _end(_signal: int, _frame: object) -> NoReturn:
    """End as by Ctrl-C: every block is left, and every process ended."""
    sys.exit("chaos: terminated")


if __name__ == "__main__":
    main()
