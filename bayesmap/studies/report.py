"""The one-page report of a study."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import matplotlib.figure
import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from astropy.table import Table

from bayesmap._together import together
from bayesmap._types import FileName
from bayesmap.report import Figure, Section, render_page, save_figures
from bayesmap.studies.figures import plot_coverage, plot_power, plot_ranks
from bayesmap.studies.tables import (
    about_simulations,
    calibration_table,
    comparison_table,
    coverage_table,
    power_table,
    study_text,
)

__all__ = ["write_study_report"]

TITLES = {
    "sbc": "Simulation-based calibration",
    "posterior_sbc": "Calibration at the data at hand",
    "coverage": "Coverage of credible intervals",
    "power": "Power to find a source",
    "compare": "Comparison of estimators",
}
RANKS = (
    "Distance of the cumulative distribution of PIT, the fraction of independent draws below the truth, from a uniform "
    "one; marked are ranks that should not be where they are. One hump up: true values lie low in the posterior (down: "
    "high). A wave that goes up first, then down: errors are too small; down first: too large."
)
COVERAGE = "How often central intervals contain the truth, less how often they should; bars are 95 % intervals."
POWER = "Fraction of simulations in which the source is found; bars are 95 % intervals."


def write_study_report(tree: xr.DataTree, folder: FileName, *, title: str | None = None) -> Path:
    """Write a one-page HTML report of a study, and its figures.

    Parameters
    ----------
    tree : xarray.DataTree
        Result of a study.
    folder : path
        Existing folder, for example that of the study; files of the same names in it are replaced, all or none.
    title : str, optional
        Heading of the page.

    Returns
    -------
    pathlib.Path
        ``folder/report.html``. It refers to no other file; the figures lie beside it as PNG files too.
    """
    kind = tree.attrs["kind"]
    figures, sections = _SECTIONS.get(kind, _calibration)(tree)
    sections.append(Section("Simulations", "\n".join(about_simulations(tree)), code=_failures(tree)))
    identity = json.loads(tree.attrs["identity"])
    sections.append(Section("What was studied", headings=("part", "digest or setting"), rows=list(identity.items())))
    number = tree["simulations"].sizes["simulation"]
    seconds = float(np.nansum(tree["simulations"]["seconds"]))
    subtitle = f"{number} simulations · seed {tree.attrs['seed']} · {seconds / 60:.1f} minutes of computing"
    page = render_page(title or TITLES[kind], sections, subtitle, f"Made by bayesmap {tree.attrs['version']}.")
    with together(folder) as stage:
        save_figures(figures, stage)
        (stage / "report.html").write_text(page, encoding="utf-8")
    return Path(folder) / "report.html"


def _calibration(tree: xr.DataTree) -> tuple[dict[str, Figure], list[Section]]:
    figures = {"coverage": _figure(plot_coverage(tree).figure, COVERAGE)}
    sections = [Section("Result", study_text(tree))]
    if tree.attrs["kind"] != "coverage":
        figures["ranks"] = _figure(plot_ranks(tree)[0].figure, RANKS)
        text = (
            "Shift: by how many of its standard deviations the truth lies above the posterior. Width: errors should be "
            "so many times larger."
        )
        sections.append(Section("Ranks", text, *_cells(calibration_table(tree)), figures=[figures["ranks"]]))
    sections.append(Section("Coverage", "", *_cells(coverage_table(tree)), figures=[figures["coverage"]]))
    return figures, sections


def _power(tree: xr.DataTree) -> tuple[dict[str, Figure], list[Section]]:
    figure = _figure(plot_power(tree).figure, POWER)
    return {"power": figure}, [Section("Result", "", *_cells(power_table(tree)), figures=[figure])]


def _compare(tree: xr.DataTree) -> tuple[dict[str, Figure], list[Section]]:
    text = "Covered: how often an interval of one stated error to either side contains the truth (68 % if Gaussian)."
    return {}, [Section("Result", text, *_cells(comparison_table(tree)))]


_SECTIONS: Mapping[str, Callable[[xr.DataTree], tuple[dict[str, Figure], list[Section]]]] = {
    "power": _power,
    "compare": _compare,
}


def _cells(table: Table) -> tuple[list[str], list[list[str]]]:
    """Headings and rows of a table as texts."""
    units = {name: f" [{table[name].unit}]" if table[name].unit else "" for name in table.colnames}
    columns = [list(table[name].iter_str_vals()) for name in table.colnames]
    return [f"{name}{units[name]}" for name in table.colnames], [list(row) for row in zip(*columns, strict=True)]


def _failures(tree: xr.DataTree) -> str:
    """Errors and warnings, each with the number of the first simulation that had it."""
    group = tree["simulations"]
    lines: dict[str, str] = {}
    for kind in ("error", "warnings"):
        for index, text in zip(group["simulation"].to_numpy(), group[kind].to_numpy(), strict=True):
            for line in filter(None, str(text).splitlines()):
                lines.setdefault(line.split(":")[0], f"simulation {index}: {line}")
    return "\n".join(lines.values())


def _figure(figure: "matplotlib.figure.Figure", caption: str) -> Figure:
    rendered = Figure.from_matplotlib(figure, caption)
    plt.close(figure)
    return rendered
