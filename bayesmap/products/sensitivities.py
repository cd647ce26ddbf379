"""The smallest flux of a source that will be seen."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import astropy.units as u
import numpy as np
from astropy.table import QTable

from bayesmap._util import suggest
from bayesmap.datasets.onoff import MapDatasetOnOff
from bayesmap.inference.listing import as_datasets, dataset_models
from bayesmap.maps import MapAxis
from bayesmap.stats import WStatCountsStatistic
from bayesmap.stats.counts_statistic import rising_root
from bayesmap.stats.significance import sqrt_ts
from bayesmap.units import as_quantity

if TYPE_CHECKING:
    from bayesmap.datasets import Datasets, MapDataset

__all__ = ["sensitivity"]

#: edges of bins and of bands agree to this fraction
SAME = 1e-5


def sensitivity(
    datasets: "MapDataset | Datasets",
    source: str,
    energy_edges: u.Quantity | None = None,
    significance: float = 5.0,
    *,
    n_min: float = 10.0,
    background_fraction: float = 0.05,
) -> QTable:
    r"""Smallest flux of a source that is significant in each energy band, on average.

    Counts are set to what is expected (Asimov data), and the norm of the source is the one for which

    .. math::
        \mathrm{TS} = \sum_i \mathrm{TS}_i(b_i + x_i, b_i) = \mathrm{significance}^2

    over all bins of the band, with the expected counts x of the source and b of everything else.

    Parameters
    ----------
    datasets : MapDataset, Datasets or list of MapDataset
        With models; they need no counts. Several datasets are looked at together. The background of ON/OFF datasets is
        ``alpha * counts_off``, and its uncertainty is in TS.
    source : str
        Name of the source among the models: where it is, its shape, and its spectrum within a band.
    energy_edges : `~astropy.units.Quantity`, optional
        Edges of the bands in reconstructed energy, shape ``(n + 1,)``, at edges of bins; all bins by default.
    significance : float
        Square root of TS.
    n_min : float
        Counts of the source, at least.
    background_fraction : float
        Counts of the source as a fraction of the background under it, at least, for its systematic errors.

    Returns
    -------
    `~astropy.table.QTable`
        Rows are bands; columns ``e_ref``, ``e_min``, ``e_max``, ``e2dnde`` (at ``e_ref``), ``flux`` (the integral over
        the band), ``excess`` (counts of the source), ``background`` (counts under it) and ``criterion``, the condition
        that decides: "significance", "gamma" (``n_min``) or "bkg" (``background_fraction``). A band in which the source
        is not seen has NaN and the criterion "none".

    Raises
    ------
    KeyError
        If no dataset has the source.
    ValueError
        If edges are not those of bins, or a number is impossible.

    Notes
    -----
    Names, defaults and, for a spectrum with OFF counts, numbers are those of Gammapy's ``SensitivityEstimator``. What
    is different: the spectrum is that of the source and not a power law of index 2; of maps all pixels are used and not
    a circle, and the background under a source with counts x is :math:`(\sum x)^2 / \sum (x^2 / b)`; datasets are
    combined; a known background has the likelihood without OFF counts. Parameters of other models are known; `fisher`
    has the errors with all of them free.

    References
    ----------
    Li & Ma 1983, ApJ 272, 317; Cowan et al. 2011, EPJ C 71, 1554 (Asimov data).
    """
    numbers = {"significance": significance, "n_min": n_min, "background_fraction": background_fraction}
    for what, value in numbers.items():
        if not (np.isfinite(value) and value >= 0):
            raise ValueError(f"{what} must be a number that is not negative, got {value!r}")
    listed = as_datasets(datasets)
    models = dataset_models(listed)
    if source not in models.names:
        raise KeyError(f"no model {source!r}{suggest(source, models.names)}")
    edges = _edges(listed[0]) if energy_edges is None else as_quantity(energy_edges)
    seen = [dataset for dataset in listed if source in {model.name for model in dataset.models or ()}]
    tables = [(_counts(dataset, source), dataset._geom.axes["energy"], dataset.name) for dataset in seen]
    spectrum, rows = models[source].spectral_model, []
    for low, high in zip(edges[:-1], edges[1:], strict=True):
        parts = [_band(table, _bins(axis, low, high, name)) for table, axis, name in tables]
        signal, rest, off, alpha = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
        excess, background, criterion = _smallest(signal, rest, off, alpha, significance, n_min, background_fraction)
        norm, middle = excess / signal.sum() if signal.sum() > 0 else np.nan, np.sqrt(low * high)
        rows.append(
            {
                "e_ref": middle,
                "e_min": low,
                "e_max": high,
                "e2dnde": (norm * spectrum(middle) * middle**2).to("erg cm-2 s-1"),
                "flux": norm * spectrum.integral(low, high),
                "excess": excess,
                "background": background,
                "criterion": criterion,
            }
        )
    return QTable(rows)


def _edges(dataset: "MapDataset") -> u.Quantity:
    return dataset._geom.axes["energy"].edges


def _counts(dataset: "MapDataset", source: str) -> tuple[np.ndarray, ...]:
    """Expected counts of the source and of the rest, OFF counts and alpha, with zero weight outside of the mask.

    Alpha is NaN where the background is known.
    """
    others = [m.name for m in dataset.models or () if m.contribution == "signal" and m.name != source]
    signal = dataset.npred_signal([source]).data
    rest = dataset.npred_signal(others).data if others else np.zeros_like(signal)
    if isinstance(dataset, MapDatasetOnOff):
        if dataset.counts_off is None:
            raise ValueError(f"dataset {dataset.name!r} has no OFF counts, which say how large the background is")
        off, alpha = dataset.counts_off.data.astype("float64"), dataset.alpha.data
        signal = np.where(np.isfinite(alpha), signal, 0.0)  # without acceptance nothing is known of the background
        rest = rest + np.where(off > 0, alpha * off, 0.0)
    else:
        background = dataset.npred_background()
        rest = rest if background is None else rest + background.data
        off, alpha = np.zeros_like(signal), np.full_like(signal, np.nan)
    keep = np.ones(signal.shape, dtype=bool) if dataset.mask is None else dataset.mask.data
    return np.where(keep, signal, 0.0), rest, off, alpha


def _bins(axis: MapAxis, low: u.Quantity, high: u.Quantity, name: str) -> slice:
    """Bins of an axis between two energies."""
    edges = axis.edges.to_value("TeV")
    places = [np.flatnonzero(np.abs(edges / end.to_value("TeV") - 1) < SAME) for end in (low, high)]
    if any(len(place) != 1 for place in places) or places[0] >= places[1]:
        raise ValueError(
            f"dataset {name!r}: the band from {low:.4g} to {high:.4g} does not begin and end at edges of its bins, "
            f"{axis.edges}"
        )
    return slice(int(places[0][0]), int(places[1][0]))


def _band(table: Sequence[np.ndarray], bins: slice) -> list[np.ndarray]:
    """The bins of a band in which the source is seen, as vectors."""
    signal = table[0][bins].ravel()
    return [cube[bins].ravel()[signal > 0] for cube in table]


def _smallest(
    signal: np.ndarray,
    rest: np.ndarray,
    off: np.ndarray,
    alpha: np.ndarray,
    significance: float,
    n_min: float,
    fraction: float,
) -> tuple[float, float, str]:
    """Smallest counts of a source, background under it, and the condition that decides."""
    total = signal.sum()
    if total <= 0:
        return np.nan, np.nan, "none"
    share, measured = signal / total, np.isfinite(alpha)
    with np.errstate(divide="ignore"):
        background = 1 / (share**2 / rest).sum()

    def missing(counts: float) -> float:
        seen = sqrt_ts(rest + counts * share, rest)[~measured] ** 2
        on, beside = rest[measured] + counts * share[measured], rest[measured] - alpha[measured] * off[measured]
        pairs = WStatCountsStatistic(on, off[measured], alpha[measured], beside)
        return float(min(seen.sum() + pairs.ts.sum(), 1e300) - significance**2)

    needed = rising_root(missing, 0.0, significance * np.sqrt(background) + significance**2)
    conditions = {"significance": needed, "gamma": n_min, "bkg": fraction * background}
    criterion = max(conditions, key=lambda key: conditions[key])
    return conditions[criterion], float(background), criterion
