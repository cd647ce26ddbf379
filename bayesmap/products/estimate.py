"""Flux points and light curves from counts: all sources at once, everything else marginalised."""

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import astropy.units as u
import numpy as np
import xarray as xr
from astropy.time import Time

from bayesmap._types import Tree
from bayesmap._util import check_option, get_random_state
from bayesmap.inference import compile_fit
from bayesmap.inference.listing import as_datasets
from bayesmap.modeling import ProcessPrior
from bayesmap.modeling.posterior import Posterior
from bayesmap.products.bands import Band, Banded, band_axis, banded, intervals_of, own_models, source_names
from bayesmap.products.points import PosteriorPoints

if TYPE_CHECKING:
    from bayesmap.inference.fit import CompiledFit

__all__ = ["flux_points", "light_curve"]

ENERGY_PRIORS = {"independent": None, "smooth": "curve"}
SCALE_GROUPS = 10  # of draws, by the scale of the prior
TIME_PRIORS = {"independent": None, "walk": "walk", "ou": "ou"}


def flux_points(
    datasets: Any,
    energy_edges: Any,
    sources: str | Sequence[str] | None = None,
    prior: str = "independent",
    *,
    tree: Tree | None = None,
    scale: float | None = None,
    typical_scale: float = 0.1,
    random_state: Any = None,
    **options: Any,
) -> PosteriorPoints:
    """Sample the fluxes of sources in bands of true energy.

    The spectrum of each source is that of its model times a free factor per band. All sources, backgrounds, positions
    and systematics that are free in the models are sampled together with the factors, over all datasets: several
    instruments give one set of points.

    Parameters
    ----------
    datasets : Dataset, Datasets or list of Dataset
        With counts and models. They are not changed.
    energy_edges : `~astropy.units.Quantity` or MapAxis
        Edges of the bands, shape ``(n + 1,)``. The first and the last factor hold beyond them too.
    sources : str or sequence of str, optional
        Names of sources; by default all whose spectrum has a free parameter.
    prior : {"independent", "smooth"}
        "independent": factors flat from zero upwards. "smooth": a curve over the logarithm of the energy whose
        curvature is penalised, see `ProcessPrior`; its scale is inferred.
    tree : xarray.DataTree, optional
        Result of `bayesmap.sample` for these datasets: reference spectra and starts are its means, not the present
        values of the models.
    scale : float, optional
        Scale of "smooth": the standard deviation of the change of slope from band to band. Inferred by default.
    typical_scale : float
        Where the prior of an inferred scale begins.
    random_state : int, numpy.random.Generator or str
        Same value, same draws.
    **options
        For `bayesmap.sample` (``draws``, ``chains``, ``cores``...) and `bayesmap.to_pymc` (``psf_route``...).

    Returns
    -------
    PosteriorPoints
        `FluxPoints` by source, with draws and covariance.

    Raises
    ------
    KeyError
        If a source is unknown, or the tree lacks a free parameter.
    ValueError
        If edges lie outside of the responses, data say nothing about a band, or the tree is that of other data or
        models.

    Examples
    --------
    >>> points = bayesmap.flux_points(dataset, [1, 2, 5, 10, 30] * u.TeV, tree=tree)  # doctest: +SKIP
    >>> points["crab"].plot(sed_type="e2dnde")  # doctest: +SKIP
    """
    check_option("prior", prior, ENERGY_PRIORS)
    copies = own_models(as_datasets(datasets), tree)
    axis = band_axis(energy_edges, copies)
    model = banded(copies, source_names(_models(copies), sources), axis)
    kind = _usable(ENERGY_PRIORS[prior], axis.nbin, "bands")
    processes = _Processes(kind, np.log(axis.center.to_value("TeV")), scale, typical_scale)
    groups = [[b for b in model.bands if b.source == name] for name in model.references]
    return _sampled(model, axis, processes, groups, None, random_state, options)


