"""The response of a dataset: one door through which flux, dispersion and PSF, and their parameters, enter all terms."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pytensor.tensor as pt
from astropy.coordinates import SkyCoord

from bayesmap._types import Tensor
from bayesmap.graph.arrays import FoldArrays, Values
from bayesmap.graph.data import data
from bayesmap.graph.pixel import bilinear
from bayesmap.graph.psf.nodes import NodeAxis, Nodes, PositionAxis, WidthAxis, position_axis, stacked_profiles, widened
from bayesmap.graph.psf.profile import PSFProfile, psf_profile
from bayesmap.modeling import ResponseModel

if TYPE_CHECKING:
    from bayesmap.modeling import SkyModel
    from bayesmap.modeling.spatial.base import SpatialModel

__all__ = ["LocalResponse", "Response"]


class Response:
    """What a dataset does to the flux of sources.

    Parameters
    ----------
    arrays : FoldArrays
        The dataset, with an exposure.
    effects : sequence of ResponseModel
        What parameters do to its response, in this order.
    exposed : bool
        False: fluxes are counts per energy already, and no effect changes them.
    """

    def __init__(self, arrays: FoldArrays, effects: Sequence[ResponseModel] = (), exposed: bool = True) -> None:
        self.arrays, self.effects, self.exposed = arrays, tuple(effects), exposed
        self._intervals: dict[Any, Any] = {}

    @property
    def kernel_exposure(self) -> np.ndarray:
        """Exposure that acts after the PSF, ``(n_energy, n_lat, n_lon)``: ones if it acted before, as for HAWC."""
        assert self.arrays.exposure is not None
        return np.ones(self.arrays.mask.shape) if self.arrays.reco_psf else self.arrays.exposure

    @cached_property
    def exposure(self) -> Tensor:
        """`kernel_exposure` as data."""
        return data(self.kernel_exposure)

    @cached_property
    def exposure_last(self) -> Tensor:
        """`kernel_exposure` as data with the energies last, ``(n_lat, n_lon, n_energy)``."""
        return data(self.kernel_exposure.transpose(1, 2, 0).copy())

    @cached_property
    def _true_exposure(self) -> Tensor:
        exposure: Any = self.arrays.exposure
        return data(exposure)

    def exposed_at(self, flux: Tensor, x: Tensor, y: Tensor) -> Tensor:
        """Flux times the exposure at pixels, ``(n_source, n_true)``: where the exposure acts before the PSF."""
        return flux * bilinear(self._true_exposure, x, y)

    def flux(self, model: Any, values: Values) -> Tensor:
        """Photon flux per true energy bin, mean over the good time intervals: ``(n_true,)``, in 1e-12 cm-2 s-1."""
        effects = self.effects if self.exposed else ()
        edges: Any = np.asarray(self.arrays.energy_edges_true)
        for effect in effects:
            edges = effect.edges_graph(edges, values)
        flux = model.spectral_model.integral_graph(edges[:-1], edges[1:], values)
        flux = flux * pt.ones(len(self.arrays.energy_true))
        temporal = getattr(model, "temporal_model", None)
        if temporal is not None and not temporal.is_constant:
            if model not in self._intervals:
                self._intervals[model] = [data(t) for t in self.arrays.intervals(model)]
            flux = flux * temporal.mean_graph(*self._intervals[model], values)
        for effect in effects:
            flux = effect.flux_graph(flux, self.arrays.energy_true, values)
        return flux

    def at(
        self, model: "SkyModel", shape: "SpatialModel | None", *, follow: bool = False, reach: float = 0.0
    ) -> "LocalResponse":
        """Return the response at a source.

        Parameters
        ----------
        model : SkyModel
            The source; its ``apply_irf`` says what is left out.
        shape : SpatialModel or None
            Where it is, and how large; the centre of the map for one without a position.
        follow : bool
            PSF and energy dispersion follow a free position.
        reach : float
            How far in deg the source may move; further out a response that follows is that of the edge.

        Raises
        ------
        ValueError
            If the response is to follow the source but does not depend on the position.
        """
        arrays = self.arrays
        use = {"psf": True, "edisp": True, **(getattr(model, "apply_irf", None) or {})}
        position = getattr(shape, "position", None)
        position = arrays.geom.center_skydir if position is None else position
        place = position_axis(arrays, model.spatial_model, position, reach) if follow else None
        return LocalResponse(self, position, use["psf"] and arrays.psf is not None, use["edisp"], place)


@dataclass(eq=False)
class LocalResponse:
    """PSF and energy dispersion at one source.

    Attributes
    ----------
    response : Response
        That of the dataset.
    position : `~astropy.coordinates.SkyCoord`
        Of the source.
    has_psf, has_dispersion : bool
        Whether there is a PSF; whether reconstructed energies differ from true ones.
    place : PositionAxis or None
        Nodes of the position that PSF and dispersion follow.
    """

    response: Response
    position: SkyCoord
    has_psf: bool
    has_dispersion: bool
    place: PositionAxis | None

    @property
    def arrays(self) -> FoldArrays:
        """The dataset."""
        return self.response.arrays

    @property
    def energy(self) -> np.ndarray:
        """Energies of the PSF in TeV, ``(n_energy,)``: true ones, or reconstructed ones for a PSF of that kind."""
        return self.arrays.energy if self.arrays.reco_psf else self.arrays.energy_true

    @property
    def n_energy(self) -> int:
        """Number of energies of the PSF."""
        return len(self.energy)

    # -- PSF ----------------------------------------------------------------------------------------------------------
    @cached_property
    def here(self) -> PSFProfile | None:
        """The nominal PSF at the source, a row per energy; None for a perfect instrument."""
        return psf_profile(self.arrays.psf, self.position, self.energy) if self.has_psf else None

    @cached_property
    def nodes(self) -> Nodes | None:
        """What the PSF depends on; None if it is what it is."""
        if not self.has_psf:
            return None
        axes: list[NodeAxis] = [] if self.place is None else [self.place]
        for effect in self.response.effects:
            widths = effect.psf_widths()
            if widths is not None:
                axes.append(WidthAxis(widths, effect.psf_width_graph))
        return Nodes(tuple(axes)) if axes else None

    @cached_property
    def profile(self) -> PSFProfile | None:
        """The PSF at all nodes, a row per node and energy: tables are linear in it, those of a node are some rows."""
        if self.nodes is None:
            return self.here
        places = [self.position] if self.place is None else self.place.nodes
        profiles = [psf_profile(self.arrays.psf, place, self.energy) for place in places]
        for axis in self.nodes.axes:
            if isinstance(axis, WidthAxis):
                profiles = [widened(profile, float(width)) for profile in profiles for width in axis.widths]
        return stacked_profiles(profiles)

    @property
    def n_node(self) -> int:
        """Number of nodes of the PSF."""
        return 1 if self.nodes is None else self.nodes.n_node

    def unmixed(self) -> "LocalResponse":
        """The same with the rows of all nodes in place of energies, for tables that are mixed later."""
        return self if self.nodes is None else _Unmixed(self)

    def by_node(self, rows: np.ndarray) -> np.ndarray:
        """A table with a row per node and energy as one of shape ``(n_node, n_energy, ...)``."""
        return rows.reshape(self.n_node, -1, *rows.shape[1:])

    # -- energy dispersion --------------------------------------------------------------------------------------------
    @cached_property
    def _matrices(self) -> np.ndarray:
        """Nominal dispersions at the nodes of the position, ``(n_place, n_reco, n_true)``; one if all are the same."""
        places = [self.position] if self.place is None else self.place.nodes
        matrices = np.array([self.arrays.dispersion(place, apply=self.has_dispersion) for place in places])
        return matrices[:1] if np.all(matrices == matrices[0]) else matrices

    @cached_property
    def dispersion_is_free(self) -> bool:
        """Whether the energy dispersion depends on parameters."""
        values = {p: p.internal for effect in self.response.effects for p in effect.parameters}
        matrix = pt.as_tensor_variable(self._matrices[0])
        return len(self._matrices) > 1 or self._with_effects(matrix, values) is not matrix

    def _with_effects(self, matrix: Tensor, values: Values) -> Tensor:
        edges = self.arrays.energy_edges, self.arrays.energy_edges_true
        for effect in self.response.effects if self.has_dispersion else ():
            matrix = effect.dispersion_graph(matrix, *edges, values)
        return matrix

    @property
    def matrix(self) -> np.ndarray:
        """Energy dispersion where no parameter changes it, ``(n_reco, n_true)``."""
        assert not self.dispersion_is_free
        nominal: np.ndarray = self._matrices[0]
        return nominal

    @cached_property
    def _data(self) -> Tensor:
        return data(self._matrices if len(self._matrices) > 1 else self._matrices[0])

    def dispersion(self, values: Values) -> Tensor:
        """Energy dispersion, ``(n_reco, n_true)``."""
        if len(self._matrices) == 1:
            return self._with_effects(self._data, values)
        assert self.place is not None
        return self._with_effects(Nodes((self.place,)).mix(self._data, values), values)

    @cached_property
    def _identity(self) -> Tensor:
        return data(np.eye(self.n_energy))

    def kernel_dispersion(self, values: Values) -> Tensor:
        """What acts after the PSF, ``(n_reco, n_energy)``: the dispersion, or nothing if it acted before."""
        return self._identity if self.arrays.reco_psf else self.dispersion(values)

    @property
    def kernel_dispersion_is_free(self) -> bool:
        """Whether that depends on parameters."""
        return self.dispersion_is_free and not self.arrays.reco_psf

    @property
    def kernel_matrix(self) -> np.ndarray:
        """The same as numbers, where no parameter changes it."""
        return np.eye(self.n_energy) if self.arrays.reco_psf else self.matrix


class _Unmixed(LocalResponse):
    """See `LocalResponse.unmixed`."""

    nodes = None

    def __init__(self, whole: LocalResponse) -> None:
        super().__init__(whole.response, whole.position, whole.has_psf, whole.has_dispersion, whole.place)
        self.whole = whole

    @cached_property
    def profile(self) -> PSFProfile | None:
        """A row per node and energy."""
        return self.whole.profile

    @property
    def n_energy(self) -> int:
        """Number of rows."""
        return self.whole.n_node * self.whole.n_energy
