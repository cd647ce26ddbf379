"""The numbers behind posterior pictures: spectra of draws, predictive bands of counts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import astropy.units as u
import numpy as np

from bayesmap._types import RandomState, Region, Tree
from bayesmap._util import get_random_state
from bayesmap.inference import posterior_predictive
from bayesmap.maps import MapAxis, WcsGeom
from bayesmap.modeling.posterior import Posterior, parameter_draws
from bayesmap.modeling.spectral.uncertainty import flux_draws, parameter_samples, posterior_samples
from bayesmap.plot.residual_numbers import masked_counts, region_pixels

if TYPE_CHECKING:
    from bayesmap.datasets.map import MapDataset
    from bayesmap.modeling import SkyModel

__all__ = ["PredictiveBand", "parameter_draws", "predictive_band", "predictive_bands", "spectrum_draws"]

#: central probabilities of the bands that figures show
PROBABILITIES = (0.68, 0.95)


def spectrum_draws(
    tree: Tree, model: "SkyModel", energy: u.Quantity, num_draws: int = 300, random_state: RandomState = 0
) -> u.Quantity:
    """Differential flux of a model for posterior draws.

    Parameters
    ----------
    tree : xarray.DataTree
        Result of `bayesmap.sample`.
    model : SkyModel
        One of the sampled models.
    energy : `~astropy.units.Quantity`
        Energies, shape ``(n_energy,)``.
    num_draws : int
        Number of draws, at random without replacement; all if there are fewer.
    random_state : int, numpy.random.Generator or str
        Chooses the draws.

    Returns
    -------
    `~astropy.units.Quantity`
        Shape ``(num_draws, n_energy)``, in the unit of the model's amplitude.

    Raises
    ------
    KeyError
        If the posterior lacks a free parameter of the spectrum.
    """
    spectral = model.spectral_model
    samples = posterior_samples(spectral, tree, model.name)
    total = len(Posterior(tree))
    index = get_random_state(random_state).choice(total, min(num_draws, total), replace=False)
    draws = parameter_samples(spectral, num_draws, random_state, [column[index] for column in samples])
    return flux_draws(spectral, u.Quantity(energy), draws)[0]


@dataclass(frozen=True, eq=False)
class PredictiveBand:
    """Counts per energy in a region beside what the posterior predicts there.

    Attributes
    ----------
    axis : MapAxis
        Reconstructed energy.
    counts : numpy.ndarray
        Observed counts inside the mask, shape ``(n_energy,)``.
    draws : numpy.ndarray
        Counts drawn from the posterior predictive distribution, shape ``(num_draws, n_energy)``.
    n_pixels : int
        Pixels in the region.
    """

    axis: MapAxis
    counts: np.ndarray
    draws: np.ndarray
    n_pixels: int

    @property
    def mean(self) -> np.ndarray:
        """Mean of the drawn counts, shape ``(n_energy,)``."""
        return self.draws.mean(axis=0)

    @property
    def median(self) -> np.ndarray:
        """Median of the drawn counts, shape ``(n_energy,)``."""
        return np.median(self.draws, axis=0)

    def interval(self, probability: float) -> tuple[np.ndarray, np.ndarray]:
        """Central interval of the drawn counts, two arrays of shape ``(n_energy,)``."""
        low, high = np.quantile(self.draws, [0.5 - probability / 2, 0.5 + probability / 2], axis=0)
        return low, high

    @property
    def tail_probability(self) -> np.ndarray:
        """Share of the draws below the observed counts, ties counted half, shape ``(n_energy,)``."""
        below, equal = self.draws < self.counts, self.draws == self.counts
        return below.mean(axis=0) + 0.5 * equal.mean(axis=0)


def predictive_bands(
    tree: Tree,
    dataset: "MapDataset",
    regions: Mapping[str, Any],
    num_draws: int = 200,
    random_state: RandomState = 0,
    **options: Any,
) -> dict[str, PredictiveBand]:
    """Counts and posterior predictive counts per energy in several regions, from the same draws.

    Parameters
    ----------
    tree : xarray.DataTree
        Result of `bayesmap.sample`.
    dataset : MapDataset
        With counts and the sampled models.
    regions : Mapping of str to region
        Sky regions by name; None is the whole map.
    num_draws : int
        Number of posterior draws; all if there are fewer.
    random_state : int, numpy.random.Generator or str
        Chooses the draws and draws the counts.
    **options
        For `bayesmap.inference.posterior_predictive`, for example ``psf_route``.

    Returns
    -------
    dict of PredictiveBand
        By the names of the regions. Cubes are reduced draw by draw, so memory stays small.

    Raises
    ------
    TypeError
        If there are several datasets.
    """
    if isinstance(dataset, Sequence):
        names = [one.name for one in dataset]
        raise TypeError(f"give one dataset, such as datasets[{names[0]!r}], not all of {names}")
    sums = RegionSums(dataset, regions)
    draws = posterior_predictive(
        tree,
        dataset,
        num_draws=min(num_draws, len(Posterior(tree))),
        reduce=sums.of,
        random_state=random_state,
        **options,
    )
    return sums.bands(draws)


class RegionSums:
    """Counts per energy in several regions, inside the mask of a dataset.

    Parameters
    ----------
    dataset : MapDataset
        With counts.
    regions : Mapping of str to region
        Sky regions by name; None is the whole map.
    """

    def __init__(self, dataset: "MapDataset", regions: Mapping[str, Any]) -> None:
        self.counts = masked_counts(dataset, dataset.counts)[0]
        self.pixels = {name: region_pixels(cast(WcsGeom, self.counts.geom), region) for name, region in regions.items()}
        self._keep = np.ones(self.counts.data.shape, dtype=bool) if dataset.mask is None else dataset.mask.data

    def of(self, cube: np.ndarray) -> np.ndarray:
        """Sums of a cube ``(n_energy, n_lat, n_lon)``, shape ``(n_region, n_energy)``."""
        return _sums(np.where(self._keep, cube, 0.0), list(self.pixels.values()))

    def bands(self, draws: np.ndarray) -> dict[str, PredictiveBand]:
        """The observed counts beside sums of drawn ones, shape ``(num_draws, n_region, n_energy)``; by region."""
        observed, axis = self.of(self.counts.data), self.counts.geom.axes["energy"]
        return {
            name: PredictiveBand(axis, observed[i], draws[:, i], int(inside.sum()))
            for i, (name, inside) in enumerate(self.pixels.items())
        }


def _sums(cube: np.ndarray, pixels: Sequence[np.ndarray]) -> np.ndarray:
    """Sum of a cube over each set of pixels, shape ``(n_sets, n_energy)``."""
    return np.stack([cube[:, inside].sum(axis=1) for inside in pixels])


def predictive_band(
    tree: Tree,
    dataset: "MapDataset",
    region: Region | None = None,
    num_draws: int = 200,
    random_state: RandomState = 0,
    **options: Any,
) -> PredictiveBand:
    """Counts and posterior predictive counts per energy in a region; see `predictive_bands`."""
    return predictive_bands(tree, dataset, {"region": region}, num_draws, random_state, **options)["region"]
