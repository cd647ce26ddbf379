"""How sources meet the PSF: each route is a class that says what it accepts; from models to terms."""

import abc
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import pytensor.tensor as pt

from bayesmap._backend.program import number
from bayesmap._util import check_option
from bayesmap.graph.arrays import FoldArrays, Values
from bayesmap.graph.pixel import SkyToPixel
from bayesmap.graph.psf.fft import KernelBasis, kernel_basis, kernel_half_width
from bayesmap.graph.psf.mixture import Mixture, fit_mixture, fit_shared, mixture_error
from bayesmap.graph.psf.radial import RadialTable, fit_radial
from bayesmap.graph.psf.stamp import SplineStamp, fit_stamp
from bayesmap.graph.response import LocalResponse, Response
from bayesmap.graph.terms.base import Term, Terms
from bayesmap.graph.terms.blurred import blurred_source, is_blurred, is_round
from bayesmap.graph.terms.cube import background_term, template_term
from bayesmap.graph.terms.fft import FFTSource
from bayesmap.graph.terms.fixed import fixed_term
from bayesmap.graph.terms.gaussian import GaussianSources, MixedGaussian
from bayesmap.graph.terms.projected import ProjectedTerm, StampSources
from bayesmap.graph.terms.region import region_term
from bayesmap.graph.terms.spline import PointTerm, RadialTerm
from bayesmap.graph.values import model_at
from bayesmap.graph.windows import Window, sub_pixels, window_of

__all__ = ["ROUTES", "Route", "Source", "build_terms"]

TOLERANCE = 1e-3  # largest accepted error of a Gaussian mixture, and of a table over radius and size


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


class Route(abc.ABC):
    """A way of folding a source with the PSF.

    Attributes
    ----------
    name : str
        As it is asked for.
    instead : tuple of str
        Routes of which one is taken, the first that accepts the source, when this one is asked for: the others say what
        a source is and cannot be argued with.
    """

    name: ClassVar[str]
    instead: ClassVar[tuple[str, ...]]

    @classmethod
    @abc.abstractmethod
    def accepts(cls, source: Source, forced: bool = False) -> float | None:
        """Error of the PSF for a source, half the L1 distance; None if the route is not for it.

        A route that is ``forced`` accepts any error.
        """

    @classmethod
    def refusal(cls, source: Source, taken: str) -> str | None:
        """Why a source that takes some route cannot take this one although it was asked for; None if that is fine."""
        return None

    @classmethod
    @abc.abstractmethod
    def make(cls, sources: list[Source]) -> list[Term | StampSources]:
        """Fold sources of this route: terms, and groups that go through the projection kernel with others."""


class MixtureRoute(Route):
    """Points and round Gaussians behind a sum of Gaussians: pixel integrals in closed form."""

    name = "mixture"
    instead = ("mixture",)

    @classmethod
    def accepts(cls, source: Source, forced: bool = False) -> float | None:
        """See `Route.accepts`."""
        if not source.is_gaussian or not (source.spatial.is_point or not source.arrays.reco_psf):
            return None
        error = source.mixtures[1]
        within = error <= source.tolerance
        if forced and source.place.nodes is not None and not within:
            raise ValueError(
                f"model {source.model.name!r}, dataset {source.arrays.name!r}: the PSF between positions is described "
                f"to {error:.2e} only, psf_tolerance is {source.tolerance:.2e}; raise it or use irf_position='prior'"
            )
        return error if forced or within else None

    @classmethod
    def refusal(cls, source: Source, taken: str) -> str | None:
        """See `Route.refusal`."""
        if taken == cls.name:
            return None
        return f"model {source.model.name!r}: only points and round Gaussians can take the route 'mixture'"

    @classmethod
    def make(cls, sources: list[Source]) -> list[Term | StampSources]:
        """See `Route.make`; sources of one kind and frame are one group."""
        groups: dict[Any, list[Source]] = {}
        made: list[Term | StampSources] = []
        for source in sources:
            if source.place.nodes is None and not source.place.dispersion_is_free:
                groups.setdefault((source.spatial.is_point, source.spatial.frame), []).append(source)
            elif source.place.nodes is None:
                made.append(GaussianSources([source.model], source.sky, [source.place], source.mixtures[0]))
            else:
                made.append(MixedGaussian(source.model, source.sky, source.place, source.mixtures[0]))
        for members in groups.values():
            parts = [s.model for s in members], members[0].sky, [s.place for s in members]
            made.append(GaussianSources(*parts, [s.mixtures[0][0] for s in members]))
        return made


