"""Terms that are cubes of counts: the background of a dataset, and templates in counts."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytensor.tensor as pt

from bayesmap.graph.arrays import FoldArrays, Values
from bayesmap.graph.sources import data
from bayesmap.modeling import TemplateNPredModel

__all__ = ["BackgroundTerm", "background_term", "template_term"]


@dataclass(eq=False)
class BackgroundTerm:
    """A cube of expected counts times a symbolic factor per energy (and, if it varies, per pixel).

    Attributes
    ----------
    name : str
        Name of the model, or of the dataset when no model scales its background.
    cube : numpy.ndarray
        Counts, shape ``(n_reco, n_lat, n_lon)``.
    model : model or None
        Scales the cube.
    """

    name: str
    cube: np.ndarray
    energy: np.ndarray
    model: Any = None
    lonlat: tuple[np.ndarray, np.ndarray] | None = None

    @property
    def separable(self) -> bool:
        """Whether the factor depends on energy only."""
        return self.lonlat is None

    def factor(self, values: Values) -> Any:
        """Factor per reconstructed energy, evaluated at the bin centres: shape ``(n_reco,)``."""
        if self.model is None:
            return pt.ones(len(self.energy))
        factor = self.model.spectral_model.evaluate_graph(pt.as_tensor_variable(self.energy), values)
        return factor * pt.ones(len(self.energy))

    def image(self, values: Values) -> Any:
        """Factor per pixel, flattened: shape ``(n_lat * n_lon,)``."""
        assert self.lonlat is not None
        spatial = self.model.spatial_model
        return spatial.evaluate_graph(*(c if spatial.fixed_positions else data(c) for c in self.lonlat), values)


def background_term(arrays: FoldArrays, model: Any) -> BackgroundTerm:
    """Background counts of a dataset, scaled by a model or by none."""
    assert arrays.background is not None
    name = arrays.name if model is None else model.name
    term = BackgroundTerm(name, arrays.background, arrays.energy, model)
    if model is not None and model.spatial_model is not None:
        coords = arrays.geom.to_image().get_coord().skycoord.transform_to(model.spatial_model.frame)
        term.lonlat = (coords.data.lon.deg.ravel(), coords.data.lat.deg.ravel())
    return term


def template_term(arrays: FoldArrays, model: TemplateNPredModel) -> BackgroundTerm:
    """Counts of a template in the bins of a dataset: those of the bins that both have."""
    if model.map.geom == arrays.geom:
        cube = np.asarray(model.map.data, dtype="float64")
    else:
        cube = np.zeros(arrays.mask.shape)
        energies, own_energies = _common_bins(arrays, model)
        pixels = _common_pixels(arrays, model)
        if pixels is not None:
            here, there = pixels
            cube[(energies, *here)] = np.asarray(model.map.data, dtype="float64")[(own_energies, *there)]
    return BackgroundTerm(model.name, cube, arrays.energy, model)


def _common_pixels(arrays: FoldArrays, model: TemplateNPredModel) -> Any:
    """Slices of the pixels that a dataset and a template in counts share, in each of them; None for no pixels."""
    geom: Any = arrays.geom.to_image()
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


def _common_bins(arrays: FoldArrays, model: TemplateNPredModel) -> tuple[slice, slice]:
    """Slices of the energy bins that a dataset and a template in counts share, in each of them."""
    edges = np.log(arrays.energy_edges)
    axis: Any = model.map.geom.axes["energy"]
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
