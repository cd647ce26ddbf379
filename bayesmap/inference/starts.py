"""Where searches for modes start: beside the prior centre, places at which the data show something."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from scipy.ndimage import gaussian_filter, maximum_filter

from bayesmap.graph import model_at
from bayesmap.inference.amplitudes import linear_parameter
from bayesmap.inference.density import LogDensity
from bayesmap.inference.listing import prior_centre, prior_median
from bayesmap.inference.observations import Observation, SkyImage
from bayesmap.modeling.roles import role_of

__all__ = ["starting_points"]

# A position is looked for where its prior is wider than this many widths of what is seen of the source.
WIDE = 2.0
# Number of places, at most, that are tried for a source.
PEAKS = 3
# Two of them are further apart than this many widths.
APART = 3.0
# Spread, in ln, of a positive parameter's prior over which its gradient may vanish; it is then scanned.
MANY_DECADES = 3.5
# Parts of the way from zero to the end of the prior of an amplitude that are tried.
PARTS = np.geomspace(0.5, 1e-12, 13)


def starting_points(
    density: LogDensity, observed: Mapping[str, Observation], names: Mapping[Any, str]
) -> list[np.ndarray]:
    """Return the prior centre with positions at excesses of the counts and amplitudes from a scan, best first.

    Parameters
    ----------
    density : LogDensity
        The log-posterior.
    observed : mapping of str to Observation
        The data, by name of the dataset.
    names : mapping of Parameter to str
        Names of the random variables.

    Returns
    -------
    list of numpy.ndarray
        Unconstrained variables, shape ``(n,)`` each. The prior centre alone where no position may be far from it and no
        parameter spans many decades.

    Notes
    -----
    A point source that is far from its place feels nothing of the counts there: the likelihood is flat in its position.
    Where the prior allows that, counts and prediction without the source, summed over energies and smoothed with what
    the source looks like, give the excess in standard deviations; half its square, and the prior, rank the pixels.
    Of several such sources the first takes the best place in the first start, the second best in the next.
    """
    images = [(data, image) for data in observed.values() if (image := data.image()) is not None]
    sources = {id(m): m for data, image in images for m in data.models if _roams(m, image, density, names)}
    wanted = list(sources.values())
    found = [_places(m, wanted, images) for m in wanted]
    starts = []
    for turn in range(max((len(f) for f in found), default=1)):
        start = density.start
        for rank, (model, places) in enumerate(zip(wanted, found, strict=True)):
            if places:
                place = places[(rank + turn) % len(places)]
                for p, value in zip((model.spatial_model.lon_0, model.spatial_model.lat_0), place, strict=True):
                    index = density.index[names[p]]
                    start[index] = density.edges.variable(index, value)
        starts.append(_scanned(density, start, _open_amplitudes(density, observed, names)))
    return starts


def _open_amplitudes(density: LogDensity, observed: Mapping[str, Observation], names: Mapping[Any, str]) -> list[int]:
    """Places of amplitudes whose priors go from zero to a number, which may be anything."""
    models = [m for data in observed.values() for m in data.models]
    found = {density.index.get(names.get(linear_parameter(m), ""), -1) for m in models} - {-1}
    return sorted(i for i in found if density.edges.both[i] and density.edges.lower[i] == 0)


def _roams(model: Any, image: SkyImage, density: LogDensity, names: Mapping[Any, str]) -> bool:
    """Whether the position may be where the source, at the prior centre, sees nothing of its counts."""
    spatial = getattr(model, "spatial_model", None)
    if spatial is None or spatial.position is None or spatial.fixed_positions:
        return False
    pair = (spatial.lon_0, spatial.lat_0)
    if any(p.frozen or names.get(p) not in density.index or p.prior.distribution.scipy is None for p in pair):
        return False
    centre = prior_centre([model])
    width, squeeze = _width(image, model, centre), float(np.cos(np.deg2rad(centre[spatial.lat_0])))
    spread = [0.5 * float(np.diff(p.prior.interval(0.68, p.unit))[0]) * p.scale_to_internal for p in pair]
    return max(spread[0] * squeeze, spread[1]) > WIDE * width


def _width(image: SkyImage, model: Any, centre: Mapping[Any, float]) -> float:
    """Standard deviation in deg, roughly, of what is seen of a source."""
    radius = model_at(model.spatial_model, centre).evaluation_radius
    return float(
        np.hypot(max(image.blur, 0.7 * max(image.pixel_scale)), 0.0 if radius is None else radius.to_value("deg") / 5)
    )


def _places(
    model: Any, roaming: list[Any], images: Sequence[tuple[Observation, SkyImage]]
) -> list[tuple[float, float]]:
    """Longitudes and latitudes, in declared units, of the best excesses in the dataset that shows the clearest."""
    best: list[tuple[float, tuple[float, float]]] = []
    for data, image in images:
        if any(m is model for m in data.models):
            ranked = list(_peaks(model, roaming, data, image))
            if ranked and (not best or ranked[0][0] > best[0][0]):
                best = ranked
    return [place for _, place in best]


def _peaks(
    model: Any, roaming: list[Any], data: Observation, image: SkyImage
) -> Iterator[tuple[float, tuple[float, float]]]:
    """Score and place of the highest pixels of one dataset that are apart from each other."""
    spatial = model.spatial_model
    without = {linear_parameter(m) for m in roaming}
    expected = image.expected(*(0.0 if p in without else _ordinary(p) for p in data.parameters))
    width = _width(image, model, prior_centre([model])) / min(image.pixel_scale)
    smooth: Callable[[np.ndarray], np.ndarray] = lambda pixels: gaussian_filter(pixels, width, mode="constant")  # noqa: E731
    # The sum with the weights of the kernel has this many pixels of variance; one count is the least that is expected.
    area = 4 * np.pi * width**2
    excess = area * smooth(image.data - expected) / np.sqrt(area * smooth(expected) + 1.0)
    coords = image.geom.get_coord().skycoord.transform_to(spatial.frame).data
    score, columns = 0.5 * np.maximum(excess, 0) ** 2, []
    for p, angle in ((spatial.lon_0, coords.lon.deg), (spatial.lat_0, coords.lat.deg)):
        if p is spatial.lon_0:
            middle = prior_median(p) * p.scale_to_internal
            angle = middle + (angle - middle + 180) % 360 - 180
        values = angle / p.scale_to_internal
        inside = (values > max(p.prior.support(p.unit)[0], p.bounds[0])) & (
            values < min(p.prior.support(p.unit)[1], p.bounds[1])
        )
        with np.errstate(divide="ignore"):
            score = np.where(inside, score + p.prior.logp(values, p.unit), -np.inf)
        columns.append(values)
    score = np.where(image.mask & ~np.isnan(score), score, -np.inf)
    top = np.isfinite(score) & (score == maximum_filter(score, size=2 * int(np.ceil(APART * width)) + 1))
    for flat in sorted(np.flatnonzero(top), key=lambda i: -score.flat[i])[:PEAKS]:
        yield float(score.flat[flat]), (float(columns[0].flat[flat]), float(columns[1].flat[flat]))


def _ordinary(parameter: Any) -> float:
    """The prior median of a parameter; of a norm whose prior is centred far from one, one."""
    median = prior_median(parameter)
    return 1.0 if role_of(parameter) == "norm" and not 0.1 < median < 10 else median


def _scanned(density: LogDensity, start: np.ndarray, amplitudes: list[int]) -> np.ndarray:
    """The start with the best of some values for amplitudes and parameters whose priors span many decades."""
    edges = density.edges
    lines = {i: [edges.variable(i, part * edges.upper[i]) for part in PARTS] for i in amplitudes}
    many = np.isfinite(edges.width) & (edges.width > MANY_DECADES)
    lines |= {int(i): list(np.linspace(-3, 3, 25)) for i in np.flatnonzero(many)}
    for index, line in lines.items():
        points = [np.where(np.arange(density.size) == index, z, start) for z in line]
        values = [density(point)[0] for point in points]
        finite = np.where(np.isfinite(values), values, -np.inf)
        if np.isfinite(finite).any():
            start = points[int(np.argmax(finite))]
    return start
