# SPDX-License-Identifier: Apache-2.0
"""The table of results: one line per figure, printed when it is known."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """One line.  `ours` and `bare` are texts with their units; `bare` is empty for absolutes."""

    what: str
    ours: str
    bare: str = ""
    ratio: float | None = None
    target: str = ""
    met: bool | None = None
    """None if there is no target."""


def head() -> None:
    """Print the names of the columns."""
    _line("what", "ours", "bare", "ratio", "target", "")


def show(figure: Figure) -> None:
    """Print one figure."""
    ratio = "" if figure.ratio is None else f"{figure.ratio:.2f}"
    verdict = {None: "", True: "ok", False: "missed"}[figure.met]
    _line(figure.what, figure.ours, figure.bare, ratio, figure.target, verdict)


def at_least(what: str, ours: str, bare: str, ratio: float, least: float) -> Figure:
    """Return a figure whose ratio must reach a target."""
    return Figure(what, ours, bare, ratio, f">= {least:g}", ratio >= least)


def at_most(what: str, ours: str, bare: str, ratio: float, most: float) -> Figure:
    """Return a figure whose ratio must not exceed a target."""
    return Figure(what, ours, bare, ratio, f"<= {most:g}", ratio <= most)


def limited(what: str, value: float, most: float, unit: str, digits: int = 1) -> Figure:
    """Return a figure that is a target in itself."""
    ours = f"{value:.{digits}f} {unit}".strip()
    return Figure(what, ours, target=f"<= {most:g} {unit}".strip(), met=value <= most)


def _line(*columns: str) -> None:
    widths = (52, 14, 14, 6, 11, 6)
    cells = (f"{text:{width}}" for text, width in zip(columns, widths, strict=True))
    print(" ".join(cells).rstrip(), flush=True)
