"""From datasets to a `pymc.Model`."""

from collections.abc import Mapping, Sequence
from typing import Any

import pymc as pm

from bayesmap._backend.functions import making_graphs
from bayesmap.inference.default_priors import assign_default_priors
from bayesmap.inference.listing import as_datasets, dataset_models, parameter_names
from bayesmap.inference.observations import Observation, facts_of
from bayesmap.inference.sums import Term
from bayesmap.modeling.priors.variables import prior_variables

__all__ = ["compile_datasets", "observe", "prepare", "to_pymc", "unobserved_model"]


def to_pymc(datasets: Any, **options: Any) -> pm.Model:
    """Build the PyMC model of one or more datasets.

    Parameters
    ----------
    datasets : Dataset, Datasets or list of Dataset
        Of any types, with models set; a model or parameter that several datasets share is one. Free
        parameters without a prior get a default one, see :func:`~bayesmap.inference.default_priors`.
    psf_route : {"mixture", "stamp", "radial", "round", "elliptical", "fft"} or mapping of model name to one, optional
        Force the treatment of the PSF; chosen by accuracy and speed by default.
    psf_tolerance : float, optional
        Largest accepted error of a Gaussian-mixture PSF, half an L1 distance. Default is 1e-3.
    irf_position : {"prior", "source"}, optional
        Where PSF and energy dispersion are taken: at the centre of the prior (default) or at the moving source.

    Returns
    -------
    pymc.Model
        One variable ``"<model>.<parameter>"`` per free parameter, in its declared unit (of priors with unknown
        location or scale and of joint priors a deterministic one), one per hyperparameter, and one observed
        variable ``"<dataset>.counts"`` per dataset (``"<dataset>.dnde"`` for flux points). Works with `pymc.sample`,
        `pymc.find_MAP`, `pymc.sample_prior_predictive`, `pymc.do` and ``model.to_graphviz()``.

    Raises
    ------
    ValueError
        If there is nothing to infer, or counts cannot be explained by any term.
    """
    return compile_datasets(datasets, **options)[0]


def compile_datasets(
    datasets: Any,
    *,
    psf_route: str | Mapping[str, str] | None = None,
    psf_tolerance: float = 1e-3,
    irf_position: str = "prior",
) -> tuple[pm.Model, dict[str, Observation]]:
    """Build the PyMC model and return it with the observed variable of each dataset."""
    datasets = as_datasets(datasets)
    observed, names = prepare(datasets, psf_route=psf_route, psf_tolerance=psf_tolerance, irf_position=irf_position)
    model, terms = unobserved_model(datasets, names, observed)
    observe(model, terms)
    return model, observed


@making_graphs()
def prepare(
    datasets: Sequence[Any], *, psf_route: Any = None, psf_tolerance: float = 1e-3, irf_position: str = "prior"
) -> tuple[dict[str, Observation], dict[Any, str]]:
    """Return what is observed of each dataset, and all parameters with their names."""
    facts = [facts_of(dataset) for dataset in datasets]
    for one in facts:
        one.check()
    assign_default_priors(datasets)
    names = parameter_names(dataset_models(datasets))
    if all(p.frozen for p in names):
        raise ValueError("nothing to infer: all parameters of all models are frozen, or no models are set")
    options: dict[str, Any] = {"route": psf_route, "tolerance": psf_tolerance, "irf_position": irf_position}
    observed = {one.name: one.observe(_free_parameters(one.dataset, names), **options) for one in facts}
    return observed, names


@making_graphs()
def unobserved_model(
    datasets: Sequence[Any], names: Mapping[Any, str], observed: Mapping[str, Observation]
) -> tuple[pm.Model, list[Term]]:
    """Build the PyMC model without observed variables, and the likelihoods that make them."""
    with pm.Model() as model:
        variables = prior_variables(names)
        terms = [
            Term(observed[d.name], observed[d.name].arguments([variables[p] for p in _free_parameters(d, names)]))
            for d in datasets
        ]
    return model, terms


@making_graphs()
def observe(model: pm.Model, terms: Sequence[Term]) -> None:
    """Add the observed variables to a model that has none yet."""
    with model:
        for term in terms:
            term.observed.register(term.arguments)


def _free_parameters(dataset: Any, names: Mapping[Any, str]) -> list[Any]:
    """Free parameters of the models of a dataset, in the order of the names."""
    own = {p for model in dataset.models or () for p in model.parameters}
    return [p for p in names if p in own and not p.frozen]