class StampRoute(Route):
    """Points behind a PSF of any shape, by a table of its pixel integrals."""

    name = "stamp"
    instead = ("stamp", "fixed", "round", "elliptical", "fft")

    @classmethod
    def accepts(cls, source: Source, forced: bool = False) -> float | None:
        """See `Route.accepts`."""
        if not source.spatial.is_point or source.place.profile is None:
            return None
        return source.stamp.error

    @classmethod
    def refusal(cls, source: Source, taken: str) -> str | None:
        """See `Route.refusal`."""
        if source.spatial.is_point:
            return None
        return f"model {source.model.name!r}: only point sources can take the route 'stamp'"

    @classmethod
    def make(cls, sources: list[Source]) -> list[Term | StampSources]:
        """See `Route.make`."""
        return [PointTerm(s.model, s.sky, s.place, s.stamp, s.reach, s.at) for s in sources]


class FixedRoute(Route):
    """Sources of which only the flux changes: folded once."""

    name = "fixed"
    instead = ("fixed",)

    @classmethod
    def accepts(cls, source: Source, forced: bool = False) -> float | None:
        """See `Route.accepts`."""
        return None if source.changes else 0.0

    @classmethod
    def refusal(cls, source: Source, taken: str) -> str | None:
        """See `Route.refusal`."""
        if taken == cls.name:
            return None
        return f"model {source.model.name!r} has free spatial parameters and cannot take the route 'fixed'"

    @classmethod
    def make(cls, sources: list[Source]) -> list[Term | StampSources]:
        """See `Route.make`."""
        return [fixed_term(s.model, s.place, s.sky) for s in sources]


class RadialRoute(Route):
    """Round Gaussians behind a PSF of any shape, by a table over radius and size."""

    name = "radial"
    instead = ("radial",)

    @classmethod
    def accepts(cls, source: Source, forced: bool = False) -> float | None:
        """See `Route.accepts`."""
        if source.place.profile is None or not source.is_gaussian:
            return None
        # Of a PSF that ends in an edge, on pixels as wide as it, the table has not even the right sum.
        error = source.radial.error
        return error if forced or error <= TOLERANCE else None

    @classmethod
    def refusal(cls, source: Source, taken: str) -> str | None:
        """See `Route.refusal`."""
        if taken == cls.name:
            return None
        only = "only points and round Gaussians behind a PSF can take the route 'radial'"
        return f"model {source.model.name!r}: {only}"

    @classmethod
    def make(cls, sources: list[Source]) -> list[Term | StampSources]:
        """See `Route.make`."""
        return [RadialTerm(s.model, s.sky, s.place, s.radial, s.reach, s.at) for s in sources]


class EllipticalRoute(Route):
    """Shapes whose Fourier transform is known behind a PSF of any shape, by a table of a quarter of the plane."""

    name = "elliptical"
    instead = StampRoute.instead
    is_round: ClassVar[bool] = False

    @classmethod
    def accepts(cls, source: Source, forced: bool = False) -> float | None:
        """See `Route.accepts`."""
        return 0.0 if source.is_blurred and is_round(source.spatial) is cls.is_round else None

    @classmethod
    def refusal(cls, source: Source, taken: str) -> str | None:
        """See `Route.refusal`."""
        if taken == cls.name:
            return None
        return f"model {source.model.name!r}: its shape takes the route {taken!r}, it cannot take {cls.name!r}"

    @classmethod
    def make(cls, sources: list[Source]) -> list[Term | StampSources]:
        """See `Route.make`."""
        return [blurred_source(s.model, s.shape, s.sky, s.place, s.reach) for s in sources]


class RoundRoute(EllipticalRoute):
    """Round shapes whose Fourier transform is known behind a PSF of any shape, by a table of the radius."""

    name = "round"
    is_round = True


class FFTRoute(Route):
    """Everything else, by FFT."""

    name = "fft"
    instead = ("stamp", "fixed", "fft")

    @classmethod
    def accepts(cls, source: Source, forced: bool = False) -> float | None:
        """See `Route.accepts`."""
        return source.kernels.error

    @classmethod
    def make(cls, sources: list[Source]) -> list[Term | StampSources]:
        """See `Route.make`."""
        return [_fft_source(source) for source in sources]


