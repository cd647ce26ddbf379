"""How sources meet the PSF: each route is a class that says what it accepts."""

import abc
from typing import Any, ClassVar

from bayesmap.graph.psf.fft import kernel_half_width
from bayesmap.graph.source import Source
from bayesmap.graph.terms.base import Term
from bayesmap.graph.terms.blurred import blurred_source, is_round
from bayesmap.graph.terms.fft import FFTSource
from bayesmap.graph.terms.fixed import fixed_term
from bayesmap.graph.terms.gaussian import GaussianSources, MixedGaussian
from bayesmap.graph.terms.projected import StampSources
from bayesmap.graph.terms.spline import PointTerm, RadialTerm
from bayesmap.graph.windows import Window, sub_pixels, window_of

__all__ = ["BY_NAME", "ROUTES", "TOLERANCE", "Route", "choose_route"]

TOLERANCE = 1e-3  # largest accepted error of a Gaussian mixture, and of a table over radius and size


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
BY_NAME = {route.name: route for route in ROUTES}


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
    wanted = BY_NAME[forced] if forced is not None else None
    candidates = ROUTES if wanted is None else tuple(BY_NAME[other] for other in wanted.instead)
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
