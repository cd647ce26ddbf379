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
from bayesmap.stats import WStatCountsStatistic

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
    correlate_off: bool = True,
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
    correlate_off : bool
        Whether the OFF counts of the pixels of a disk are added up, see below.
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
        If the dataset has no image, or noise that is not that of counts; if the tree is of other counts.

    Notes
    -----
    The significance is the signed root of the likelihood ratio (Li & Ma 1983, ApJ 272, 317, for a known background) of
    the counts in the disk, with the mean prediction of the draws. The p-value compares data and replicated data with
    the prediction of the same draw (Gelman, Meng and Stern 1996, Statistica Sinica 6, 733). The draws of the rest are
    those of the fit with the sources that are left out.

    Of a `MapDatasetOnOff` the prediction is that of the sources alone plus the background that OFF counts say, and the
    significance is equation 17 of Li & Ma for the ON and OFF counts of the disk, with the ratio of acceptances
    ``sum(alpha * counts_off) / sum(counts_off)`` as Gammapy's ``ExcessMapEstimator`` has it. OFF counts of pixels are
    taken for different events. Rings around neighbouring pixels share theirs, which makes the OFF counts of a disk look
    more than they are; ``correlate_off=False`` then takes those of the pixel in the middle. Replicated ON counts are
    drawn with a background that is drawn given the OFF counts of each bin, which are kept.
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
    disks = SmoothedResidual(geom, pixels_of(geom, radius), mask)
    over = _OverKnown(disks, observed) if has_mean(observed) else _OverMeasured(disks, observed, correlate_off)
    counts = np.where(mask, np.asarray(observed.counts), 0.0)

    def ends(draw: Draw) -> np.ndarray:
        mean = over.predicted(draw)
        replicate = np.where(mask, draw.replicate, 0.0)
        deviations = over.significance(counts, mean), over.significance(replicate, mean)
        return np.array([[one.max(), -one.min()] for one in deviations])

    made = stream.reduce({"ends": ends, "mean": Moments(over.predicted)}, rng=rng)
    mean = made["mean"][0]
    of_data, replicated = made["ends"][:, 0], made["ends"][:, 1]
    larger = (replicated > of_data).sum(axis=0) + 0.5 * (replicated == of_data).sum(axis=0)
    p_excess, p_deficit = (0.5 + larger) / (len(replicated) + 1)
    excess = _image(geom, disks.inside, over.excess(counts, mean))
    significance = _image(geom, disks.inside, over.significance(counts, mean))
    return ExcessMap(excess, significance, float(p_excess), float(p_deficit), names, len(replicated))


class _OverKnown:
    """Counts in disks over what is predicted of them."""

    def __init__(self, disks: SmoothedResidual, observed: ObservedCounts) -> None:
        self.disks, self.mask = disks, observed.mask

    def predicted(self, draw: Draw) -> np.ndarray:
        """What a draw says of the cube, zero outside the mask."""
        return np.where(self.mask, np.maximum(draw.expected, 0), 0.0)

    def excess(self, counts: np.ndarray, predicted: np.ndarray) -> np.ndarray:
        """Excess of each disk, shape ``(n_pixel,)``."""
        return self.disks.sums(counts) - self.disks.sums(predicted)

    def significance(self, counts: np.ndarray, predicted: np.ndarray) -> np.ndarray:
        """Standard deviations of each disk, shape ``(n_pixel,)``."""
        return self.disks.measure(counts, predicted)


class _OverMeasured(_OverKnown):
    """Counts in disks over a predicted signal and a background that is measured in OFF regions."""

    def __init__(self, disks: SmoothedResidual, observed: ObservedCounts, correlate_off: bool) -> None:
        super().__init__(disks, observed)
        off, alpha = (np.where(self.mask, observed.off[key].get_value(), 0.0) for key in ("counts_off", "alpha"))
        self.background = np.maximum(disks.sums(alpha * off), 0)
        number = np.rint(disks.sums(off)) if correlate_off else off.sum(axis=0)[disks.inside]
        # without OFF counts the ratio is that of the mean acceptances
        acceptance = disks.sums(alpha) / (disks.sums(self.mask.astype("float64")) if correlate_off else 1.0)
        self.number = number
        self.ratio = np.where(number > 0, self.background / np.maximum(number, 1), acceptance)

    def predicted(self, draw: Draw) -> np.ndarray:
        """The signal of a draw, zero outside the mask."""
        observed = draw.observed
        assert isinstance(observed, ObservedCounts)
        signal = observed.npred(*draw.arguments[: len(observed.parameters)])
        return np.where(self.mask, np.maximum(signal, 0), 0.0)

    def excess(self, counts: np.ndarray, predicted: np.ndarray) -> np.ndarray:
        """Excess of each disk, shape ``(n_pixel,)``."""
        return super().excess(counts, predicted) - self.background

    def significance(self, counts: np.ndarray, predicted: np.ndarray) -> np.ndarray:
        """Standard deviations of each disk, shape ``(n_pixel,)``."""
        signal = np.maximum(self.disks.sums(predicted), 0)
        return WStatCountsStatistic(np.rint(self.disks.sums(counts)), self.number, self.ratio, signal).sqrt_ts


def _counts_image(observed: Observation) -> ObservedCounts:
    """What is observed, if it is an image of counts with a prediction that does not depend on them."""
    if not isinstance(observed, ObservedCounts) or observed.counts is None:
        raise ValueError(f"dataset {observed.name!r} holds {observed.content}; an excess map is one of counts")
    if observed.arrays.is_region:
        raise ValueError(f"dataset {observed.name!r} is of a region and has no image; see CashCountsStatistic")
    if observed.likelihood.allows_negative:
        raise ValueError(f"dataset {observed.name!r}: its noise is not that of counts, an excess map is one of counts")
    return observed


def _image(geom: WcsGeom, inside: np.ndarray, values: np.ndarray) -> Map:
    """Values of the pixels that are looked at, as an image, NaN elsewhere."""
    image = np.full(inside.shape, np.nan)
    image[inside] = values
    squashed = geom.squash("energy")
    return Map.from_geom(squashed, data=image.reshape(squashed.data_shape), unit="")