def light_curve(
    datasets: Any,
    time_intervals: Any = None,
    sources: str | Sequence[str] | None = None,
    prior: str = "independent",
    *,
    energy_edges: Any = None,
    index: bool = False,
    tree: Tree | None = None,
    scale: float | None = None,
    typical_scale: float = 0.3,
    random_state: Any = None,
    **options: Any,
) -> PosteriorPoints:
    """Sample the fluxes of sources in intervals of time.

    The spectrum of each source is that of its model times a free factor per interval (and band). Everything else that
    is free in the models is one for all intervals, and sampled too.

    Parameters
    ----------
    datasets : Datasets or list of Dataset
        With counts, models and good time intervals. They are not changed.
    time_intervals : GTI, `~astropy.time.Time`, sequence of pairs of times, optional
        Intervals, or their edges; by default one per dataset, those that overlap joined. A dataset must lie in one
        interval; those in none are left out, with a warning.
    sources : str or sequence of str, optional
        Names of sources; by default all whose spectrum has a free parameter.
    prior : {"independent", "walk", "ou"}
        "independent": factors flat from zero upwards. "walk": a random walk, "ou": an Ornstein-Uhlenbeck process, both
        around a flat level, see `ProcessPrior`; their scales are inferred.
    energy_edges : `~astropy.units.Quantity` or MapAxis, optional
        Energy bands; by default one band, the range of the true energies.
    index : bool
        Whether minus the slope of the spectrum is free in each interval, with a normal prior of width 0.5 around that
        of the model; its draws are ``extra["tilt"]``.
    tree, scale, typical_scale, random_state, **options
        As for `flux_points`; a scale is that of the change from one interval to the next at their median distance, of
        "ou" the standard deviation.

    Returns
    -------
    PosteriorPoints
        `FluxPoints` with an axis of time by source, with draws and covariance.

    Raises
    ------
    KeyError, ValueError
        As for `flux_points`; also for a dataset without good time intervals, or partly in an interval.
    """
    check_option("prior", prior, TIME_PRIORS)
    copies = own_models(as_datasets(datasets), tree)
    intervals, numbers = intervals_of(copies, time_intervals)
    copies = [dataset for dataset in copies if dataset.name in numbers]
    axis = band_axis(_whole_range(copies) if energy_edges is None else energy_edges, copies)
    model = banded(copies, source_names(_models(copies), sources), axis, numbers, index=index)
    middle = np.array([0.5 * (a.tai.mjd + b.tai.mjd) for a, b in intervals])
    kind = _usable(TIME_PRIORS[prior], len(intervals), "intervals")
    processes = _Processes(kind, middle, scale, typical_scale)
    groups = [
        [b for b in model.bands if b.source == name and b.energy == energy]
        for name in model.references
        for energy in range(axis.nbin)
    ]
    return _sampled(model, axis, processes, groups, intervals, random_state, options)


class _Processes:
    """Priors that join the norms of a group, and what they give back."""

    def __init__(self, kind: str | None, positions: np.ndarray, scale: float | None, typical_scale: float) -> None:
        self.kind, self.scale, self.typical_scale = kind, scale, typical_scale
        self.unit = float(np.median(np.diff(positions))) if len(positions) > 1 else 1.0
        self.positions = positions / self.unit
        self.priors: list[ProcessPrior] = []

    def assign(self, model: Banded, groups: Sequence[Sequence[Band]]) -> None:
        """Give each group its prior."""
        if self.kind is None:
            return
        models = model.models
        names = models.parameter_names
        settings: dict[str, Any] = {"kind": self.kind, "scale": self.scale, "typical_scale": self.typical_scale}
        for group in groups:
            prior = ProcessPrior([names[b.parameter] for b in group], self.positions, **settings)
            models.set_joint_prior(prior)
            self.priors.append(prior)

    def shares(self, groups: Sequence[np.ndarray], rng: np.random.Generator) -> tuple[list[np.ndarray], np.ndarray]:
        """Share of the prior in the weight of each norm, by group; and scales, shape ``(n_group, 2, n_draw)``."""
        if self.kind is None:
            return [np.zeros(group.shape[1]) for group in groups], np.empty((0, 2, 0))
        shares, scales = [], []
        for prior, group in zip(self.priors, groups, strict=True):
            scale, timescale = prior.draw_scale(group, rng)
            shares.append(_prior_share(prior, group, scale))
            scales.append([scale, timescale * self.unit])
        return shares, np.array(scales)


