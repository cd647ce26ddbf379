"""A source that is to be folded: what routes ask about it, and the tables of its PSF that they use."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pytensor.tensor as pt

from bayesmap._backend.program import number
from bayesmap.graph.arrays import FoldArrays, Values
from bayesmap.graph.pixel import SkyToPixel
from bayesmap.graph.psf.fft import KernelBasis, kernel_basis
from bayesmap.graph.psf.mixture import Mixture, fit_mixture, fit_shared, mixture_error
from bayesmap.graph.psf.radial import RadialTable, fit_radial
from bayesmap.graph.psf.stamp import SplineStamp, fit_stamp
from bayesmap.graph.response import LocalResponse
from bayesmap.graph.terms.blurred import is_blurred

__all__ = ["Source", "has_place"]


@dataclass(eq=False)
class Source:
    """A source that looks for a route.

    Attributes
    ----------
    model : SkyModel
        The source.
    shape : SpatialModel
        Its shape where it is to be looked for first: a copy, if that is not where the parameters are.
    place : LocalResponse
        The response there.
    tolerance : float
        Largest error of a Gaussian mixture.
    reach : float
        How far in deg the source may move and grow.
    at : Mapping of Parameter to float
        Where it is, in internal units; parameters that are missing have their present values.
    """

    model: Any
    shape: Any
    place: LocalResponse
    tolerance: float
    reach: float
    at: Values

    @property
    def arrays(self) -> FoldArrays:
        """The dataset."""
        return self.place.arrays

    @property
    def spatial(self) -> Any:
        """The shape with the parameters of the model."""
        return self.model.spatial_model

    @cached_property
    def changes(self) -> bool:
        """Whether a parameter of position or shape is free."""
        return any(not p.frozen for p in self.spatial.parameters)

    @cached_property
    def is_gaussian(self) -> bool:
        """Whether it is a point or a round Gaussian."""
        return bool(self.spatial.is_round_gaussian)

    @property
    def has_place(self) -> bool:
        """Whether it has a position that may move; tables stay where they are."""
        return has_place(self.spatial)

    @property
    def is_blurred(self) -> bool:
        """Whether the Fourier transform of its shape is known."""
        return is_blurred(self.spatial)

    @cached_property
    def sky(self) -> SkyToPixel:
        """From its frame to pixels."""
        arrays, frame = self.arrays, self.spatial.frame
        key = f"sky-{frame}"
        if key not in arrays.cache:
            arrays.cache[key] = SkyToPixel.from_geom(arrays.geom, arrays.geom.center_skydir.transform_to(frame))
        sky: SkyToPixel = arrays.cache[key]
        return sky

    @cached_property
    def mixtures(self) -> tuple[list[Mixture], float]:
        """The PSF as sums of Gaussians, one per node, and their error."""
        place, scale = self.place, self.arrays.pixel_scale
        if place.profile is None:
            # A point without PSF would jump from pixel to pixel: give it the width of a quarter pixel.
            sigma = np.full((place.n_energy, 1), min(scale) / 4)
            return [Mixture(sigma, np.ones_like(sigma), 0.0)], 0.0
        if place.nodes is None:
            mixture = fit_mixture(place.profile, scale)
            return [mixture], mixture.error
        sigma, weight = fit_shared(place.profile, min(scale))
        mixtures = [Mixture(np.broadcast_to(sigma, w.shape), w, 0.0) for w in place.by_node(weight)]
        profile = place.profile
        if all(axis is place.place for axis in place.nodes.axes):  # between the nodes
            assert place.here is not None
            profile, weight = place.here, place.nodes.mix(pt.as_tensor_variable(place.by_node(weight)), self.where)
            weight = number(weight)
        return mixtures, mixture_error(profile, np.broadcast_to(sigma, weight.shape), weight, scale)

    @cached_property
    def stamp(self) -> SplineStamp:
        """The PSF as a table of pixel integrals."""
        assert self.place.profile is not None
        return fit_stamp(self.place.profile, self.arrays.pixel_scale, max_half=max(self.arrays.mask.shape[1:]))

    @cached_property
    def radial(self) -> RadialTable:
        """The PSF as a table over radius and size."""
        arrays, position = self.arrays, self.shape.position
        assert self.place.profile is not None
        lon, lat = (pt.as_tensor_variable(np.asarray(x.deg)) for x in (position.data.lon, position.data.lat))
        xe, xn, ye, yn = (float(x) for x in number(pt.stack(self.sky.jacobian(lon, lat))))
        scale = 1 / float(np.hypot(xe, xn)), 1 / float(np.hypot(ye, yn))
        diagonal = float(np.hypot(*(n * s for n, s in zip(arrays.mask.shape[:0:-1], arrays.pixel_scale, strict=True))))
        return fit_radial(self.place.profile, scale, diagonal)

    @cached_property
    def kernels(self) -> KernelBasis:
        """The PSF as a few kernels."""
        place = self.place
        # Samples of a smooth shape have no average over a sub-pixel: the kernel keeps it. Edges have been widened
        # instead.
        missing = 1 / self.sub_pixels**2 if self.shape.is_smooth and place.profile is not None else 0.0
        return kernel_basis(place.profile, place.n_energy, self.arrays.pixel_scale, missing)

    @property
    def sub_pixels(self) -> int:
        """Samples of the shape per pixel and axis: those of Gammapy, and of smooth shapes no more than needed.

        Two samples per standard deviation of a Gaussian (1.5 per ``_structure``) are within 2e-4 of its peak.
        """
        pixel, detail = min(self.arrays.pixel_scale), self.shape.evaluation_bin_size_min
        if detail is None:
            return 1
        number = np.ceil(2 * pixel / detail.to_value("deg"))
        if self.shape.is_smooth:
            number = min(number, np.ceil(1.5 * pixel / self.shape._structure.to_value("deg")))
        return int(np.clip(number, 1, 8))

    @property
    def where(self) -> dict[Any, float]:
        """Values of its spatial parameters where it is looked for first, in internal units."""
        return {p: float(self.at.get(p, p.internal)) for p in self.spatial.parameters}


def has_place(spatial: Any) -> bool:
    """Whether a shape has a position that may move; tables stay where they are."""
    return spatial.position is not None and not spatial.fixed_positions
