"""Sources whose spectrum is free in bands of energy and intervals of time: the models of flux points."""

import copy
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import astropy.units as u
import numpy as np
from astropy.time import Time

from bayesmap._types import Tree
from bayesmap._util import suggest
from bayesmap.inference.listing import dataset_models
from bayesmap.maps import MapAxis
from bayesmap.modeling import (
    Models,
    Parameter,
    PowerLawNormSpectralModel,
    Prior,
    SkyModel,
    SpectralModel,
    StepNormSpectralModel,
)
from bayesmap.modeling.posterior import Posterior
from bayesmap.units import as_quantity

if TYPE_CHECKING:
    from bayesmap.datasets.base import Dataset

__all__ = ["Band", "Banded", "band_axis", "banded", "intervals_of", "own_models", "source_names", "true_range"]

#: a run may begin so much before its interval, or end so much after it
TOLERANCE = 1e-3 * u.s
INDEX_WIDTH = 0.5  # of the prior of the change of an index from interval to interval


@dataclass(frozen=True)
class Band:
    """One free norm, and what it is the norm of.

    Attributes
    ----------
    source : str
        Name of the source.
    interval, energy : int
        Number of the interval of time and of the energy band.
    parameter : Parameter
        The norm.
    """

    source: str
    interval: int
    energy: int
    parameter: Parameter