#: in this order: a source takes the first that accepts it
ROUTES: tuple[type[Route], ...] = (
    MixtureRoute,
    StampRoute,
    FixedRoute,
    RadialRoute,
    RoundRoute,
    EllipticalRoute,
    FFTRoute,
)
_BY_NAME = {route.name: route for route in ROUTES}


def choose_route(source: Source, forced: str | None = None) -> tuple[type[Route], float]:
    """Return the route that a source takes, and its error.

    Parameters
    ----------
    source : Source
        The source.
    forced : str, optional
        Name of a route that is asked for.

    Raises
    ------
    ValueError
        If the source cannot take that route, or has free parameters and can take none.
    """
    wanted = _BY_NAME[forced] if forced is not None else None
    candidates = ROUTES if wanted is None else tuple(_BY_NAME[other] for other in wanted.instead)
    if not source.has_place and not (source.changes and source.spatial.position is None):
        candidates, wanted = (FixedRoute,), FixedRoute
    for route in candidates:
        error = route.accepts(source, forced=route is wanted)
        if error is not None:
            break
    taken = "none" if error is None else route.name
    refusal = None if wanted is None else wanted.refusal(source, taken)
    if refusal is not None:
        raise ValueError(refusal)
    assert error is not None
    return route, error


def has_place(spatial: Any) -> bool:
    """Whether a shape has a position that may move; tables stay where they are."""
    return spatial.position is not None and not spatial.fixed_positions


def _fft_source(source: Source) -> FFTSource:
    arrays, profile, shape = source.arrays, source.place.profile, source.shape
    kernel = 1 if profile is None else kernel_half_width(profile, arrays.pixel_scale)
    window = window_of(arrays, shape, source.reach, kernel) if source.has_place else _whole_map(source, kernel)
    coords = sub_pixels(arrays.geom, shape.frame, window, source.sub_pixels)
    return FFTSource(source.model, source.sky, source.place, window, kernel, coords, basis=source.kernels)


def _whole_map(source: Source, kernel: int) -> Window:
    """Window of a shape without a position: the map and the reach of the PSF around it."""
    arrays = source.arrays
    if arrays.reco_psf:
        raise ValueError(
            f"model {source.model.name!r}, dataset {arrays.name!r}: a {type(source.spatial).__name__} with free "
            "parameters cannot be combined with a PSF in reconstructed energy; freeze its parameters"
        )
    n_lat, n_lon = arrays.mask.shape[1:]
    return -kernel, -kernel, n_lat + 2 * kernel, n_lon + 2 * kernel


def build_terms(
    arrays: FoldArrays,
    models: Sequence[Any],
    *,
    route: str | Mapping[str, str] | None = None,
    tolerance: float = TOLERANCE,
    reach: Mapping[str, float] | None = None,
    irf_position: str = "prior",
    at: Values | None = None,
) -> Terms:
    """Choose a PSF route for each source and compute what does not change.

    Parameters
    ----------
    arrays : FoldArrays
        The dataset.
    models : sequence of models
        Those that apply to it. What each contributes it says itself, `bayesmap.modeling.sky.Component.contribution`.
    route : {"mixture", "stamp", "radial", "round", "elliptical", "fft"} or mapping of model name to one, optional
        Force a route. By default: a Gaussian mixture for points and round Gaussians where it describes the PSF within
        the tolerance, else a B-spline stamp for points and a table over radius and size for round Gaussians ("radial",
        if that describes the PSF to 1e-3); tables of the blurred shape for others whose Fourier transform is known
        ("round", "elliptical"), and FFT for everything else; sources with all spatial parameters frozen are computed
        once ("fixed") if they are neither points nor round Gaussians behind a Gaussian mixture. What a model is it says
        itself, see `~bayesmap.modeling.SpatialModel`.
    tolerance : float
        Largest error of a Gaussian mixture, as half the L1 distance of pixel-integrated PSFs.
    reach : mapping of str to float, optional
        How far, in deg, each model may move or grow from where it is: the margin of FFT windows.
    irf_position : {"prior", "source"}
        "prior": PSF and energy dispersion are those of the place where the source is. "source": those of sources with a
        free position follow it, interpolated linearly between the pixels of the PSF map.
    at : Mapping of Parameter to float, optional
        Where the sources are, and how large: values of spatial parameters in internal units. Those that are missing
        have their present values.

    Returns
    -------
    Terms

    Raises
    ------
    ValueError
        If a model cannot be folded with this dataset, or cannot take the route that is asked for.
    """
    check_option("irf_position", irf_position, ("prior", "source"))
    by_kind: dict[str, list[Any]] = {"background": [], "counts": [], "flux": [], "response": []}
    for model in models:
        by_kind[model.contribution].append(model)
    terms = Terms(arrays, _background(arrays, by_kind["background"]))
    terms.members += [template_term(arrays, model) for model in by_kind["counts"]]
    effects = [effect for model in by_kind["response"] for effect in model.effects]
    kinds = {True: [m for m in by_kind["flux"] if _uses_exposure(arrays, m)]}
    kinds[False] = [m for m in by_kind["flux"] if m not in kinds[True]]
    for exposed, members in kinds.items():
        if not members:
            continue
        own = arrays if exposed else _unexposed(arrays)
        response, sources = Response(own, effects, exposed), []
        for model in members:
            shape = None if model.spatial_model is None else model_at(model.spatial_model, at or {})
            distance = (reach or {}).get(model.name, 0.0)
            place = response.at(model, shape, follow=_follows(own, model, irf_position), reach=distance)
            sources.append(Source(model, shape, place, tolerance, distance, at or {}))
        if own.is_region:
            terms.members += [region_term(s.model, s.shape, s.place) for s in sources]
            terms.routes |= {s.model.name: ("region", 0.0) for s in sources}
        else:
            terms.members += _folded(sources, route, terms.routes)
    return terms


