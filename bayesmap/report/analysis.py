"""The report of one analysis: what was found, whether to trust it, and how it was made."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bayesmap._together import together
from bayesmap._types import FileName, QuantityLike, Tree
from bayesmap.checks import Checks, can_check, check
from bayesmap.datasets import Datasets
from bayesmap.datasets.parameter_draws import parameters_at
from bayesmap.inference import convergence_report
from bayesmap.inference.conflict import prior_places
from bayesmap.modeling import parameter_names
from bayesmap.modeling.collection import all_parameter_names
from bayesmap.modeling.posterior import Posterior
from bayesmap.report.figures import analysis_figures, check_figures
from bayesmap.report.page import Figure, Section, render_page
from bayesmap.report.summaries import headings, summary_rows

if TYPE_CHECKING:
    from bayesmap.modeling import Models

__all__ = ["save_figures", "write_report"]

#: draws of the posterior that data are compared with, and the rate of false alarms that they can tell
CHECK_DRAWS, CHECK_RATE = 500, 0.02

SUPERSCRIPTS = str.maketrans("0123456789+-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻")


def write_report(
    tree: Tree,
    datasets: Datasets,
    folder: FileName,
    *,
    title: str = "bayesmap analysis",
    true_models: "Models | None" = None,
) -> Path:
    """Write a one-page HTML report and its figures.

    Parameters
    ----------
    tree : xarray.DataTree
        Result of `bayesmap.sample`.
    datasets : Dataset, Datasets or list of Dataset
        With data and the sampled models; their values are not changed.
    folder : path
        Existing folder; files of the same names in it are replaced, all or none, and figures of an earlier report that
        this one lacks are removed.
    title : str
        Heading of the page.
    true_models : Models, optional
        Models of a simulation at their true values; they are shown beside the results.

    Returns
    -------
    pathlib.Path
        ``folder/report.html``. It refers to no other file; the figures lie beside it as PNG files too.
    """
    folder, listed = Path(folder), Datasets(datasets)
    truth = true_values(true_models)
    checks, verdict = _checked(tree, listed)
    with parameters_at(_posterior_means(tree, listed.models)):
        figures = analysis_figures(tree, listed, truth, true_models)
        figures |= {} if checks is None else check_figures(checks, listed)
        description = "\n".join(str(dataset) for dataset in listed)
    sections = _sections(tree, listed, figures, truth, description, verdict)
    page = render_page(title, sections, _subtitle(tree, listed), _footer(tree))
    with together(folder) as stage:
        save_figures(figures, stage)
        (stage / "report.html").write_text(page, encoding="utf-8")
    return folder / "report.html"


def true_values(models: "Models | None") -> dict[str, Any] | None:
    """Values of the free parameters, as quantities, by all names of their random variables; None without models."""
    if models is None:
        return None
    free = {parameter: names for parameter, names in all_parameter_names(models).items() if not parameter.frozen}
    return {name: parameter.quantity for parameter, names in free.items() for name in names}


def save_figures(figures: Mapping[str, Figure], folder: FileName) -> list[Path]:
    """Write figures as PNG files.

    Parameters
    ----------
    figures : Mapping of str to Figure
        By file name without ending.
    folder : path
        Existing folder.

    Returns
    -------
    list of pathlib.Path
        The files.
    """
    paths = []
    for name, figure in figures.items():
        paths.append(Path(folder) / f"{name}.png")
        paths[-1].write_bytes(figure.png)
    return paths


def _posterior_means(tree: Tree, models: "Models") -> dict[Any, float]:
    """Posterior mean of each free parameter, inside its bounds."""
    columns = Posterior(tree).columns(parameter_names(models))
    return {parameter: float(np.clip(draws.mean(), *parameter.bounds)) for parameter, draws in columns.items()}


def _checked(tree: Tree, datasets: Datasets) -> tuple[Checks | None, str]:
    """Checks of the datasets that hold counts, and what they say; or why there are none."""
    counted = [dataset for dataset in datasets if can_check(dataset)]
    if not counted:
        return None, ""
    try:
        checks = check(tree, counted, CHECK_DRAWS, alpha=CHECK_RATE)
    except ValueError as error:
        return None, f"Not checked: {error}."
    return checks, str(checks).replace("\n- ", "\n• ")


def _subtitle(tree: Tree, datasets: Datasets) -> str:
    posterior = Posterior(tree)
    parts = [
        f"dataset {', '.join(datasets.names)}",
        f"{posterior.n_chain} chains of {posterior.n_draw} draws",
        f"sampler {tree.attrs.get('sampler', 'unknown')}",
        f"{tree.attrs.get('created_at', '')[:16].replace('T', ' ')} UTC",
    ]
    return " · ".join(parts)


def _footer(tree: Tree) -> str:
    versions = json.loads(tree.attrs.get("versions", "{}"))
    listed = ", ".join(f"{package} {version}" for package, version in versions.items())
    return f"Made by bayesmap. Random state {tree.attrs.get('random_state', 'unknown')}. Versions: {listed}."


def _sections(
    tree: Tree,
    datasets: Datasets,
    figures: Mapping[str, Figure],
    truth: Mapping[str, QuantityLike] | None,
    description: str,
    verdict: str,
) -> list[Section]:
    rows = summary_rows(tree, truth)
    corners = [figure for name, figure in figures.items() if name.startswith("corner-")]
    shown = [figures[name] for name in ("spectra", "marginals") if name in figures]
    return [
        Section(
            "Result",
            _result_text(truth),
            [_typeset(head) for head in headings(rows)],
            [_html_cells(row) for row in rows],
            shown,
        ),
        Section(
            "Can it be trusted?", str(convergence_report(tree)).replace("\n- ", "\n• "), figures=[figures["traces"]]
        ),
        Section("Is the model right?", verdict, figures=_named(figures, ("checks",))),
        Section("Data and prediction", figures=_named(figures, ("counts", "significance", "predictive", "fit"))),
        Section("Correlations", figures=corners),
        _prior_section(tree, datasets.models),
        Section("Dataset", figures=_named(figures, ("dataset",)), code=description),
        Section("Models", code=tree.attrs.get("models", "")),
    ]


def _named(figures: Mapping[str, Figure], kinds: tuple[str, ...]) -> list[Figure]:
    """Figures of some kinds, of all datasets."""
    return [figure for name, figure in figures.items() if name.rpartition("-")[2] in kinds]


def _result_text(truth: Mapping[str, QuantityLike] | None) -> str:
    text = "Posterior means with standard deviations, central 95 % intervals, effective sample sizes and R-hat."
    if truth is not None:
        text += " The data are simulated: the last columns give the true value and the distance of the mean from it in "
        text += "standard deviations."
    return text


def _html_cells(row: Any) -> list[str]:
    """Cells of the table with typographic signs in the numbers."""
    return [_typeset(cell) if column in (1, 2, 6, 7) else cell for column, cell in enumerate(row.cells)]


def _typeset(text: str) -> str:
    """Signs and powers of ten as they are printed in books."""
    number, _, exponent = text.partition("e")
    if exponent.lstrip("+-").isdigit():
        number = re.sub(r"^\(([^ ]+)\)$", r"\1", number)
        text = f"{number} × 10{str(int(exponent)).translate(SUPERSCRIPTS)}"
    return text.replace("+-", "±").replace(" .. ", " to ").replace("-", "−")


def _prior_section(tree: Tree, models: "Models") -> Section:
    defaults = set(tree.attrs.get("default_priors", "").split(", "))
    places = prior_places(tree)
    rows = []
    for name, parameter in Posterior(tree).parameters(parameter_names(models)).items():
        if parameter.prior is not None:
            origin = "default" if name in defaults else "given"
            shown = [name, parameter.prior.summary, _prior_interval(parameter), str(parameter.unit), origin]
            rows.append([*shown, _typeset(f"{places[name].distance:+.1f}") if name in places else ""])
    text = (
        "Weakly informative default priors are made from the data where none is given. The last column says where the "
    )
    text += "posterior median lies in the prior, in standard deviations of a normal distribution."
    return Section("Priors", text, ("parameter", "prior", "central 95 %", "unit", "origin", "posterior at"), rows)


def _prior_interval(parameter: Any) -> str:
    """Central 95 % interval of a prior; empty for a distribution without quantiles."""
    if parameter.prior.distribution.scipy is None:
        return ""
    low, high = parameter.prior.interval(0.95, parameter.unit)
    return f"{low:.3g} to {high:.3g}"
