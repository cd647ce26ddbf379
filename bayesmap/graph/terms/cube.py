"""Terms that are cubes of counts: the background of a dataset, and templates in counts."""

from functools import cached_property
from typing import Any

import numpy as np
import pytensor.tensor as pt

from bayesmap._types import Tensor
from bayesmap.graph.arrays import FoldArrays, Selection, Values
from bayesmap.graph.data import Bins, Weights, data, data_of_known_length
from bayesmap.graph.signs import Support
from bayesmap.graph.terms.base import Term

__all__ = ["CubeTerm", "background_term", "template_term"]


class CubeTerm(Term):
    """A cube of expected counts times a symbolic factor per energy (and, if it varies, per pixel).

    Parameters
    ----------
    arrays : FoldArrays
        The dataset.
    cube : numpy.ndarray
        Counts, shape ``(n_reco, n_lat, n_lon)``.
    model : model, optional
        Scales the cube.
    what : str, optional
        What the cube is, for messages about negative bins.
    """

    def __init__(self, arrays: FoldArrays, cube: np.ndarray, model: Any = None, what: str | None = None) -> None:
        self.arrays, self.cube, self.model, self.what = arrays, cube, model, what
        self.models = () if model is None else (model,)

    @property
    def separable(self) -> bool:
        """Whether the factor depends on energy only."""
        return self.model is None or self.model.spatial_model is None

    def both(self, values: Values, bins: Bins, weights: Weights | None = None) -> tuple[Any, Any]:
        """Counts in all bins, and their total; see `Term.both`."""
        factor = self.factor(values)
        counts = self.counts_of(bins) * factor[bins.energy]
        if self.separable:
            sums = None if weights is None else weights.of(self._sums, data_of_known_length)
            return counts, None if weights is None else (sums * factor).sum()
        image = self.image(values)
        counts = counts * image[bins.pixel]
        return counts, None if weights is None else (factor * (weights.of(self._weighted) @ image)).sum()

    def counts_of(self, bins: Bins) -> Tensor:
        """The cube in the bins, as data."""
        return bins.of(self._selected)

    def _selected(self, selection: Selection) -> np.ndarray:
        selected: np.ndarray = self.cube.ravel()[selection.index]
        return selected

    def logarithms(self, selection: Selection) -> tuple[np.ndarray, np.ndarray]:
        """Logarithm of the cube (zero where it is none), and numbers of bins; see `bayesmap.likelihoods.counted`."""
        cube, n_energy = self._selected(selection), len(self.cube)
        number = [np.bincount(e, minlength=n_energy) for e in (selection.energy, selection.energy[cube <= 0])]
        return np.log(np.where(cube > 0, cube, 1.0)), np.stack(number)

    def _sums(self, weights: np.ndarray) -> np.ndarray:
        sums: np.ndarray = (self.cube * weights).sum(axis=(1, 2))
        return sums

    def _weighted(self, weights: np.ndarray) -> np.ndarray:
        weighted = self.cube * weights
        return weighted.reshape(len(weighted), -1)

    def factor(self, values: Values) -> Tensor:
        """Factor per reconstructed energy, evaluated at the bin centres: shape ``(n_reco,)``."""
        energy = self.arrays.energy
        if self.model is None:
            return pt.ones(len(energy))
        factor = self.model.spectral_model.evaluate_graph(pt.as_tensor_variable(energy), values)
        return factor * pt.ones(len(energy))

    def image(self, values: Values) -> Tensor:
        """Factor per pixel, flattened: shape ``(n_lat * n_lon,)``."""
        return self.model.spatial_model.evaluate_graph(*self._lonlat, values)

    @cached_property
    def _lonlat(self) -> tuple[Any, Any]:
        """Positions of the pixels in deg: data of the graph, but for tables."""
        spatial = self.model.spatial_model
        sky = self.arrays.geom.to_image().get_coord().skycoord.transform_to(spatial.frame)
        lonlat = sky.data.lon.deg.ravel(), sky.data.lat.deg.ravel()
        return lonlat if spatial.fixed_positions else (data(lonlat[0]), data(lonlat[1]))

    def may_be_negative(self, support: Support) -> list[str]:
        """See `Term.may_be_negative`; negative bins inside the mask are one reason."""
        negative = self.what is not None and self.cube[self.arrays.mask].min(initial=0.0) < 0
        reasons = [f"the {self.what} has negative bins inside the mask"] if negative else []
        return reasons + super().may_be_negative(support)

    def can_reach(self) -> np.ndarray:
        """Bins in which the cube is positive; see `Term.can_reach`."""
        reached: np.ndarray = self.cube > 0
        return reached


def background_term(arrays: FoldArrays, model: Any) -> CubeTerm:
    """Background counts of a dataset, scaled by a model or by none."""
    assert arrays.background is not None
    return CubeTerm(arrays, arrays.background, model, "background")


def template_term(arrays: FoldArrays, model: Any) -> CubeTerm:
    """Counts of a template (`~bayesmap.modeling.TemplateNPredModel`) in the bins that it shares with a dataset."""
    if model.map.geom == arrays.geom:
        cube = np.asarray(model.map.data, dtype="float64")
    else:
        cube = np.zeros(arrays.mask.shape)
        energies, own_energies = _common_bins(arrays, model)
        pixels = _common_pixels(arrays, model)
        if pixels is not None:
            here, there = pixels
            cube[(energies, *here)] = np.asarray(model.map.data, dtype="float64")[(own_energies, *there)]
    return CubeTerm(arrays, cube, model)


def _common_pixels(arrays: FoldArrays, model: Any) -> Any:
    """Slices of the pixels that a dataset and a template in counts share, in each of them; None for no pixels."""
    geom = arrays.geom.to_image()
    other: Any = model.map.geom.to_image()
    if geom == other:
        return (slice(None), slice(None)), (slice(None), slice(None))
    if not geom.is_region and not other.is_region and geom.is_aligned(other, 1e-3):
        try:
            slices = other.cutout_slices(geom)
        except ValueError:  # on the same grid, elsewhere
            return None
        return slices["parent-slices"], slices["cutout-slices"]
    raise ValueError(
        f"model {model.name!r}: its map has other pixels than dataset {arrays.name!r} ({other!r} and {geom!r}); counts "
        "per pixel cannot be interpolated: give a map on the pixel grid of the dataset (a cutout or a larger map, see "
        "Map.downsample and Map.upsample), or a TemplateSpatialModel"
    )


def _common_bins(arrays: FoldArrays, model: Any) -> tuple[slice, slice]:
    """Slices of the energy bins that a dataset and a template in counts share, in each of them."""
    edges = np.log(arrays.energy_edges)
    axis = model.map.geom.axes["energy"]
    own = np.log(axis.edges.to_value("TeV"))
    low, high = max(edges[0], own[0]), min(edges[-1], own[-1])
    parts = [np.flatnonzero((e > low - 1e-6) & (e < high + 1e-6)) for e in (edges, own)]
    if len(parts[0]) != len(parts[1]) or not np.allclose(edges[parts[0]], own[parts[1]], rtol=0, atol=1e-6):
        raise ValueError(
            f"model {model.name!r}: the energy bins of its map are not those of dataset {arrays.name!r}: edges "
            f"{np.exp(own)} and {np.exp(edges)} TeV; resample the map (Map.resample_axis)"
        )
    first, second = (slice(int(p[0]), int(p[-1])) if len(p) > 1 else slice(0, 0) for p in parts)
    return first, second
