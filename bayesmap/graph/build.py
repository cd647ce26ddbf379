"""From models to terms: what each contributes to the counts of a dataset, each source by the route that it takes."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from bayesmap._util import check_option
from bayesmap.graph.arrays import FoldArrays, Values
from bayesmap.graph.response import Response
from bayesmap.graph.routes import BY_NAME, TOLERANCE, Route, choose_route
from bayesmap.graph.source import Source, has_place
from bayesmap.graph.terms.base import Term, Terms
from bayesmap.graph.terms.cube import background_term, template_term
from bayesmap.graph.terms.projected import ProjectedTerm, StampSources
from bayesmap.graph.terms.region import region_term
from bayesmap.graph.values import model_at
from bayesmap.units import FLUX_DENSITY

__all__ = ["build_terms"]


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
            check_option(f"PSF route of model {name!r}", wanted, tuple(BY_NAME))
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
    if unit.is_equivalent(FLUX_DENSITY):
        raise ValueError(
            f"model {model.name!r} on dataset {arrays.name!r}: its spectrum is a flux density in '{unit}', for images; "
            "counts need a flux per energy; datasets_names says which datasets a model applies to"
        )
    if apply and arrays.exposure is None:
        raise ValueError(f"dataset {arrays.name!r} has no exposure: model {model.name!r} cannot be folded")
    if unit.is_equivalent("TeV-1") is apply:
        raise ValueError(
            f"model {model.name!r} on dataset {arrays.name!r}: its spectrum is in '{unit}', but with "
            f"apply_irf['exposure'] {apply} a spectrum {'of flux' if apply else 'of counts, in TeV-1,'} is folded"
        )
    return apply
