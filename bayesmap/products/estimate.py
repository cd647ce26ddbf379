"""Flux points and light curves from counts: all sources at once, everything else marginalised."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from astropy.time import Time

from bayesmap._types import Tree
from bayesmap._util import check_option, get_random_state
from bayesmap.inference import compile_fit
from bayesmap.inference.listing import as_datasets, dataset_models
from bayesmap.maps import MapAxis
from bayesmap.modeling import Parameter, ProcessPrior, SkyModel
from bayesmap.modeling.posterior import Posterior
from bayesmap.products.bands import Band, Banded, band_axis, banded, intervals_of, own_models, source_names, true_range
from bayesmap.products.points import PosteriorPoints
from bayesmap.products.shares import prior_shares

if TYPE_CHECKING:
    from bayesmap.inference.fit import CompiledFit

__all__ = ["flux_points", "light_curve"]

NODES = 201  # energies per band for ratios of fluxes
ENERGY_PRIORS = {"independent": None, "smooth": "curve"}
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
    energy_edges : `~astropy.units.Quantity`, list of str or MapAxis
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
    model = banded(copies, source_names(dataset_models(copies), sources), axis)
    kind = _usable(ENERGY_PRIORS[prior], axis.nbin, "bands")
    processes = _Processes("energy", kind, np.log(axis.center.to_value("TeV")), scale, typical_scale)
    return _sampled(model, axis, processes, None, random_state, options)


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
    energy_edges : `~astropy.units.Quantity`, list of str or MapAxis, optional
        Energy bands; by default one band, the range of the true energies.
    index : bool
        Whether minus the slope of the spectrum is free in each interval, with a normal prior of width 0.5 around that
        of the model; its draws are ``extra["tilt"]``. The norms are then ratios of photon fluxes in the bands.
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
    axis = band_axis(true_range(copies) if energy_edges is None else energy_edges, copies)
    model = banded(copies, source_names(dataset_models(copies), sources), axis, numbers, index=index)
    kind = _usable(TIME_PRIORS[prior], len(intervals), "intervals")
    processes = _Processes("time", kind, _middles(intervals), scale, typical_scale)
    return _sampled(model, axis, processes, intervals, random_state, options)


def _middles(intervals: Sequence[tuple[Time, Time]]) -> np.ndarray:
    """Middles of intervals, Modified Julian Dates in TAI."""
    return np.array([0.5 * (a.tai.mjd + b.tai.mjd) for a, b in intervals])


class _Processes:
    """Priors that join the norms of a group, and what they say of draws.

    A group are the norms of a source along energy, or of a source and an energy band along time.
    """

    def __init__(
        self, along: str, kind: str | None, positions: np.ndarray, scale: float | None, typical_scale: float
    ) -> None:
        self.along, self.kind, self.scale, self.typical_scale = along, kind, scale, typical_scale
        self.unit = float(np.median(np.diff(positions))) if len(positions) > 1 else 1.0
        self.positions = positions / self.unit
        self.priors: list[ProcessPrior] = []

    def grouped(self, values: np.ndarray) -> np.ndarray:
        """Values of norms, ``(..., n_source, n_time, n_energy)``, by group: ``(..., n_group, n)``."""
        moved = values if self.along == "energy" else np.swapaxes(values, -1, -2)
        return moved.reshape(*values.shape[:-3], -1, moved.shape[-1])

    def assign(self, model: Banded) -> None:
        """Give each group its prior."""
        if self.kind is None:
            return
        models = model.models
        names = np.array([models.parameter_names[b.parameter] for b in model.bands]).reshape(model.shape)
        settings: dict[str, Any] = {"kind": self.kind, "scale": self.scale, "typical_scale": self.typical_scale}
        for group in self.grouped(names):
            prior = ProcessPrior(group.tolist(), self.positions, **settings)
            models.set_joint_prior(prior)
            self.priors.append(prior)

    def scales(self, norms: np.ndarray, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Draws of the scale, and of the timescale if there is one, ``(n_group, n_draw)`` each.

        Parameters
        ----------
        norms : numpy.ndarray
            Draws of the norms, ``(n_draw, n_source, n_time, n_energy)``.
        rng : numpy.random.Generator
            Source of randomness.
        """
        groups = np.moveaxis(self.grouped(norms), 1, 0)
        drawn = [prior.draw_scale(group, rng) for prior, group in zip(self.priors, groups, strict=False)]
        if not drawn:
            return {}
        scale, timescale = np.swapaxes(np.array(drawn), 0, 1)
        return {"scale": scale} | ({"timescale": timescale * self.unit} if np.isfinite(timescale).all() else {})

    def ungrouped(self, values: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
        """Values by group, ``(n_group, n)``, in the shape of the norms."""
        if self.along == "energy":
            return values.reshape(shape)
        return np.swapaxes(values.reshape(shape[0], shape[2], shape[1]), 1, 2)


def _usable(kind: str | None, n: int, what: str) -> str | None:
    """The process; of two bands a curve is a straight line, which is no restriction: they are a walk."""
    if kind is not None and n < 2:
        raise ValueError(f"a prior that joins {what} needs at least two of them, got {n}; use prior='independent'")
    return "walk" if kind == "curve" and n == 2 else kind


def _sampled(
    model: Banded,
    axis: Any,
    processes: _Processes,
    intervals: Sequence[tuple[Time, Time]] | None,
    random_state: Any,
    options: Mapping[str, Any],
) -> PosteriorPoints:
    """Compile, sample, and put the points together."""
    processes.assign(model)
    rng = get_random_state(random_state)
    how = {key: options[key] for key in ("psf_route", "psf_tolerance", "irf_position") if key in options}
    fit = compile_fit(model.datasets, **how)
    _check_informed(fit, model)
    tree = fit.sample(random_state=rng, **{key: value for key, value in options.items() if key not in how})
    posterior, names = Posterior(tree), {id(parameter): name for name, parameter in fit.parameters.items()}

    def drawn(parameters: Sequence[Parameter], shape: tuple[int, ...]) -> np.ndarray:
        chains = np.stack([posterior.chains(names[id(p)]) for p in parameters], axis=-1)
        return chains.reshape(*chains.shape[:2], *shape)

    coords: dict[str, Any] = {"source": list(model.references), "energy": axis.center.to_value("TeV")}
    if intervals is not None:
        coords["time"] = _middles(intervals)

    def named(values: np.ndarray, *dims: str) -> xr.DataArray:
        own = {key: coords[key] for key in dims if key in coords}
        array = xr.DataArray(values, dims=["chain", "draw", *dims], coords=own)
        return array if intervals is not None or "time" not in dims else array.isel(time=0)

    norms = drawn([b.parameter for b in model.bands], model.shape)
    scales = processes.scales(norms.reshape(-1, *model.shape), rng)
    share = np.zeros(model.shape)
    if scales:
        share = processes.ungrouped(prior_shares(fit, tree, processes.priors, scales["scale"]), model.shape)
    extra = {}
    for name, values in scales.items():
        by_draw = values.T.reshape(*norms.shape[:2], len(model.references), -1)
        one = by_draw.shape[-1] == 1
        extra[name] = named(by_draw[..., 0], "source") if one else named(by_draw, "source", "energy")
    if model.tilts:
        tilts = drawn(list(model.tilts.values()), model.shape[:2])
        norms = norms * flux_ratios(list(model.references.values()), axis, tilts)
        extra["tilt"] = named(tilts, "source", "time")
    draws = named(norms, "source", "time", "energy").rename("norm")
    share = share if intervals is not None else share[:, 0]
    return PosteriorPoints(draws, model.references, axis, share, tree, intervals, extra)


def flux_ratios(references: Sequence[SkyModel], axis: MapAxis, tilts: np.ndarray) -> np.ndarray:
    """Return the photon fluxes of tilted spectra over those of their references, in energy bands.

    Parameters
    ----------
    references : sequence of SkyModel
        The sources.
    axis : MapAxis
        The bands; spectra are tilted around the geometric mean of the outer edges.
    tilts : numpy.ndarray
        What is added to minus the slope, shape ``(..., n_source, n_time)``.

    Returns
    -------
    numpy.ndarray
        Shape ``(..., n_source, n_time, n_energy)``.
    """
    pivot = np.sqrt(axis.edges[0] * axis.edges[-1])
    ratios = np.empty((*tilts.shape, axis.nbin))
    for k, (low, high) in enumerate(zip(axis.edges[:-1], axis.edges[1:], strict=True)):
        energy = np.geomspace(low, high, NODES)
        factor = np.exp(-tilts[..., None] * np.log((energy / pivot).to_value("")))
        for s, reference in enumerate(references):
            weight = (reference.spectral_model(energy) * energy).to_value("cm-2 s-1")  # the nodes are even in ln(E)
            mean = np.trapezoid(factor[..., s, :, :] * weight, axis=-1)
            ratios[..., s, :, k] = mean / np.trapezoid(weight)
    return ratios


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
