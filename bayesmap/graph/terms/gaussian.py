"""Points and round Gaussians behind a PSF that is a sum of Gaussians: pixel integrals in closed form."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import pytensor.tensor as pt

from bayesmap._types import Tensor
from bayesmap.graph.arrays import Values
from bayesmap.graph.data import data
from bayesmap.graph.pixel import SkyToPixel
from bayesmap.graph.psf.mixture import LOST, Mixture, mixture_stamps
from bayesmap.graph.response import LocalResponse
from bayesmap.graph.terms.projected import StampSources
from bayesmap.graph.windows import as_index

__all__ = ["GaussianSources", "MixedGaussian"]


class GaussianSources(StampSources):
    """Point sources, or round Gaussians, seen through a Gaussian-mixture PSF.

    Parameters
    ----------
    models : sequence of SkyModel
        All points or all extended; positions in one frame.
    sky, places
        See `PlacedSources`.
    mixtures : sequence of Mixture
        The PSF of each source, one row per true energy (per reconstructed energy for PSFs of that kind).
    """

    def __init__(
        self,
        models: Sequence[Any],
        sky: SkyToPixel,
        places: Sequence[LocalResponse],
        mixtures: Sequence[Mixture],
    ) -> None:
        super().__init__(models, sky, places)
        n_component = max(m.sigma.shape[1] for m in mixtures)
        pad = [(0, 0), (0, 0)]

        def padded(rows: np.ndarray, fill: float) -> np.ndarray:
            pad[1] = (0, n_component - rows.shape[1])
            return np.pad(rows, pad, constant_values=fill)

        self.variance = data(np.stack([padded(m.sigma, m.sigma.max()) for m in mixtures]) ** 2)
        self.weight = data(np.stack([padded(m.weight, 0.0) for m in mixtures]))
        self.radii = np.stack([m.radii() for m in mixtures])
        self.max_half = max(self.response.arrays.mask.shape[1:])
        self.extended = not self.models[0].spatial_model.is_point
        self.pixels_per_deg = float(np.linalg.norm(sky.matrix, axis=1).max())

    def stamps(self, values: Values) -> tuple[Tensor, Tensor, Tensor]:
        """Closed-form pixel integrals; see :class:`StampSources`."""
        lon, lat = self.lonlat(values)
        x, y = self.sky.pixel(lon, lat)
        xe, xn, ye, yn = self.sky.jacobian(lon, lat)
        radii, variance, weight = self._radii, self.variance, self.component_weights(values)
        if self.extended:
            sigma = pt.stack([pt.as_tensor_variable(m.spatial_model.gaussian_graph(values)[0]) for m in self.models])
            variance = variance + sigma[:, None, None] ** 2
            # A round Gaussian loses LOST outside of this; windows are integers and have no gradient.
            radii = pt.sqrt(radii**2 - 2 * np.log(LOST) * sigma[:, None] ** 2)
        halves = as_index(pt.ceil(radii * self.pixels_per_deg + 0.5), 0, self.max_half)
        stamps, windows = mixture_stamps(x, y, xe**2 + xn**2, ye**2 + yn**2, variance, weight, halves)
        return stamps, windows, halves

    @cached_property
    def _radii(self) -> Tensor:
        return data(self.radii)

    def component_weights(self, values: Values) -> Tensor:
        """Weights of the mixtures, ``(n_source, n_energy, n_component)``."""
        return self.weight


class MixedGaussian(GaussianSources):
    """A point or round Gaussian whose PSF depends on parameters: Gaussians of the same widths at all nodes.

    Parameters
    ----------
    model, sky, place
        See `PlacedSources`.
    mixtures : sequence of Mixture
        The PSF at each node, all with the same widths.
    """

    def __init__(self, model: Any, sky: SkyToPixel, place: LocalResponse, mixtures: Sequence[Mixture]) -> None:
        super().__init__([model], sky, [place], mixtures[:1])
        # Windows hold the widest PSF of all nodes.
        self.radii = np.max([m.radii() for m in mixtures], axis=0)[None]
        self.weight = data(np.stack([m.weight for m in mixtures]))

    def component_weights(self, values: Values) -> Tensor:
        """Weights at the present values."""
        nodes = self.places[0].nodes
        assert nodes is not None
        return nodes.mix(self.weight, values)[None]