def _prior_share(prior: ProcessPrior, norms: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Share of a prior in the weight of each norm, shape ``(n,)``: the diagonal of C P / tau^2 for normal posteriors.

    C is the covariance where tau is about the same: of groups of draws.
    """
    shares = []
    for group in np.array_split(np.argsort(scale, kind="stable"), 1 if prior.scale is not None else SCALE_GROUPS):
        precision = prior.precision(float(np.mean(scale[group] ** -2.0) ** -0.5))
        shares.append(np.einsum("ij,ji->i", np.cov(norms[group], rowvar=False), precision))
    return np.clip(np.mean(shares, axis=0), 0.0, 1.0)


def _usable(kind: str | None, n: int, what: str) -> str | None:
    """The process; of two bands a curve is a straight line, which is no restriction: they are a walk."""
    if kind is not None and n < 2:
        raise ValueError(f"a prior that joins {what} needs at least two of them, got {n}; use prior='independent'")
    return "walk" if kind == "curve" and n == 2 else kind


def _models(datasets: Sequence[Any]) -> Any:
    return list({id(m): m for d in datasets for m in d.models or ()}.values())


def _whole_range(datasets: Sequence[Any]) -> Any:
    """The true energies that all datasets have together."""
    edges = [d.exposure.geom.axes["energy_true"].edges for d in datasets if getattr(d, "exposure", None) is not None]
    if not edges:
        raise ValueError(f"no dataset has an exposure over true energies: {[d.name for d in datasets]}")
    low, high = min(e.min() for e in edges), max(e.max() for e in edges)
    return u.Quantity([low, high], "TeV")


def _sampled(
    model: Banded,
    axis: Any,
    processes: _Processes,
    groups: Sequence[Sequence[Band]],
    intervals: Sequence[tuple[Time, Time]] | None,
    random_state: Any,
    options: Mapping[str, Any],
) -> PosteriorPoints:
    """Compile, sample, and put the points together."""
    processes.assign(model, groups)
    rng = get_random_state(random_state)
    how = {key: options[key] for key in ("psf_route", "psf_tolerance", "irf_position") if key in options}
    fit = compile_fit(model.datasets, **how)
    _check_informed(fit, model)
    rest = {key: value for key, value in options.items() if key not in how}
    started = time.perf_counter()
    tree = fit.sample(random_state=rng, **rest)
    tree.attrs["points_seconds"] = round(time.perf_counter() - started, 3)
    names = fit.parameters
    variables = {id(parameter): name for name, parameter in names.items()}
    posterior = Posterior(tree)
    columns = {id(b.parameter): posterior.chains(variables[id(b.parameter)]) for b in model.bands}
    joined = [np.stack([columns[id(b.parameter)].ravel() for b in group], axis=1) for group in groups]
    shares, scales = processes.shares(joined, rng)
    share_of = {
        id(b.parameter): x for group, own in zip(groups, shares, strict=True) for b, x in zip(group, own, strict=True)
    }
    sources, count = list(model.references), 1 if intervals is None else len(intervals)
    shape = (len(sources), count, axis.nbin)
    norms = np.empty((*shape, posterior.n_chain, posterior.n_draw))
    prior_share = np.empty(shape)
    for band in model.bands:
        place = sources.index(band.source), band.interval, band.energy
        norms[place], prior_share[place] = columns[id(band.parameter)], share_of[id(band.parameter)]
    norms = np.moveaxis(norms, (3, 4), (0, 1))
    dims = ["chain", "draw", "source", "time", "energy"]
    coords: dict[str, Any] = {"source": sources, "energy": axis.center.to_value("TeV")}
    if intervals is None:
        norms, prior_share, dims = norms[:, :, :, 0], prior_share[:, 0], [d for d in dims if d != "time"]
    else:
        coords["time"] = [0.5 * (a.tai.mjd + b.tai.mjd) for a, b in intervals]
    draws = xr.DataArray(norms, dims=dims, coords=coords, name="norm")
    extra = _extra(model, posterior, variables, sources, scales, coords, axis.nbin if intervals is not None else 1)
    return PosteriorPoints(draws, model.references, axis, prior_share, tree, intervals, extra)


def _extra(
    model: Banded,
    posterior: Posterior,
    variables: Mapping[int, str],
    sources: Sequence[str],
    scales: np.ndarray,
    coords: Mapping[str, Any],
    n_band: int,
) -> dict[str, Any]:
    """Draws beside the norms: changes of the index, scales of the priors."""
    size = (posterior.n_chain, posterior.n_draw)
    extra: dict[str, Any] = {}
    if model.tilts:
        chains = [
            [posterior.chains(variables[id(model.tilts[s, i])]) for i in range(len(coords["time"]))] for s in sources
        ]
        values = np.moveaxis(np.array(chains), (2, 3), (0, 1))
        own = {key: coords[key] for key in ("source", "time")}
        extra["tilt"] = xr.DataArray(values, dims=["chain", "draw", "source", "time"], coords=own)
    if scales.size:
        for number, name in enumerate(("scale", "timescale")):
            values = scales[:, number].reshape(len(sources), n_band, *size)
            values = np.moveaxis(values, (2, 3), (0, 1))
            if np.isfinite(values).all():
                dims, own = ["chain", "draw", "source", "energy"], {"source": coords["source"]}
                if n_band == 1:
                    values, dims = values[..., 0], dims[:3]
                else:
                    own["energy"] = coords["energy"]
                extra[name] = xr.DataArray(values, dims=dims, coords=own)
    return extra


def _check_informed(fit: "CompiledFit", model: Banded) -> None:
    """Raise a ValueError if the likelihood does not depend on a norm at all."""
    names = {id(parameter): name for name, parameter in fit.parameters.items()}
    values = {name: parameter.value for name, parameter in fit.parameters.items()}
    before = fit.log_likelihood(values)
    for band in model.bands:
        name = names[id(band.parameter)]
        if fit.log_likelihood({**values, name: 2 * values[name]}) == before:
            edges = model_edges(band, model)
            raise ValueError(
                f"the data say nothing about source {band.source!r} {edges}: no exposure there, or the mask excludes "
                "it; leave the band out"
            )


def model_edges(band: Band, model: Banded) -> str:
    """Return in words which band it is."""
    source = next(m for m in model.models if any(p is band.parameter for p in m.parameters))
    step = source.spectral_model.model2  # type: ignore[attr-defined]
    low, high = step.energy[band.energy : band.energy + 2]
    where = f"from {low:.4g} to {high:.4g}"
    return where if source.name == band.source else f"{where} in interval {band.interval}"
