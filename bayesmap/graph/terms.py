"""From models and arrays to terms: which PSF route each source takes, and what does not change is computed once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
import pytensor.tensor as pt

from bayesmap._util import check_option
from bayesmap.graph.arrays import FoldArrays, Selection, Values
from bayesmap.graph.background import BackgroundTerm, background_term, template_term
from bayesmap.graph.blurred import blurred_source, is_blurred, is_round, window_of
from bayesmap.graph.fixed import FixedSource, fixed_source
from bayesmap.graph.irf_nodes import irf_nodes
from bayesmap.graph.pixel import SkyToPixel
from bayesmap.graph.psf.fft import kernel_basis, kernel_half_width
from bayesmap.graph.psf.mixture import Mixture, fit_mixture
from bayesmap.graph.psf.profile import PSFProfile, psf_profile
from bayesmap.graph.psf.radial import RadialTable, fit_radial
from bayesmap.graph.psf.stamp import fit_stamp
from bayesmap.graph.region import region_source
from bayesmap.graph.sources import (
    FFTSource,
    FollowingGaussian,
    GaussianGroup,
    RadialSource,
    SourceGroup,
    SplineSource,
    sub_pixels,
)
from bayesmap.graph.values import model_at
from bayesmap.modeling import FoVBackgroundModel, TemplateNPredModel

__all__ = ["ROUTES", "Terms", "build_terms"]

ROUTES = ("mixture", "stamp", "radial", "round", "elliptical", "fft", "fixed")
TOLERANCE = 1e-3  # largest accepted error of a Gaussian mixture, and of a table over radius and size


@dataclass(eq=False)
class Terms:
    """All that predicts counts in one dataset.

    Attributes
    ----------
    groups : list of SourceGroup
        Sources that go through the projection kernel.
    points : list of SplineSource and RadialSource
        Sources that have a kernel of their own.
    fixed : list of FixedSource
        Sources of fixed position and shape.
    backgrounds : list of BackgroundTerm
        Cubes in reconstructed energy.
    routes : dict of str
        ``{model name: (route, error)}``: the PSF route taken and its error, half the L1 distance from the exact
        pixel-integrated PSF. Of "fft" that is what the few basis kernels leave out (the whole, pixels included, is up
        to 6e-3, see docs/decisions); "fixed" and "region" are not measured and say zero.
    unexposed : Terms or None
        Sources whose ``apply_irf["exposure"]`` is false: their spectra are counts per energy.
    """

    arrays: FoldArrays
    groups: list[Any] = field(default_factory=list)
    points: list[SplineSource | RadialSource] = field(default_factory=list)
    fixed: list[FixedSource] = field(default_factory=list)
    backgrounds: list[BackgroundTerm] = field(default_factory=list)
    routes: dict[str, tuple[str, float]] = field(default_factory=dict)
    unexposed: "Terms | None" = None

    @property
    def collapse(self) -> bool:
        """Whether outside of the sources' windows one background cube times a factor per energy is all there is."""
        one = len(self.backgrounds) == 1 and self.backgrounds[0].separable
        return one and not self.fixed and self.unexposed is None


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
        Those that apply to it.
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
        "prior": PSF and energy dispersion are those of the place where the source is. "source": those of moving points
        and round Gaussians follow the position, interpolated linearly between positions around that place; needs a PSF
        that a Gaussian mixture describes within the tolerance.
    at : Mapping of Parameter to float, optional
        Where the sources are, and how large: values of spatial parameters in internal units. Those that are missing
        have their present values.

    Returns
    -------
    Terms

    Raises
    ------
    ValueError
        If there are several background models, or one without a background.
    """
    check_option("irf_position", irf_position, ("prior", "source"))
    terms = Terms(arrays)
    scaled = [m for m in models if isinstance(m, FoVBackgroundModel)]
    if len(scaled) > 1:
        raise ValueError(
            f"dataset {arrays.name!r} has {len(scaled)} background models, {[m.name for m in scaled]}; it takes one"
        )
    if arrays.background is not None:
        terms.backgrounds.append(background_term(arrays, scaled[0] if scaled else None))
    elif scaled:
        raise ValueError(f"model {scaled[0].name!r} scales the background of dataset {arrays.name!r}, which has none")
    terms.backgrounds += [template_term(arrays, m) for m in models if isinstance(m, TemplateNPredModel)]
    sky_models = [m for m in models if not isinstance(m, FoVBackgroundModel | TemplateNPredModel)]
    add = partial(
        _add_sources, route=route, tolerance=tolerance, reach=reach or {}, irf_position=irf_position, at=at or {}
    )
    exposed = [m for m in sky_models if _uses_exposure(arrays, m)]
    add(terms, exposed)
    unexposed = [m for m in sky_models if m not in exposed]
    if unexposed:
        shape = (len(arrays.energy_true), *arrays.mask.shape[1:])
        alone = replace(arrays, background=None, exposure=np.ones(shape), cache={})
        terms.unexposed = Terms(alone)
        add(terms.unexposed, unexposed)
        terms.routes |= terms.unexposed.routes
    return terms


def _add_sources(
    terms: Terms,
    sky_models: Sequence[Any],
    *,
    route: str | Mapping[str, str] | None,
    tolerance: float,
    reach: Mapping[str, float],
    irf_position: str,
    at: Values,
) -> None:
    arrays = terms.arrays
    if arrays.is_region:
        terms.fixed = [region_source(arrays, m, at) for m in sky_models]
        terms.routes = {m.name: ("region", 0.0) for m in sky_models}
        return
    plans = [_plan(arrays, m, _forced(route, m.name), tolerance, at) for m in sky_models]
    for plan in plans:
        terms.routes[plan.model.name] = (plan.route, plan.error)
        if plan.route == "fixed":
            terms.fixed.append(fixed_source(arrays, plan.model, plan.profile, plan.edisp, plan.sky(arrays)))
        elif plan.route == "stamp" and not (irf_position == "source" and plan.moves):
            stamp = fit_stamp(plan.profile, arrays.pixel_scale, max_half=max(arrays.mask.shape[1:]))
            terms.routes[plan.model.name] = ("stamp", stamp.error)
            distance = reach.get(plan.model.name, 0.0)
            spline = SplineSource(plan.model, plan.sky(arrays), stamp, plan.edisp, arrays.reco_psf, distance, at)
            terms.points.append(spline)
        elif plan.route == "radial" and not (irf_position == "source" and plan.moves):
            distance = reach.get(plan.model.name, 0.0)
            assert plan.radial is not None
            at_table = plan.model, plan.sky(arrays), plan.radial, plan.edisp, arrays.reco_psf
            terms.points.append(RadialSource(*at_table, distance, at))
        elif plan.route == "mixture" and irf_position == "source" and plan.moves:
            source = _following(arrays, plan, reach.get(plan.model.name, 0.0), tolerance)
            terms.routes[plan.model.name] = ("mixture", source.error)
            terms.groups.append(source)
        elif irf_position == "source" and plan.moves:
            raise ValueError(
                f"model {plan.model.name!r} takes the PSF route {plan.route!r}, irf_position='source' needs 'mixture' "
                "(a point or round Gaussian and a PSF that Gaussians describe): freeze its position or use "
                "irf_position='prior'"
            )
        elif plan.route in ("round", "elliptical"):
            distance = reach.get(plan.model.name, 0.0)
            terms.groups.append(
                blurred_source(arrays, plan.model, plan.shape, plan.sky(arrays), plan.profile, plan.edisp, distance)
            )
        elif plan.route == "fft":
            fft_source = _fft_source(arrays, plan, reach.get(plan.model.name, 0.0))
            terms.routes[plan.model.name] = ("fft", fft_source.error)
            terms.groups.append(fft_source)
    together = [p for p in plans if p.route == "mixture" and not (irf_position == "source" and p.moves)]
    terms.groups += _gaussian_groups(arrays, together)


def _forced(route: str | Mapping[str, str] | None, name: str) -> str | None:
    chosen = route.get(name) if isinstance(route, Mapping) else route
    if chosen is not None:
        check_option(f"PSF route of model {name!r}", chosen, ROUTES)
    return chosen


@dataclass(eq=False)
class _Plan:
    """One source: its route, its spatial model where it is (a copy), and the IRFs there."""

    model: Any
    shape: Any
    route: str
    profile: PSFProfile | None
    edisp: np.ndarray
    error: float = 0.0
    mixture: Mixture | None = None
    radial: RadialTable | None = None

    @property
    def moves(self) -> bool:
        """Whether the position is free."""
        spatial = self.model.spatial_model
        return _positioned(spatial) and not (spatial.lon_0.frozen and spatial.lat_0.frozen)

    def sky(self, arrays: FoldArrays) -> SkyToPixel:
        frame = self.model.spatial_model.frame
        key = f"sky-{frame}"
        if key not in arrays.cache:
            arrays.cache[key] = SkyToPixel.from_geom(arrays.geom, arrays.geom.center_skydir.transform_to(frame))
        sky: SkyToPixel = arrays.cache[key]
        return sky


def _plan(arrays: FoldArrays, model: Any, forced: str | None, tolerance: float, at: Values) -> _Plan:
    spatial = model.spatial_model
    if spatial is None:
        raise ValueError(f"model {model.name!r} has no spatial model, dataset {arrays.name!r} is a map and needs one")
    use = {"psf": True, "edisp": True, **(getattr(model, "apply_irf", None) or {})}
    shape = model_at(spatial, at)
    position = getattr(shape, "position", None) or arrays.geom.center_skydir
    energy = arrays.energy if arrays.reco_psf else arrays.energy_true
    profile = psf_profile(arrays.psf, position, energy) if use["psf"] and arrays.psf is not None else None
    edisp = arrays.dispersion(position, apply=use["edisp"])
    moving = any(not p.frozen for p in spatial.parameters)
    gaussian = spatial.is_round_gaussian
    plan = _Plan(model, shape, "fft", profile, edisp)
    shaped = moving and spatial.position is None  # free shape, no position
    if forced == "fixed" or (forced is None and not moving and not gaussian) or not (shaped or _positioned(spatial)):
        if moving:
            raise ValueError(f"model {model.name!r} has free spatial parameters and cannot take the route 'fixed'")
        plan.route = "fixed"
        return plan
    if forced in (None, "mixture") and gaussian and (spatial.is_point or not arrays.reco_psf):
        plan.mixture = _mixture(arrays, profile, len(energy))
        if forced or plan.mixture.error <= tolerance:
            plan.route, plan.error = "mixture", plan.mixture.error
            return plan
    if forced == "mixture":
        raise ValueError(f"model {model.name!r}: only points and round Gaussians can take the route 'mixture'")
    if forced == "stamp" and not spatial.is_point:
        raise ValueError(f"model {model.name!r}: only point sources can take the route 'stamp'")
    if forced == "radial" and (profile is None or not gaussian):
        raise ValueError(
            f"model {model.name!r}: only points and round Gaussians behind a PSF can take the route 'radial'"
        )
    if spatial.is_point and profile is not None and forced != "radial":
        plan.route = "stamp"
    elif not moving and forced != "radial":
        plan.route = "fixed"
    else:
        tabulated = gaussian and profile is not None and forced in (None, "radial")
        plan.radial = _radial_table(arrays, plan) if tabulated else None
        # Of a PSF that ends in an edge, on pixels as wide as it, the table has not even the right sum.
        if plan.radial is not None and (forced or plan.radial.error <= TOLERANCE):
            plan.route, plan.error = "radial", plan.radial.error
        elif forced != "fft" and is_blurred(spatial):
            plan.route = "round" if is_round(spatial) else "elliptical"
    if forced in ("round", "elliptical") and plan.route != forced:
        raise ValueError(f"model {model.name!r}: its shape takes the route {plan.route!r}, it cannot take {forced!r}")
    return plan


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


def _positioned(spatial: Any) -> bool:
    """Whether a shape has a position that may move; tables stay where they are."""
    return spatial.position is not None and not spatial.fixed_positions


def _mixture(arrays: FoldArrays, profile: PSFProfile | None, n_energy: int) -> Mixture:
    if profile is None:
        # A point without PSF would jump from pixel to pixel: give it the width of a quarter pixel.
        sigma = np.full((n_energy, 1), min(arrays.pixel_scale) / 4)
        return Mixture(sigma, np.ones_like(sigma), 0.0)
    return fit_mixture(profile, arrays.pixel_scale)


def _gaussian_groups(arrays: FoldArrays, plans: list[_Plan]) -> list[SourceGroup]:
    groups: dict[tuple[bool, str], list[_Plan]] = {}
    for plan in plans:
        key = (plan.model.spatial_model.is_point, plan.model.spatial_model.frame)
        groups.setdefault(key, []).append(plan)
    max_half = max(arrays.mask.shape[1:])
    return [
        GaussianGroup(
            [p.model for p in members],
            members[0].sky(arrays),
            [p.mixture for p in members if p.mixture is not None],
            np.stack([p.edisp for p in members]),
            arrays.reco_psf,
            max_half,
        )
        for members in groups.values()
    ]


def _following(arrays: FoldArrays, plan: _Plan, reach: float, tolerance: float) -> FollowingGaussian:
    if arrays.reco_psf or plan.profile is None:
        raise ValueError(f"dataset {arrays.name!r}: irf_position='source' needs a PSF in true energy")
    nodes = irf_nodes(arrays, plan.shape.position, reach)
    if nodes.error > tolerance:
        raise ValueError(
            f"model {plan.model.name!r}, dataset {arrays.name!r}: the PSF between positions is described to "
            f"{nodes.error:.2e} only, psf_tolerance is {tolerance:.2e}; raise it or use irf_position='prior'"
        )
    return FollowingGaussian(plan.model, plan.sky(arrays), nodes, max(arrays.mask.shape[1:]))


def _radial_table(arrays: FoldArrays, plan: _Plan) -> RadialTable:
    sky, position = plan.sky(arrays), plan.shape.position
    lon, lat = (pt.as_tensor_variable(np.asarray(x.deg)) for x in (position.data.lon, position.data.lat))
    xe, xn, ye, yn = (float(x) for x in pt.stack(sky.jacobian(lon, lat)).eval(mode="FAST_COMPILE"))
    scale = 1 / float(np.hypot(xe, xn)), 1 / float(np.hypot(ye, yn))
    diagonal = float(np.hypot(*(n * s for n, s in zip(arrays.mask.shape[:0:-1], arrays.pixel_scale, strict=True))))
    return fit_radial(plan.profile, scale, diagonal)


def _fft_source(arrays: FoldArrays, plan: _Plan, reach: float) -> FFTSource:
    spatial, scale = plan.shape, arrays.pixel_scale
    kernel = 1 if plan.profile is None else kernel_half_width(plan.profile, scale)
    window = window_of(arrays, spatial, reach, kernel) if _positioned(spatial) else _whole_map(arrays, plan, kernel)
    fine = _sub_pixels_per_axis(spatial, min(scale))
    n_energy = len(arrays.energy if arrays.reco_psf else arrays.energy_true)
    # Samples of a smooth shape have no average over a sub-pixel: the kernel keeps it. Edges have been widened instead.
    missing = 1 / fine**2 if spatial.is_smooth and plan.profile is not None else 0.0
    basis = kernel_basis(plan.profile, n_energy, scale, missing)
    coords = sub_pixels(arrays.geom, spatial.frame, window, fine)
    source = plan.model, plan.sky(arrays), window, kernel, coords, plan.edisp[None], arrays.reco_psf
    return FFTSource(*source, basis=basis)


def _sub_pixels_per_axis(spatial: Any, pixel: float) -> int:
    """Number of samples per pixel and axis: those of Gammapy, and of smooth shapes no more than they need.

    Two samples per standard deviation of a Gaussian (1.5 per ``_structure``) are within 2e-4 of its peak.
    """
    detail = spatial.evaluation_bin_size_min
    if detail is None:
        return 1
    number = np.ceil(2 * pixel / detail.to_value("deg"))
    if spatial.is_smooth:
        number = min(number, np.ceil(1.5 * pixel / spatial._structure.to_value("deg")))
    return int(np.clip(number, 1, 8))


def _whole_map(arrays: FoldArrays, plan: _Plan, kernel: int) -> tuple[int, int, int, int]:
    """Window of a shape without a position: the map and the reach of the PSF around it."""
    if arrays.reco_psf:
        raise ValueError(
            f"model {plan.model.name!r}, dataset {arrays.name!r}: a {type(plan.model.spatial_model).__name__} with "
            "free parameters cannot be combined with a PSF in reconstructed energy; freeze its parameters"
        )
    n_lat, n_lon = arrays.mask.shape[1:]
    return -kernel, -kernel, n_lat + 2 * kernel, n_lon + 2 * kernel


def selection_data(terms: Terms, selection: Selection) -> dict[str, np.ndarray]:
    """All arrays that depend on which bins are looked at."""
    n_pixel, energy = terms.arrays.mask.shape[1] * terms.arrays.mask.shape[2], selection.energy
    arrays = {
        "columns": selection.columns,
        "rows": selection.rows,
        "energy": energy,
        "pixel": selection.index % n_pixel,
    }
    for i, background in enumerate(terms.backgrounds):
        arrays[f"background{i}"] = background.cube.ravel()[selection.index]
    if terms.collapse:
        cube = arrays["background0"]
        arrays["log_background0"] = np.log(np.where(cube > 0, cube, 1.0))
        number = [np.bincount(e, minlength=len(terms.arrays.energy)) for e in (energy, energy[cube <= 0])]
        arrays["per_energy"] = np.stack(number)
    for i, source in enumerate(terms.fixed):
        arrays[f"response{i}"], arrays[f"first{i}"] = source.response(selection)
    return arrays
