"""Sources that go through the projection kernel together: stamps that move and change shape.

Each group of sources turns parameter values into stamps (probability per pixel and energy in a window around a source);
one call of :class:`~bayesmap.graph.ops.project.Project` makes counts of all of them.
"""

import abc
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import pytensor.tensor as pt

from bayesmap._types import Tensor
from bayesmap.graph.arrays import Values
from bayesmap.graph.data import Bins, Weights, data
from bayesmap.graph.ops.project import project
from bayesmap.graph.pixel import SkyToPixel
from bayesmap.graph.response import LocalResponse
from bayesmap.graph.terms.base import SparseCounts, Term

__all__ = ["PlacedSources", "ProjectedTerm", "StampSources"]


class PlacedSources:
    """Models in one frame, where their positions fall on the grid, and the response there.

    Parameters
    ----------
    models : sequence of SkyModel
        The sources.
    sky : SkyToPixel
        For their frame.
    places : sequence of LocalResponse
        PSF and energy dispersion of each source.
    """

    def __init__(self, models: Sequence[Any], sky: SkyToPixel, places: Sequence[LocalResponse]) -> None:
        self.models, self.sky, self.places = tuple(models), sky, tuple(places)

    @property
    def response(self) -> Any:
        """The response of the dataset."""
        return self.places[0].response

    def lonlat(self, values: Values) -> tuple[Any, Any]:
        """Positions in deg, vectors ``(n_source,)``."""
        lon = pt.stack([pt.as_tensor_variable(values[m.spatial_model.lon_0]) for m in self.models])
        lat = pt.stack([pt.as_tensor_variable(values[m.spatial_model.lat_0]) for m in self.models])
        return lon, lat

    def pixels(self, values: Values) -> tuple[Any, Any]:
        """Positions x and y in pixels, vectors ``(n_source,)``."""
        x, y = self.sky.pixel(*self.lonlat(values))
        return x, y

    def flux(self, values: Values) -> Tensor:
        """Photons per true energy, or counts per reconstructed one for PSFs of that kind: ``(n_source, n_energy)``."""
        flux = pt.stack([self.response.flux(model, values) for model in self.models])
        if not self.response.arrays.reco_psf:
            return flux
        exposed = self.response.exposed_at(flux, *self.pixels(values))
        return (self._dispersion(values) * exposed[:, None, :]).sum(axis=-1)

    def kernel_dispersion(self, values: Values) -> Tensor:
        """Energy dispersion that acts after the PSF, ``(n_source, n_reco, n_energy)``."""
        return self._identity if self.response.arrays.reco_psf else self._dispersion(values)

    def _dispersion(self, values: Values) -> Tensor:
        if any(place.dispersion_is_free for place in self.places):
            return pt.stack([place.dispersion(values) for place in self.places])
        return self._matrices

    @cached_property
    def _matrices(self) -> Tensor:
        return data(np.stack([place.matrix for place in self.places]))

    @cached_property
    def _identity(self) -> Tensor:
        return data(np.stack([np.eye(place.n_energy) for place in self.places]))


class StampSources(PlacedSources, abc.ABC):
    """One or more sources that take one PSF route, as stamps."""

    @abc.abstractmethod
    def stamps(self, values: Values) -> tuple[Tensor, Tensor, Tensor]:
        """Flattened stamps of all sources, their windows ``(n_source, 4)`` and half widths ``(n_source, n_energy)``."""


class ProjectedTerm(Term):
    """Sources that go through the projection kernel together.

    Parameters
    ----------
    groups : sequence of StampSources
        Sources of one dataset, with one response.
    """

    is_sparse = True

    def __init__(self, groups: Sequence[StampSources]) -> None:
        self.groups = tuple(groups)
        self.response = self.groups[0].response
        self.arrays = self.response.arrays
        self.models = tuple(model for group in self.groups for model in group.models)

    def both(self, values: Values, bins: Bins, weights: Weights | None = None) -> tuple[SparseCounts, Tensor]:
        """Counts in the bins that any window reaches, and their total; see `Term.both`."""
        stamps, windows, halves = zip(*(group.stamps(values) for group in self.groups), strict=True)
        flux = [group.flux(values) for group in self.groups]
        touched, counts, total, _ = project(
            _join(stamps),
            _join(windows),
            _join(halves),
            _join(flux),
            _join([group.kernel_dispersion(values) for group in self.groups]),
            self.response.exposure,
            *(self._no_weights if weights is None else weights.classes),
            bins.columns,
            bins.rows,
        )
        return SparseCounts(touched, counts), None if weights is None else total

    @cached_property
    def _no_weights(self) -> tuple[Any, Any]:
        """All pixels in one class that does not count."""
        n_reco, *shape = self.arrays.mask.shape
        return data(np.zeros(shape, dtype="int64")), data(np.zeros((1, n_reco)))


def _join(parts: Sequence[Any]) -> Tensor:
    return parts[0] if len(parts) == 1 else pt.concatenate(list(parts), axis=0)
