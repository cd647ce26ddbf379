"""From datasets to a `pymc.Model`."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pymc as pm

from bayesmap.datasets.checks import warn_correlated_off
from bayesmap.graph import FoldArrays, fold_arrays, model_at
from bayesmap.inference.default_priors import assign_default_priors
from bayesmap.inference.listing import (
    as_datasets,
    dataset_models,
    is_flux_points,
    parameter_names,
    prior_centre,
    prior_median,
)
from bayesmap.inference.observed import ObservedCounts, check_off_counts
from bayesmap.inference.observed_fluxes import ObservedFluxes
from bayesmap.irf.checks import impossible_values
from bayesmap.likelihoods import Likelihood
from bayesmap.modeling.priors.variables import prior_variables
from bayesmap.modeling.roles import role_of

__all__ = ["assemble", "compile_datasets", "to_pymc"]

Observed = ObservedCounts | ObservedFluxes


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
) -> tuple[pm.Model, dict[str, Observed]]:
    """Build the PyMC model and return it with the observed variable of each dataset."""
    datasets = as_datasets(datasets)
    arrays = {dataset.name: _checked_arrays(dataset) for dataset in datasets if not is_flux_points(dataset)}
    assign_default_priors(datasets)
    models = dataset_models(datasets)
    names = parameter_names(models)
    if all(p.frozen for p in names):
        raise ValueError("nothing to infer: all parameters of all models are frozen, or no models are set")
    options = {"route": psf_route, "tolerance": psf_tolerance, "irf_position": irf_position}
    observed: dict[str, Observed] = {}
    for dataset in datasets:
        own, parameters = list(dataset.models or []), _free_parameters(dataset, names)
        observed[dataset.name] = _observed(dataset, arrays.get(dataset.name), own, parameters, options)
    return assemble(datasets, names, observed), observed


def assemble(datasets: Sequence[Any], names: Mapping[Any, str], observed: Mapping[str, Observed]) -> pm.Model:
    """Build the PyMC model from the names of all parameters and the observed variable of each dataset."""
    with pm.Model() as model:
        variables = prior_variables(names)
        for dataset in datasets:
            observed[dataset.name].register([variables[p] for p in _free_parameters(dataset, names)])
    return model


def _free_parameters(dataset: Any, names: Mapping[Any, str]) -> list[Any]:
    """Free parameters of the models of a dataset, in the order of the names."""
    own = {p for model in dataset.models or () for p in model.parameters}
    return [p for p in names if p in own and not p.frozen]


def _checked_arrays(dataset: Any) -> FoldArrays:
    arrays = fold_arrays(dataset)
    _check_data(arrays, dataset.likelihood)
    for what in ("psf", "edisp"):
        response = getattr(arrays, what)
        if response is not None and (wrong := impossible_values(response)):
            raise ValueError(f"dataset {dataset.name!r}: {what} is {wrong}")
    if hasattr(dataset, "counts_off"):
        _check_off(dataset, arrays.mask)
    return arrays


def _observed(
    dataset: Any, arrays: FoldArrays | None, models: list[Any], parameters: list[Any], options: dict[str, Any]
) -> Observed:
    if arrays is None:
        return ObservedFluxes(dataset, models, parameters)
    centre = prior_centre(models)
    reach = _reach(models, centre)
    return ObservedCounts(arrays, models, parameters, dataset.likelihood, reach=reach, at=centre, **options)


def _reach(models: Sequence[Any], centre: Mapping[Any, float]) -> dict[str, float]:
    """How far in deg each model may move and grow from the prior centre (99.9 % of each prior)."""
    reach = {}
    for model in models:
        spatial = getattr(model, "spatial_model", None)
        if spatial is None:
            continue
        reach[model.name] = 0.0
        for p in spatial.parameters:
            if p.frozen or role_of(p, spatial) != "position" or p.prior.distribution.scipy is None:
                continue
            scale = p.scale_to_internal
            if p is spatial.lon_0:
                scale *= float(np.cos(model_at(spatial, centre).position.data.lat.rad))
            reach[model.name] += abs(_upper_end(p) - prior_median(p)) * scale
        reach[model.name] += _growth(spatial, centre)
    return reach


def _upper_end(parameter: Any) -> float:
    """99.9 % quantile of a prior within the bounds, in the declared unit."""
    lower, upper = parameter.bounds
    return float(parameter.prior.quantile(0.999, parameter.unit, lower=lower, upper=upper))


def _growth(spatial: Any, centre: Mapping[Any, float]) -> float:
    """How much the evaluation radius (deg) grows when the whole shape goes to the upper ends of its priors."""
    start = model_at(spatial, centre).evaluation_radius
    if start is None:
        return 0.0
    shape = [p for p in spatial.parameters if not p.frozen and role_of(p, spatial) not in ("position", "angle")]
    upper = {p: _upper_end(p) * p.scale_to_internal for p in shape if p.prior.distribution.scipy is not None}
    grown = model_at(spatial, {**centre, **upper}).evaluation_radius
    return max(float((grown - start).to_value("deg")), 0.0)


def _check_data(arrays: FoldArrays, likelihood: Likelihood) -> None:
    name = arrays.name
    if arrays.counts is None:
        raise ValueError(f"dataset {name!r} has no counts: set them, or draw some with dataset.fake()")
    if not arrays.mask.any():
        raise ValueError(f"dataset {name!r}: the masks leave no bin; look at mask_safe and mask_fit")
    likelihood.check(name, arrays.counts, arrays.mask)
    for what, values in (("background", arrays.background), ("exposure", arrays.exposure)):
        if values is None:
            continue
        inside = values[arrays.mask] if what == "background" else values
        if not np.isfinite(inside).all() or (what == "exposure" and inside.min() < 0):
            raise ValueError(f"dataset {name!r}: {what} has NaN, infinite or negative values inside the mask")


def _check_off(dataset: Any, mask: np.ndarray) -> None:
    """Raise a ValueError unless there is a measurement of the background in each bin of the mask."""
    name = dataset.name
    missing = [key for key in ("counts_off", "acceptance", "acceptance_off") if getattr(dataset, key) is None]
    if missing:
        raise ValueError(
            f"dataset {name!r} has no {', '.join(missing)}: without them nothing is known of the background"
        )
    check_off_counts(name, np.asarray(dataset.counts_off.data, dtype="float64"), mask)
    warn_correlated_off(dataset, mask, stacklevel=7)
    blind = mask & (dataset.acceptance.data > 0) & ~(dataset.acceptance_off.data > 0)
    if blind.any():
        first = tuple(int(i) for i in np.argwhere(blind)[0])
        raise ValueError(
            f"dataset {name!r}: {int(blind.sum())} bins inside the mask have no OFF acceptance, first (energy, lat, "
            f"lon) = {first}: their background is unknown; exclude them with mask_safe or mask_fit"
        )