def _folded(
    sources: list[Source], forced: str | Mapping[str, str] | None, routes: dict[str, tuple[str, float]]
) -> list[Term]:
    """Terms of sources on a map; the routes that they take are added to a dictionary."""
    by_route: dict[type[Route], list[Source]] = {}
    for source in sources:
        name = source.model.name
        if source.spatial is None:
            raise ValueError(
                f"model {name!r} has no spatial model, dataset {source.arrays.name!r} is a map and needs one"
            )
        wanted = forced.get(name) if isinstance(forced, Mapping) else forced
        if wanted is not None:
            check_option(f"PSF route of model {name!r}", wanted, tuple(_BY_NAME))
        route, error = choose_route(source, wanted)
        routes[name] = (route.name, error)
        by_route.setdefault(route, []).append(source)
    made = [part for route, members in by_route.items() for part in route.make(members)]
    groups = [part for part in made if isinstance(part, StampSources)]
    terms = [part for part in made if isinstance(part, Term)]
    return [*terms, ProjectedTerm(groups)] if groups else terms


def _background(arrays: FoldArrays, scaled: list[Any]) -> list[Term]:
    """The background of the dataset, scaled by a model if there is one."""
    if len(scaled) > 1:
        raise ValueError(
            f"dataset {arrays.name!r} has {len(scaled)} background models, {[m.name for m in scaled]}; it takes one"
        )
    if arrays.background is not None:
        return [background_term(arrays, scaled[0] if scaled else None)]
    if scaled:
        raise ValueError(f"model {scaled[0].name!r} scales the background of dataset {arrays.name!r}, which has none")
    return []


def _unexposed(arrays: FoldArrays) -> FoldArrays:
    """The dataset for spectra that are counts per energy."""
    shape = (len(arrays.energy_true), *arrays.mask.shape[1:])
    return replace(arrays, background=None, exposure=np.ones(shape), cache={})


def _follows(arrays: FoldArrays, model: Any, irf_position: str) -> bool:
    """Whether the response follows a source; the PSF of a region has one position, and stays there."""
    spatial = model.spatial_model
    if irf_position == "prior" or spatial is None or not has_place(spatial):
        return False
    if arrays.is_region and (arrays.psf is None or min(arrays.psf.psf_map.geom.to_image().data_shape) < 2):
        return False
    return not (spatial.lon_0.frozen and spatial.lat_0.frozen)


def _uses_exposure(arrays: FoldArrays, model: Any) -> bool:
    """Whether the exposure is applied to a source, or a ValueError that says why it cannot be folded."""
    apply = bool((getattr(model, "apply_irf", None) or {}).get("exposure", True))
    unit = model.spectral_model.output_unit
    if apply and arrays.exposure is None:
        raise ValueError(f"dataset {arrays.name!r} has no exposure: model {model.name!r} cannot be folded")
    if unit.is_equivalent("TeV-1") is apply:
        raise ValueError(
            f"model {model.name!r} on dataset {arrays.name!r}: its spectrum is in '{unit}', but with "
            f"apply_irf['exposure'] {apply} a spectrum {'of flux' if apply else 'of counts, in TeV-1,'} is folded"
        )
    return apply
