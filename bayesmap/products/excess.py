"""Maps of excess and significance, and how often chance makes as large a maximum anywhere."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from astropy.coordinates import SkyCoord

from bayesmap._types import QuantityLike, RandomState, Tree
from bayesmap._util import get_random_state
from bayesmap.checks.checking import check_data
from bayesmap.checks.counted import has_mean
from bayesmap.checks.passes import pixels_of
from bayesmap.checks.statistics import SmoothedResidual
from bayesmap.inference.listing import as_dataset
from bayesmap.inference.observations import Observation, ObservedCounts
from bayesmap.inference.one_source import without_sources
from bayesmap.inference.predicted import thinned
from bayesmap.inference.streaming import Draw, Moments, Stream, routes_of
from bayesmap.maps import Map, WcsGeom

if TYPE_CHECKING:
    from bayesmap.datasets.map import MapDataset

__all__ = ["ExcessMap", "excess_map"]


@dataclass(frozen=True, eq=False)
class ExcessMap:
    """Counts beyond a prediction in a disk around each pixel; print it.

    Attributes
    ----------
    excess : Map
        Counts minus prediction, summed over energies and the disk; NaN where no energy is in the mask.
    significance : Map
        In standard deviations, without a penalty for the number of places.
    p_excess, p_deficit : float
        Share of replicated data sets whose largest excess (deficit) anywhere is larger than that of the data: the
        number of places is paid for.
    without : tuple of str
        Sources that are not in the prediction.
    num_draws : int
        Number of replicated data sets.
    """

    excess: Map
    significance: Map
    p_excess: float
    p_deficit: float
    without: tuple[str, ...]
    num_draws: int

    @property
    def position(self) -> SkyCoord:
        """Centre of the pixel of the largest significance."""
        image = self.significance.data.reshape(self.significance.data.shape[-2:])
        row, column = np.unravel_index(int(np.nanargmax(image)), image.shape)
        return self.significance.geom.to_image().get_coord().skycoord[row, column]

    def __str__(self) -> str:
        largest = float(np.nanmax(self.significance.data))
        without = f" without {', '.join(self.without)}" if self.without else ""
        return (
            f"The largest excess over the prediction{without} has {largest:.2f} standard deviations, at "
            f"{self.position.to_string('decimal', precision=3)} deg ({self.position.frame.name}); p = "
            f"{self.p_excess:.2g} for as large a one anywhere ({self.num_draws} replicated data sets)."
        )


def excess_map(
    tree: Tree,
    dataset: "MapDataset",
    radius: QuantityLike = "0.1 deg",
    *,
    without: str | Sequence[str] = (),
    num_draws: int = 500,
    random_state: RandomState = 0,
) -> ExcessMap:
    """Excess and significance around each pixel over what a posterior predicts, and the p-value of the maximum.

    Parameters
    ----------
    tree : xarray.DataTree
        Result of `bayesmap.sample`.
    dataset : MapDataset
        With the counts and the models that were sampled.
    radius : `~astropy.units.Quantity`, str or float
        Radius of the disk, in pixels if a number.
    without : str or sequence of str
        Sources that are left out of the prediction, to see them as an excess.
    num_draws : int
        Number of draws, at least, evenly spaced; each makes one replicated data set. All if there are fewer.
    random_state : int, numpy.random.Generator or str
        Draws the replicated data.

    Returns
    -------
    ExcessMap
        Print it; its maps are images ``(1, n_lat, n_lon)``.

    Raises
    ------
    KeyError
        If the posterior lacks a free parameter, or a source that is left out is not there.
    ValueError
        If the dataset has no image, or a background that is measured in OFF regions; if the tree is of other counts.

    Notes
    -----
    The significance is the signed root of the likelihood ratio (Li & Ma 1983, ApJ 272, 317, for a known background) of
    the counts in the disk, with the mean prediction of the draws. The p-value compares data and replicated data with
    the prediction of the same draw (Gelman, Meng and Stern 1996, Statistica Sinica 6, 733). The draws of the rest are
    those of the fit with the sources that are left out.
    """
    dataset, rng = as_dataset(dataset), get_random_state(random_state)
    names = (without,) if isinstance(without, str) else tuple(without)
    shown = without_sources([dataset], names)[0] if names else dataset
    total = tree["posterior"].sizes["chain"] * tree["posterior"].sizes["draw"]
    few = thinned(tree, min(num_draws, total))
    routes = routes_of(tree, dataset.name)
    kept = {model.name for model in shown.models or ()}
    route = {model: route for model, route in routes["psf_route"].items() if model in kept} if routes else None
    stream = Stream(few, shown, psf_route=route)
    observed = _counts_image(stream.observed)
    check_data(tree, observed, np.asarray(observed.counts))
    geom, mask = observed.arrays.geom, observed.mask
    statistic = SmoothedResidual(geom, pixels_of(geom, radius), mask)
    counts = np.where(mask, np.asarray(observed.counts), 0.0)

    def predicted(draw: Draw) -> np.ndarray:
        return np.where(mask, np.maximum(draw.expected, 0), 0.0)

    def ends(draw: Draw) -> np.ndarray:
        mean = predicted(draw)
        deviations = statistic.measure(counts, mean), statistic.measure(np.where(mask, draw.replicate, 0.0), mean)
        return np.array([[one.max(), -one.min()] for one in deviations])

    made = stream.reduce({"ends": ends, "mean": Moments(predicted)}, rng=rng)
    mean = made["mean"][0]
    of_data, replicated = made["ends"][:, 0], made["ends"][:, 1]
    larger = (replicated > of_data).sum(axis=0) + 0.5 * (replicated == of_data).sum(axis=0)
    p_excess, p_deficit = (0.5 + larger) / (len(replicated) + 1)
    excess = _image(geom, statistic.inside, statistic.sums(counts) - statistic.sums(mean))
    significance = _image(geom, statistic.inside, statistic.measure(counts, mean))
    return ExcessMap(excess, significance, float(p_excess), float(p_deficit), names, len(replicated))


def _counts_image(observed: Observation) -> ObservedCounts:
    """What is observed, if it is an image of counts with a prediction that does not depend on them."""
    if not isinstance(observed, ObservedCounts) or observed.counts is None:
        raise ValueError(f"dataset {observed.name!r} holds {observed.content}; an excess map is one of counts")
    if observed.arrays.is_region:
        raise ValueError(f"dataset {observed.name!r} is of a region and has no image; see CashCountsStatistic")
    if not has_mean(observed):
        raise ValueError(
            f"dataset {observed.name!r}: its background is measured in OFF regions or its noise is not that of counts: "
            "there is no prediction that does not depend on the counts; see WStatCountsStatistic for the excess of "
            "single bins"
        )
    return observed


def _image(geom: WcsGeom, inside: np.ndarray, values: np.ndarray) -> Map:
    """Values of the pixels that are looked at, as an image, NaN elsewhere."""
    image = np.full(inside.shape, np.nan)
    image[inside] = values
    squashed = geom.squash("energy")
    return Map.from_geom(squashed, data=image.reshape(squashed.data_shape), unit="")