@dataclass
class Banded:
    """Datasets whose sources have free norms.

    Attributes
    ----------
    datasets : list of Dataset
        Shallow copies of those given, with models of their own.
    references : dict of SkyModel
        The source of each name with the spectrum that the norms multiply, all of it frozen.
    bands : list of Band
        The norms.
    tilts : dict of tuple to Parameter
        What is added to minus the slope of a spectrum, by source and number of the interval.
    """

    datasets: "list[Dataset]"
    references: dict[str, SkyModel]
    bands: list[Band] = field(default_factory=list)
    tilts: dict[tuple[str, int], Parameter] = field(default_factory=dict)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Numbers of sources, of intervals, and of energy bands; the norms are in this order."""
        last = self.bands[-1]
        return len(self.references), last.interval + 1, last.energy + 1

    @property
    def models(self) -> Models:
        """All models, each once."""
        return dataset_models(self.datasets)


def own_models(datasets: "Sequence[Dataset]", tree: Tree | None) -> "list[Dataset]":
    """Return shallow copies of datasets with models of their own, at the means of a posterior.

    Parameters
    ----------
    datasets : sequence of Dataset
        With models.
    tree : xarray.DataTree, optional
        Result of `bayesmap.sample` for these datasets and models.

    Raises
    ------
    KeyError
        If the posterior lacks a free parameter.
    ValueError
        If it has parameters that the models lack, or is one of other datasets.
    """
    copies = [copy.copy(dataset) for dataset in datasets]
    listed = dataset_models(datasets)
    models = copy.deepcopy(listed)
    own = {id(old): new for old, new in zip(listed, models, strict=True)}
    for dataset in copies:
        dataset.models = Models([own[id(m)] for m in dataset.models or ()])
    if tree is not None:
        _check_tree(tree, models, [dataset.name for dataset in datasets])
        models.set_values(tree)
    return copies


def _check_tree(tree: Tree, models: Models, names: Sequence[str]) -> None:
    """Raise a ValueError if a posterior is one of other models or datasets."""
    posterior = Posterior(tree)
    known = posterior.parameters(models.parameter_names)
    hyper = set(models.hyperparameters)
    other = [name for name in posterior.scalars if name not in known and name not in hyper]
    sampled = [str(n).rpartition(".")[0] for n in tree["observed_data"].data_vars] if "observed_data" in tree else names
    if missing := sorted({name for name in sampled if name} - set(names)):
        raise ValueError(f"the tree is the posterior of other data: datasets {missing} were left out, given {names}")
    if other:
        raise ValueError(f"the tree is the posterior of other models: {other} are not parameters of the models given")


def source_names(models: Models, sources: str | Sequence[str] | None) -> list[str]:
    """Return the names of sources: those given, or all whose spectrum has a free parameter.

    Raises
    ------
    ValueError
        If there is none.
    KeyError
        If a name is unknown.
    """
    known = [m.name for m in models if isinstance(m, SkyModel)]
    if sources is None:
        free = [m.name for m in models if isinstance(m, SkyModel) and not m.spectral_model.frozen]
        if not free:
            raise ValueError(f"no source has a spectrum with a free parameter, sources are {known}; name some")
        return free
    listed = [sources] if isinstance(sources, str) else list(sources)
    for name in listed:
        if name not in known:
            raise KeyError(f"no source {name!r}{suggest(name, known)}")
    return listed


def band_axis(energy_edges: Any, datasets: "Sequence[Dataset]") -> MapAxis:
    """Return energy edges as an axis.

    Raises
    ------
    ValueError
        If the edges do not ascend, or lie outside the true energies of all datasets.
    """
    edges = energy_edges.edges if isinstance(energy_edges, MapAxis) else _energies(energy_edges)
    if edges.ndim != 1 or len(edges) < 2 or not edges.unit.is_equivalent("TeV") or not np.all(np.diff(edges) > 0):
        raise ValueError(f"energy_edges must be at least two ascending energies, got {energy_edges!r:.200}")
    low, high = true_range(datasets)
    slack = 1e-6
    if edges[0] < low * (1 - slack) or edges[-1] > high * (1 + slack):
        raise ValueError(
            f"energy_edges reach from {edges[0]:.4g} to {edges[-1]:.4g}; the true energies of the responses only from "
            f"{low:.4g} to {high:.4g}"
        )
    return MapAxis.from_energy_edges(edges, name="energy")


def _energies(edges: Any) -> u.Quantity:
    """Energies in one array; each may be written with its unit, as "1 TeV"."""
    if isinstance(edges, list | tuple) and all(isinstance(edge, str) for edge in edges):
        return u.Quantity([as_quantity(edge) for edge in edges])
    return u.Quantity(edges)


def true_range(datasets: "Sequence[Dataset]") -> u.Quantity:
    """Return the lowest and the highest true energy of datasets together, shape ``(2,)``.

    Raises
    ------
    ValueError
        If none has an exposure over true energies.
    """
    exposures = [exposure for d in datasets if (exposure := getattr(d, "exposure", None)) is not None]
    if not exposures:
        raise ValueError(f"no dataset has an exposure over true energies: {[d.name for d in datasets]}")
    edges = [exposure.geom.axes["energy_true"].edges for exposure in exposures]
    return u.Quantity([min(e.min() for e in edges), max(e.max() for e in edges)])


def intervals_of(datasets: "Sequence[Dataset]", time_intervals: Any) -> tuple[list[tuple[Time, Time]], dict[str, int]]:
    """Return the intervals of a light curve, and which one each dataset belongs to.

    Parameters
    ----------
    datasets : sequence of Dataset
        With good time intervals.
    time_intervals : GTI, `~astropy.time.Time`, sequence of pairs of them, or None
        Intervals, or their ascending edges; by default one per dataset, those that overlap joined.

    Returns
    -------
    intervals : list of tuple of `~astropy.time.Time`
        Start and stop of those that have data.
    numbers : dict of str to int
        Number of the interval by the name of the dataset; those in none are left out.

    Raises
    ------
    ValueError
        If a dataset has no good time intervals, lies in two intervals, or intervals overlap.
    """
    spans = {dataset.name: _span(dataset) for dataset in datasets}
    intervals = _joined(list(spans.values())) if time_intervals is None else _pairs(time_intervals)
    for (_, stop), (start, _) in zip(intervals, intervals[1:], strict=False):
        if start < stop - TOLERANCE:
            raise ValueError(f"time_intervals must ascend and not overlap; {start.iso} is before {stop.iso}")
    found: dict[str, int] = {}
    for name, (start, stop) in spans.items():
        inside = [i for i, (a, b) in enumerate(intervals) if start >= a - TOLERANCE and stop <= b + TOLERANCE]
        touched = [i for i, (a, b) in enumerate(intervals) if start < b - TOLERANCE and stop > a + TOLERANCE]
        if inside:
            found[name] = inside[0]
        elif touched:
            raise ValueError(
                f"dataset {name!r}, from {start.iso} to {stop.iso}, lies only partly in the interval from "
                f"{intervals[touched[0]][0].iso} to {intervals[touched[0]][1].iso}: divide it when it is made from "
                "events, or move the edge"
            )
    left_out = [name for name in spans if name not in found]
    if len(left_out) == len(spans):
        raise ValueError(f"no dataset lies in any of the intervals; the first is from {spans[left_out[0]][0].iso}")
    if left_out:
        warnings.warn(f"datasets in no interval are left out: {left_out}", UserWarning, stacklevel=3)
    used = sorted(set(found.values()))
    return [intervals[i] for i in used], {name: used.index(i) for name, i in found.items()}


def _span(dataset: "Dataset") -> tuple[Time, Time]:
    gti = dataset.gti  # type: ignore[attr-defined]
    if gti is None or not len(gti.table):
        raise ValueError(
            f"dataset {dataset.name!r} has no good time intervals (gti), which a light curve needs; set its gti, "
            "for example to GTI.create(start, stop)"
        )
    return gti.time_start.min(), gti.time_stop.max()


def _joined(spans: Sequence[tuple[Time, Time]]) -> list[tuple[Time, Time]]:
    """Spans in order, those that overlap as one."""
    joined: list[tuple[Time, Time]] = []
    for start, stop in sorted(spans, key=lambda span: float(span[0].tai.mjd)):
        if joined and start < joined[-1][1] - TOLERANCE:
            joined[-1] = (joined[-1][0], max(joined[-1][1], stop))
        else:
            joined.append((start, stop))
    return joined


def _pairs(time_intervals: Any) -> list[tuple[Time, Time]]:
    if hasattr(time_intervals, "time_start"):
        return list(zip(time_intervals.time_start, time_intervals.time_stop, strict=True))
    if isinstance(time_intervals, Time):
        return list(zip(time_intervals[:-1], time_intervals[1:], strict=True))
    pairs = [tuple(Time(x) for x in pair) for pair in time_intervals]
    if not pairs or any(len(pair) != 2 or pair[1] <= pair[0] for pair in pairs):
        raise ValueError(f"time_intervals must be pairs of a start and a later stop, got {time_intervals!r:.200}")
    return [(start, stop) for start, stop in pairs]


def banded(
    datasets: "list[Dataset]",
    sources: Sequence[str],
    axis: MapAxis,
    numbers: dict[str, int] | None = None,
    *,
    index: bool = False,
) -> Banded:
    """Give sources free norms in bands, flat and not negative.

    Parameters
    ----------
    datasets : list of Dataset
        See `own_models`; their models are changed.
    sources : sequence of str
        Names of sources.
    axis : MapAxis
        Energy bands.
    numbers : dict of str to int, optional
        Number of the interval of time of each dataset; by default all are in one.
    index : bool
        Whether minus the slope of the spectrum is free in each interval too.
    """
    models = {m.name: m for d in datasets for m in d.models or () if isinstance(m, SkyModel)}
    result = Banded(datasets, {name: _frozen(models[name]) for name in sources})
    count = 1 if numbers is None else max(numbers.values()) + 1
    new: dict[tuple[str, int], SkyModel] = {}
    for name in sources:
        for interval in range(count):
            copied = f"{name}_t{interval}" if numbers is not None else name
            new[name, interval] = _free_source(result, models[name], copied, name, interval, axis, index)
    for dataset in datasets:
        number = 0 if numbers is None else numbers[dataset.name]
        dataset.models = Models([new.get((m.name, number), m) for m in dataset.models or ()])
    return result


def _frozen(model: SkyModel) -> SkyModel:
    spectrum = copy.deepcopy(model.spectral_model)
    spectrum.freeze()
    return SkyModel(spectrum, name=model.name)


def _free_source(
    result: Banded, model: SkyModel, copied: str, source: str, interval: int, axis: MapAxis, index: bool
) -> SkyModel:
    """A source whose norms are free; shape and time dependence are those of the model, not copies."""
    spectrum: SpectralModel = result.references[source].spectral_model
    step = StepNormSpectralModel(axis.edges)
    for energy, parameter in enumerate(step.parameters):
        parameter.min, parameter.prior = 0.0, Prior("Flat")
        result.bands.append(Band(source, interval, energy, parameter))
    if index:
        tilt = PowerLawNormSpectralModel(reference=np.sqrt(axis.edges[0] * axis.edges[-1]))
        tilt.freeze()
        tilt.tilt.frozen, tilt.tilt.prior = False, Prior("Normal", mu=0.0, sigma=INDEX_WIDTH)
        result.tilts[source, interval] = tilt.tilt
        spectrum = spectrum * tilt
    return SkyModel(
        spectrum * step,
        model.spatial_model,
        model.temporal_model,
        name=copied,
        apply_irf=model.apply_irf,
    )
